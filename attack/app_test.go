// Package attack_test holds attacks on cookies and sessions: one for each row of
// docs/threat-model.md, named after a published fault that it would have caught.
// The victim is an app, the attackers are browsers that obey nothing. Each is in
// internal/mutants with the defence that it tests.
package attack_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

const (
	sid    = "__Host-Http-sid"
	secret = "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa"
)

var note = coatcheck.NewKey[string]("note")

// An app is a victim: the routes that every application has.
type app struct {
	t        testing.TB
	store    *memstore.Store
	sessions *coatcheck.Manager
	http.Handler

	events coatchecktest.Events
	block  map[string]chan struct{} // paths whose handler waits, once it has looked
	inside chan string              // tells that it does
}

func newKeys(t testing.TB, secrets ...string) *cookie.Keys {
	t.Helper()
	k, err := cookie.NewKeys(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newApp(t testing.TB) *app {
	t.Helper()
	a := &app{t: t, store: memstore.New(memstore.Config{}), block: map[string]chan struct{}{}, inside: make(chan string, 8)}
	var err error
	a.sessions, err = coatcheck.New(a.store, newKeys(t, secret), coatcheck.Config{Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Events: a.events.Record})
	if err != nil {
		t.Fatal(err)
	}
	a.Handler = a.sessions.Handler(http.HandlerFunc(a.serve))
	return a
}

func (a *app) serve(w http.ResponseWriter, r *http.Request) {
	s := a.sessions.From(r.Context())
	switch path := r.URL.Path; path {
	case "/login":
		s.Login(r.URL.Query().Get("user"))
	case "/logout":
		s.Logout()
	case "/profile", "/slow-read":
		user := s.User()
		a.wait(path)
		fmt.Fprintf(w, "user=%s", user)
	case "/note", "/slow-write":
		s.User()
		a.wait(path)
		note.Set(s, r.URL.Query().Get("text"))
	case "/read":
		text, _ := note.Get(s)
		fmt.Fprintf(w, "note=%s", text)
	case "/has":
		fmt.Fprint(w, len(s.Keys()))
	case "/flash":
		s.Flash("hello")
	case "/password":
		if _, err := a.sessions.RevokeOthers(r.Context()); err != nil {
			http.Error(w, "failed", 500)
		}
		s.Renew()
	}
}

func (a *app) wait(path string) {
	if c := a.block[path]; c != nil {
		a.inside <- path
		<-c
	}
}

// rows is what the store holds, tombstones included.
func (a *app) rows() int64 {
	a.t.Helper()
	stats, err := a.store.Stats(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	return stats.Sessions + stats.Tombstones
}

// userOf is who the application takes a browser for.
func userOf(j *coatchecktest.Browser) string {
	return strings.TrimPrefix(j.Clone().Send("GET", "/profile").Body.String(), "user=")
}

func loggedIn(a *app, user string) *coatchecktest.Browser {
	a.t.Helper()
	j := coatchecktest.NewScript(a)
	j.Send("POST", "/login?user="+user)
	if got := userOf(j); got != user {
		a.t.Fatalf("after login: user %q, want %q", got, user)
	}
	return j
}

// A discard is a response that nobody reads.
type discard struct{ h http.Header }

func (w discard) Header() http.Header       { return w.h }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

func encode(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
