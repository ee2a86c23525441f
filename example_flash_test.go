package coatcheck_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// A message for the next page, shown once.
func ExampleSession_Flash() {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /save", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Flash("Saved.")
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, coatcheck.From(r.Context()).Flashes())
	})

	b := newBrowser(newSessions(coatcheck.Config{}).Handler(mux))
	fmt.Println(b.do("POST", "/save").Code)
	fmt.Print(b.do("GET", "/").Body)
	fmt.Print(b.do("GET", "/").Body)
	// Output:
	// 303
	// [Saved.]
	// []
}
