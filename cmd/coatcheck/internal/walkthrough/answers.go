package walkthrough

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// answer sends text and nothing behind it. Parts of it come from visitors:
// nosniff keeps browsers from reading it as a page, and no-store keeps what
// depends on a cookie out of caches.
func answer(w http.ResponseWriter, status int, format string, args ...any) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintf(w, format, args...)
}

// answerJSON sends v without a newline behind it.
func answerJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		answer(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.Write(b)
}
