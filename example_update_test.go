package coatcheck_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// Update loses no increment, however many requests run at once.
func ExampleKey_Update() {
	visits := coatcheck.NewKey[int]("visits")
	b := newBrowser(newSessions(coatcheck.Config{}).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := visits.Update(coatcheck.From(r.Context()), func(n int) int { return n + 1 })
		fmt.Fprintln(w, "Visit", n)
	})))
	for range 3 {
		fmt.Print(b.do("GET", "/").Body)
	}
	// Output:
	// Visit 1
	// Visit 2
	// Visit 3
}
