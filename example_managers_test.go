package coatcheck_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// Two kinds of sessions side by side: customers and staff, each with a cookie
// and lifetimes of its own.
func ExampleManager_From() {
	customers := newSessions(coatcheck.Config{})
	staff := newSessions(coatcheck.Config{Name: "__Host-Http-staff"})
	b := newBrowser(customers.Handler(staff.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/staff/login" {
			staff.From(r.Context()).Login("clerk")
		}
		fmt.Fprintf(w, "customer %q, staff %q\n", customers.From(r.Context()).User(), staff.From(r.Context()).User())
	}))))
	fmt.Print(b.do("POST", "/staff/login").Body)
	fmt.Print(b.do("GET", "/").Body)
	// Output:
	// customer "", staff "clerk"
	// customer "", staff "clerk"
}
