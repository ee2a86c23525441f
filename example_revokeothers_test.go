package coatcheck_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// Whoever changes a password ends all other sessions: ASVS 7.4.3.
func ExampleManager_RevokeOthers() {
	sessions := newSessions(coatcheck.Config{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })
	mux.Handle("POST /password", sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Reauthenticate() // after the old password was checked
		n, err := sessions.RevokeOthers(r.Context())
		fmt.Fprintln(w, n, err)
	})))
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %q\n", coatcheck.From(r.Context()).User())
	})

	own, stolen := newBrowser(sessions.Handler(mux)), newBrowser(sessions.Handler(mux))
	own.do("POST", "/login")
	stolen.do("POST", "/login")
	fmt.Print(own.do("POST", "/password").Body)
	fmt.Print(own.do("GET", "/").Body)
	fmt.Print(stolen.do("GET", "/").Body)
	// Output:
	// 1 <nil>
	// user "123"
	// user ""
}
