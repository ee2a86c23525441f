package coatcheck_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck"
)

// A code that was sent by mail is worth something for ten minutes.
func ExampleKey_SetFor() {
	code := coatcheck.NewKey[string]("code")
	mux := http.NewServeMux()
	mux.HandleFunc("/send", func(_ http.ResponseWriter, r *http.Request) {
		code.SetFor(coatcheck.From(r.Context()), "123456", 10*time.Minute)
	})
	mux.HandleFunc("/verify", func(w http.ResponseWriter, r *http.Request) {
		// Pop: a code is good for one try.
		sent, ok := code.Pop(coatcheck.From(r.Context()))
		fmt.Fprintln(w, ok && sent == r.FormValue("code"))
	})

	b := newBrowser(newSessions(coatcheck.Config{}).Handler(mux))
	b.do("POST", "/send")
	fmt.Print(b.do("POST", "/verify?code=123456").Body)
	fmt.Print(b.do("POST", "/verify?code=123456").Body)
	// Output:
	// true
	// false
}
