package coatcheck_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// RequireLogin in front of every route that only users may use. It loads the
// session first, so that the handler cannot act while the store is away.
func ExampleManager_RequireLogin() {
	sessions := newSessions(coatcheck.Config{})
	mux := http.NewServeMux()
	mux.Handle("GET /account", sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "The account of ", coatcheck.From(r.Context()).User())
	})))
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })

	b := newBrowser(sessions.Handler(mux))
	w := b.do("GET", "/account")
	fmt.Println(w.Code, w.Body)
	b.do("POST", "/login")
	w = b.do("GET", "/account")
	fmt.Println(w.Code, w.Body)
	// Output:
	// 401 Not logged in
	// 200 The account of 123
}
