// Package attack_test holds attacks on cookies and sessions: one for each row of
// docs/threat-model.md, named after a published fault that it would have caught.
package attack_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coatcheck/coatcheck"
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

	mu     sync.Mutex
	events []coatcheck.Event
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
	a.sessions, err = coatcheck.New(a.store, newKeys(t, secret), coatcheck.Config{Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Events: func(e coatcheck.Event) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.events = append(a.events, e)
	}})
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

func (a *app) count(kind coatcheck.Kind) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, e := range a.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
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

// A jar is a browser or an attacker's script.
type jar struct {
	h       http.Handler
	cookies map[string]string
}

func newJar(h http.Handler) *jar { return &jar{h: h, cookies: map[string]string{}} }

// copied is what an attacker has who has seen the jar.
func (j *jar) copied() *jar { return &jar{h: j.h, cookies: maps.Clone(j.cookies)} }

func (j *jar) request(method, url string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, url, nil)
	for _, name := range slices.Sorted(maps.Keys(j.cookies)) {
		r.AddCookie(&http.Cookie{Name: name, Value: j.cookies[name]})
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func (j *jar) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	j.h.ServeHTTP(w, r)
	return w
}

// do sends a request and keeps the cookies of the answer.
func (j *jar) do(method, url string, headers ...string) *httptest.ResponseRecorder {
	w := j.serve(j.request(method, url, headers...))
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(j.cookies, c.Name)
		} else {
			j.cookies[c.Name] = c.Value
		}
	}
	return w
}

func (j *jar) user() string {
	return strings.TrimPrefix(j.copied().do("GET", "/profile").Body.String(), "user=")
}

func loggedIn(a *app, user string) *jar {
	a.t.Helper()
	j := newJar(a)
	j.do("POST", "/login?user="+user)
	if got := j.user(); got != user {
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
