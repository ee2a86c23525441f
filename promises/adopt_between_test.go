package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// between is a store in which something else happens once, between the look of
// EndAdopted and what it writes, or right before its look.
type between struct {
	store.Store
	armed, before bool
	does          func()
}

func (b *between) now() {
	if b.armed {
		b.armed = false
		b.does()
	}
}

func (b *between) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if b.before {
		b.now()
	}
	return b.Store.Load(ctx, id)
}

func (b *between) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	b.now()
	return b.Store.Update(ctx, rec, ifVersion)
}

// An end in the other system is one step with finding the session live. A logout here
// that comes between is one of here, so that no copy of the foreign cookie opens
// anything more (G2); a login that has taken its place is another session, and
// goes on; a renewal and a change are of the session that ends.
func TestG2BetweenInEndAdopted(t *testing.T) {
	t.Parallel()
	type end struct{ other, copied string }
	for path, want := range map[string]end{
		"/logout": {"[]", "[]"},
		"/login":  {"eve[]", "[]"}, // what was replaced opens nothing, see decision 60
		"/renew":  {"[]", "bob[]"},
		"/keep":   {"[]", "bob[]"},
	} {
		for _, before := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s before the look %t", path, before), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := &oldSystem{user: "bob", until: ahead()} // its cookies say no time
					st := &between{Store: memstore.New(memstore.Config{}), before: before}
					m := manage(t, st, coatcheck.Config{})
					adopt, err := m.Adopting(e.find)
					if err != nil {
						t.Fatal(err)
					}
					h := following(t, m, e)
					b := opens(t, "first", h, "bob[]")
					other := b.Clone()
					st.does = func() {
						time.Sleep(time.Millisecond)
						other.Send("POST", path)
					}
					w := newBrowserWith(b, adopt(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						s := coatcheck.From(r.Context())
						s.User()
						st.armed = true
						if err := m.EndAdopted(r.Context(), ""); err != nil {
							t.Error(err)
						}
						fmt.Fprint(w, s.User())
					}))).Send("GET", "/")
					if st.armed || w.Code != http.StatusOK || w.Body.String() != "" {
						t.Errorf("nothing came between, or the request goes on: %d %q", w.Code, w.Body)
					}
					other.SetCookie("old", "")
					wantBody(t, "the other request's session", other.Send("GET", "/"), want.other)
					listed(t, m, "bob", 0)
					for _, wait := range []time.Duration{time.Second, 61 * time.Second, 24 * time.Hour} {
						time.Sleep(wait)
						if _, err := m.Sweep(t.Context()); err != nil {
							t.Fatal(err)
						}
						opens(t, fmt.Sprint("a copy of the cookie, ", wait), h, want.copied)
						if want.copied != "[]" { // it has a session now
							break
						}
					}
				})
			})
		}
	}
}

// newBrowserWith is a browser at h with the cookies of another.
func newBrowserWith(b *browser, h http.Handler) *browser {
	with := newBrowser(h)
	wear(with, b.Cookies())
	return with
}
