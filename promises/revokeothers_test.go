package promises_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// An endTrap does something before each EndUser.
type endTrap struct {
	store.Store
	before func()
}

func (e *endTrap) EndUser(ctx context.Context, user string, at, until time.Time, keep ...store.ID) ([]store.ID, error) {
	e.before()
	return e.Store.EndUser(ctx, user, at, until, keep...)
}

// G11, S8: RevokeOthers ends the others and never the session that asks, also
// where another request of the same browser gets a new token at that moment.
func TestG11RevokeOthersWhileRenewed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*coatcheck.Session){
		"Renew":          (*coatcheck.Session).Renew,
		"Reauthenticate": (*coatcheck.Session).Reauthenticate,
		"Remember":       func(s *coatcheck.Session) { s.Remember(day) },
		"Login":          func(s *coatcheck.Session) { s.Login("alice") },
		"twice":          (*coatcheck.Session).Renew,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := &endTrap{Store: memstore.New(memstore.Config{})}
			m := manage(t, st, coatcheck.Config{})
			renew := func(b *browser) {
				c := b.Clone()
				c.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { change(s) })
				wants(t, c.Send("POST", "/"), 200, "")
				wear(b, c.Cookies())
			}
			ended := -1
			b := begin(t, m, only(m, func(_ http.ResponseWriter, r *http.Request, _ *coatcheck.Session) {
				var err error
				if ended, err = m.RevokeOthers(r.Context()); err != nil {
					t.Error(err)
				}
			}))
			other := begin(t, m, nil)
			st.before = func() {
				renew(b)
				if name == "twice" {
					renew(b)
				}
			}
			if w := b.Send("POST", "/"); w.Code != 200 || ended != 1 {
				t.Errorf("got %d, and %d sessions were ended, want 1", w.Code, ended)
			}
			if user, _ := stored(m, b); user != "alice" {
				t.Error("it has ended the session of the browser that asked")
			}
			if user, _ := stored(m, other); user != "" {
				t.Error("the other session goes on")
			}
			renew(b) // a revocation does not refuse it
			if user, _ := stored(m, b); user != "alice" {
				t.Error("the session that was kept cannot be renewed")
			}
		})
	}
}
