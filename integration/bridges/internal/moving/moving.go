//go:build linux

// Package moving moves the sessions of a real application of another system here, live
// and in bulk: what docs/guide/moving.md says, with the real thing on the other side.
package moving

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A Browser is one that visits an application of another system, and us.
type Browser interface {
	Login(user string)                 // over there; with the value "cart", a list of "tea"
	Logout()                           // over there
	User() string                      // whom the application has logged in; empty = nobody
	Request() *http.Request            // to us, with the cookies of the browser
	Take(w *httptest.ResponseRecorder) // does what our answer says of cookies
}

// A System is an application that runs, and our side of it.
type System struct {
	Source bridge.Source
	Open   func() Browser // one without cookies
	Users  []string       // two, as the application knows them
}

const secret = "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa"

var cart = coatcheck.NewKey[[]string]("cart")

// program is ours: it says who is logged in, and logs in and out at both.
func program(t *testing.T, st store.Store, source bridge.Source, cfg bridge.MoveConfig) http.Handler {
	t.Helper()
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	// The applications are at http://127.0.0.1, and so is the browser's jar.
	sessions, err := coatcheck.New(st, keys, coatcheck.Config{Cookie: cookie.Policy{AllowInsecureHTTP: true}})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Values = []string{"cart"}
	cfg.Told = func(_ *http.Request, err error) { t.Errorf("a session that cannot be read: %v", err) }
	move, err := bridge.NewMove(sessions, source, cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	both := func(err error) {
		if err != nil {
			t.Errorf("both sides: %v", err)
		}
	}
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		kept, _ := cart.Get(s)
		w.Header().Set("Session", s.Handle())
		fmt.Fprint(w, s.User(), kept)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		both(move.Login(w, r, r.URL.Query().Get("user"), bridge.Session{}))
	})
	mux.HandleFunc("POST /login-here", func(_ http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login(r.URL.Query().Get("user"))
	})
	mux.HandleFunc("POST /logout-here", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Logout() })
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { both(move.Logout(w, r)) })
	return move.Handler(mux)
}

// A visitor is a browser at our program.
type visitor struct {
	t   *testing.T
	app http.Handler
	Browser
}

// send sends the browser's request there, and does not yet take the answer.
func (v visitor) send(method, path string) *httptest.ResponseRecorder {
	v.t.Helper()
	r := v.Request()
	to, err := http.NewRequestWithContext(v.t.Context(), method, path, http.NoBody)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Method, r.URL.Path, r.URL.RawQuery = method, to.URL.Path, to.URL.RawQuery
	w := httptest.NewRecorder()
	v.app.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		v.t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w
}

func (v visitor) post(path string) { v.t.Helper(); v.Take(v.send(http.MethodPost, path)) }

// sees looks who is logged in on both sides.
func (v visitor) sees(when, here, there string) {
	v.t.Helper()
	w := v.send(http.MethodGet, "/")
	v.Take(w)
	if got := w.Body.String(); got != here {
		v.t.Errorf("%s: here is %q, want %q", when, got, here)
	}
	if got := v.User(); got != there {
		v.t.Errorf("%s: there is %q, want %q", when, got, there)
	}
}

// Live has logins and logouts cross in both directions.
func (s System) Live(t *testing.T) {
	t.Helper()
	app := program(t, memstore.New(memstore.Config{}), s.Source, bridge.MoveConfig{Until: time.Now().AddDate(0, 1, 0), Follow: true})
	v := visitor{t, app, s.Open()}
	one, two := s.Users[0], s.Users[1]

	v.sees("before anything", "[]", "")
	v.Login(one)
	v.once()
	v.sees("after a login there", one+"[tea]", one)

	copied := v.Request()
	v.post("/logout")
	v.sees("after a logout here", "[]", "")
	v.opensNothing(copied)

	v.post("/login?user=" + two)
	v.sees("after a login here", two+"[]", two)
	v.Logout()
	v.sees("after a logout there", "[]", "")
	v.Login(two)
	v.sees("after a second login there", two+"[tea]", two)
	v.post("/logout")

	v.Login(one) // and a logout here before anything was adopted
	copied = v.Request()
	v.post("/logout")
	v.sees("after a logout that came first", "[]", "")
	v.opensNothing(copied)

	// What the guide says of calls that know one side only.
	v.post("/login-here?user=" + two)
	v.sees("after a login that was not issued", "[]", "")
	v.Login(two)
	v.post("/logout-here")
	v.sees("after a logout that was not passed on", "[]", two)
}

// opensNothing sends what somebody has copied of the old session before it ended.
func (v visitor) opensNothing(copied *http.Request) {
	v.t.Helper()
	w := httptest.NewRecorder()
	v.app.ServeHTTP(w, foreignOnly(copied))
	if got := w.Body.String(); got != "[]" {
		v.t.Errorf("a copy of the old cookie, after the logout: %q", got)
	}
}

// once: the parallel first requests of a page get one session.
func (v visitor) once() {
	v.t.Helper()
	var all [6]*httptest.ResponseRecorder
	var page sync.WaitGroup
	for i := range all {
		page.Go(func() { all[i] = v.send(http.MethodGet, "/") })
	}
	page.Wait()
	handles := make(map[string]bool)
	for _, w := range all {
		handles[w.Header().Get("Session")] = true
		v.Take(w)
	}
	if len(handles) != 1 || handles[""] {
		v.t.Errorf("six first requests got the sessions %v", handles)
	}
}

// foreignOnly is a request without the session of ours.
func foreignOnly(r *http.Request) *http.Request {
	kept := r.Clone(r.Context())
	kept.URL.Path = "/"
	kept.Header.Del("Cookie")
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, "sid") {
			kept.AddCookie(c)
		}
	}
	return kept
}
