package coatcheck_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// OnError sends people to the login page and leaves the rest to the statuses
// that the errors have.
func ExampleConfig_onError() {
	sessions := newSessions(coatcheck.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		if errors.Is(err, coatcheck.ErrLoginRequired) {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		status := coatcheck.StatusOf(err)
		http.Error(w, http.StatusText(status), status) // never err itself
	}})
	b := newBrowser(sessions.Handler(sessions.RequireLogin(http.NotFoundHandler())))
	w := b.do("GET", "/account")
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 303 /login
}
