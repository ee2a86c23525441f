package coatcheck_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// A key says once what type a value has; any type that JSON can hold will do.
func ExampleKey() {
	type address struct{ Street, City string }
	home := coatcheck.NewKey[address]("home") // usually a package variable

	mux := http.NewServeMux()
	mux.HandleFunc("/move", func(_ http.ResponseWriter, r *http.Request) {
		home.Set(coatcheck.From(r.Context()), address{"Main Street 1", "Springfield"})
	})
	mux.HandleFunc("/where", func(w http.ResponseWriter, r *http.Request) {
		a, ok := home.Get(coatcheck.From(r.Context()))
		fmt.Fprintf(w, "%q %t\n", a.City, ok)
	})

	b := newBrowser(newSessions(coatcheck.Config{}).Handler(mux))
	fmt.Print(b.do("GET", "/where").Body)
	b.do("POST", "/move")
	fmt.Print(b.do("GET", "/where").Body)
	// Output:
	// "" false
	// "Springfield" true
}
