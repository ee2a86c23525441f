package coatcheck_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// Append keeps what other requests append at the same time.
func ExampleAppend() {
	cart := coatcheck.NewKey[[]string]("cart")
	b := newBrowser(newSessions(coatcheck.Config{}).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		coatcheck.Append(s, cart, r.FormValue("item"))
		items, _ := cart.Get(s)
		fmt.Fprintln(w, items)
	})))
	fmt.Print(b.do("POST", "/?item=tea").Body)
	fmt.Print(b.do("POST", "/?item=cups").Body)
	// Output:
	// [tea]
	// [tea cups]
}
