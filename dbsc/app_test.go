package dbsc_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/internal/device"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

const (
	sidName   = "__Host-Http-sid"
	boundName = "__Host-sid-bound"
)

// secrets are those of the tests' servers; the second is a new first one.
var secrets = []string{"q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa", "Zp3-nWc7RkQ5tYx9Lb2Vd8Hs4Jm6Gf1e"}

// An app is an application whose sessions are bound.
type app struct {
	m     *coatcheck.Manager
	bound *dbsc.Handler
	http.Handler

	events coatchecktest.Events
}

type options struct {
	store  store.Store
	keys   []string
	cfg    coatcheck.Config
	dbsc   dbsc.Config
	around func(http.Handler) http.Handler
}

func newApp(t testing.TB, o options) *app {
	t.Helper()
	if o.store == nil {
		o.store = memstore.New(memstore.Config{})
	}
	if o.keys == nil {
		o.keys = secrets[:1]
	}
	keys, err := cookie.NewKeys(o.keys...)
	if err != nil {
		t.Fatal(err)
	}
	a := new(app)
	o.cfg.Events = a.events.Record
	if a.m, err = coatcheck.New(o.store, keys, o.cfg); err != nil {
		t.Fatal(err)
	}
	if a.bound, err = dbsc.New(a.m, o.dbsc); err != nil {
		t.Fatal(err)
	}
	var h http.Handler = a.routes()
	if o.around != nil {
		h = o.around(h)
	}
	a.Handler = a.m.Handler(h)
	return a
}

var visits = coatcheck.NewKey[int]("visits")

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/dbsc/", a.bound)
	does := func(path string, f func(*coatcheck.Session)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s := a.m.From(r.Context())
			f(s)
			fmt.Fprintf(w, "user=%q err=%v", s.User(), s.Err())
		})
	}
	does("/login", func(s *coatcheck.Session) { s.Login("alice") })
	does("/bob", func(s *coatcheck.Session) { s.Login("bob") })
	does("/again", (*coatcheck.Session).Reauthenticate)
	does("/renew", (*coatcheck.Session).Renew)
	does("/remember", func(s *coatcheck.Session) { s.Remember(24 * time.Hour) })
	does("/logout", (*coatcheck.Session).Logout)
	does("/clear", (*coatcheck.Session).Clear)
	does("/write", func(s *coatcheck.Session) { visits.Set(s, 7) })
	does("/read", func(*coatcheck.Session) {})
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, a.m.From(r.Context()).User()) })
	mux.Handle("/account", a.m.RequireLogin(show))
	mux.Handle("/admin/", a.m.RequireLogin(show))
	mux.Handle("/transfer", a.bound.RequireProof(show))
	return mux
}

// sessions are those of alice.
func (a *app) sessions(t testing.TB) []coatcheck.Info {
	t.Helper()
	infos, err := a.m.Sessions(context.Background(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	return infos
}

// count is the number of events of a kind, of that reason unless it is empty.
func (a *app) count(kind coatcheck.Kind, reason string) int {
	n := 0
	for _, e := range a.events.All() {
		if e.Kind == kind && (reason == "" || e.Reason == reason) {
			n++
		}
	}
	return n
}

func (a *app) dump() (s string) {
	for _, e := range a.events.All() {
		s += fmt.Sprintf("%s %q %v\n", e.Kind, e.Reason, e.Err)
	}
	return s
}

// status checks how a request is answered.
func (a *app) status(t testing.TB, d *device.Device, method, path string, want int, headers ...string) {
	t.Helper()
	if w := d.Do(method, path, headers...); w.Code != want {
		t.Fatalf("%s %s: %d %q, want %d; events:\n%s", method, path, w.Code, w.Body, want, a.dump())
	}
}
