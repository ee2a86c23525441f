package coatcheck_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// A router that recovers panics answers for the handler, and the answer looks
// like any other. DropOnPanic goes inside of the recoverer.
func ExampleDropOnPanic() {
	sessions := newSessions(coatcheck.Config{})
	order := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login("123")
		panic("the rest of the order")
	})
	recoverer := func(next http.Handler) http.Handler { // the router's
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					http.Error(w, "Something went wrong", http.StatusInternalServerError)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
	b := newBrowser(sessions.Handler(recoverer(coatcheck.DropOnPanic(order))))
	w := b.do("POST", "/order")
	fmt.Println(w.Code, len(w.Header()["Set-Cookie"]))
	// Output: 500 0
}
