package coatcheck_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck"
)

// Before a password or an address is changed the user proves again who they
// are: ASVS 7.5.1.
func ExampleManager_RequireFresh() {
	sessions := newSessions(coatcheck.Config{})
	fresh := sessions.RequireFresh(5 * time.Minute)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })
	mux.HandleFunc("POST /password-again", func(_ http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Reauthenticate() // after the password was checked
	})
	mux.Handle("POST /change", fresh(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Changed")
	})))

	b := newBrowser(sessions.Handler(mux))
	fmt.Println(b.do("POST", "/change").Code)
	b.do("POST", "/login")
	fmt.Print(b.do("POST", "/change").Body) // five minutes later: 401
	b.do("POST", "/password-again")
	fmt.Print(b.do("POST", "/change").Body)
	// Output:
	// 401
	// Changed
	// Changed
}
