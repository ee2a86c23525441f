//go:build linux

package flask_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/visit"
	"github.com/coatcheck/coatcheck/memstore"
)

// A successor is our program, beside a Flask application that still runs.
type successor struct {
	t        *testing.T
	sessions *coatcheck.Manager
	app      http.Handler
}

func (w *world) successor(t *testing.T, cfg bridge.MoveConfig) *successor {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	s := &successor{t: t}
	if s.sessions, err = coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{}); err != nil {
		t.Fatal(err)
	}
	cfg.Until = time.Now().AddDate(0, 3, 0)
	move, err := bridge.NewMove(s.sessions, w.source, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.app = move.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		of := coatcheck.From(r.Context())
		w.Header().Set("Session", of.Handle())
		if r.URL.Path == "/logout" { // of ours alone
			of.Logout()
		}
		fmt.Fprint(w, of.User())
	}))
	return s
}

// visit brings the browser's cookies of Flask, and none of ours. It returns the handle.
func (s *successor) visit(what string, v *visit.Visit, path, want string) string {
	s.t.Helper()
	r := v.Request()
	r.URL.Path = path
	w := httptest.NewRecorder()
	s.app.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Body.String() != want {
		s.t.Errorf("%s: %d %q, want %q", what, w.Code, w.Body, want)
	}
	return w.Header().Get("Session")
}

// logins: Flask-Session keeps the id of a session through logins. Another user under
// it is another session; after a logout here the same user's next login is one that
// Flask says is another.
func logins(t *testing.T, w *world) {
	here := w.successor(t, bridge.MoveConfig{LoginKey: "login"})
	v := w.visit(t)
	login := func(user, login string) {
		before := v.Cookies()
		v.Login(map[string]any{"_user_id": user, "login": login})
		if len(before) > 0 && v.Cookies()[0].Value != before[0].Value {
			t.Fatal("Flask-Session made another id")
		}
	}
	login("one", "the first login")
	first := here.visit("one", v, "/", "one")
	login("two", "the second login")
	if second := here.visit("two, under the same id", v, "/", "two"); second == first || second == "" {
		t.Errorf("the session of two is %q, of one %q", second, first)
	}
	here.visit("a logout here", v, "/logout", "")
	here.visit("after it", v, "/", "")
	login("two", "the second login")
	here.visit("the same login", v, "/", "")
	login("two", "the third login")
	here.visit("the next login", v, "/", "two")
}

// writtenAnew: Flask writes the cookie of a permanent session at each answer. What was
// ended or revoked here does not come back by that.
func writtenAnew(t *testing.T, w *world) {
	here := w.successor(t, bridge.MoveConfig{LoginKey: "login"})
	v := w.visit(t)
	login := func(user, login string) {
		v.Login(map[string]any{"_user_id": user, "login": login, "_permanent": true})
	}
	anew := func() {
		t.Helper()
		before := v.Cookies()[0].Value
		for end := time.Now().Add(time.Minute); v.Cookies()[0].Value == before; time.Sleep(100 * time.Millisecond) {
			if v.Show(); time.Now().After(end) { // it counts in seconds
				t.Fatal("Flask does not write the cookie anew")
			}
		}
	}
	login("one", "the first login")
	first := here.visit("first", v, "/", "one")
	anew()
	if again := here.visit("written anew", v, "/", "one"); again != first {
		t.Errorf("written anew it is the session %q, not %q", again, first)
	}
	here.visit("a logout here", v, "/logout", "")
	anew()
	here.visit("after it, written anew", v, "/", "")
	v.Logout()
	login("one", "the second login")
	here.visit("a logout and a login there", v, "/", "one")
	if _, err := here.sessions.RevokeAll(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	anew()
	here.visit("revoked, and written anew", v, "/", "")

	// The same without a value that tells logins apart.
	here = w.successor(t, bridge.MoveConfig{LoginTime: "at"})
	v.Login(map[string]any{"_user_id": "one", "_permanent": true})
	here.visit("first, without a LoginKey", v, "/", "one")
	list, err := here.sessions.Sessions(t.Context(), "one")
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if ok, err := here.sessions.Revoke(t.Context(), "one", list[0].Handle); !ok || err != nil {
		t.Fatal(ok, err)
	}
	anew()
	here.visit("one session revoked, and its cookie written anew", v, "/", "")
	time.Sleep(10 * time.Millisecond)
	v.Login(map[string]any{"_user_id": "one", "at": float64(time.Now().UnixMicro()) / 1e6})
	here.visit("a login that says it is later", v, "/", "one")
}
