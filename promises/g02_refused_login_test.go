package promises_test

import (
	"net/http"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// G2: "Logout … win over everything": one of a handler around RequireLogin stands,
// although the request is then refused for want of a login.
func TestG2LogoutBeforeTheRefusal(t *testing.T) {
	t.Parallel()
	store := memstore.New(memstore.Config{})
	m := manage(t, store, coatcheck.Config{})
	b := begin(t, m, nil)
	stolen := b.Clone()
	b.Handler = only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		s.Logout() // say, because the account is blocked
		s.Flash("blocked")
		m.RequireLogin(http.NotFoundHandler()).ServeHTTP(w, r)
	})
	w := b.Send("GET", "/")
	wants(t, w, http.StatusUnauthorized, "Not logged in")
	if records, err := store.User(t.Context(), "alice"); err != nil || len(records) != 0 {
		t.Errorf("the store has %d sessions of alice, %v; want none", len(records), err)
	}
	stolen.Handler = only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		w.Write([]byte("user " + s.User()))
	})
	wants(t, stolen.Send("GET", "/"), 200, "user ")
	b.Handler = only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		for _, text := range s.Flashes() {
			w.Write([]byte(text))
		}
	})
	wants(t, b.Send("GET", "/"), 200, "blocked")
}
