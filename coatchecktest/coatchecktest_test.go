package coatchecktest_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

var visits = coatcheck.NewKey[int]("visits")

func newSessions(t *testing.T, st store.Store) *coatcheck.Manager {
	t.Helper()
	return newSessionsWith(t, st, coatcheck.Config{})
}

func newSessionsWith(t *testing.T, st store.Store, cfg coatcheck.Config) *coatcheck.Manager {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := coatcheck.New(st, keys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// A request carries the session in which f has run, whatever kind of request it
// is, and keeps all else that it had.
func TestRequest(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t, memstore.New(memstore.Config{}))
	for _, method := range []string{"GET", "HEAD", "POST"} {
		r := httptest.NewRequest(method, "https://app.example/profile", strings.NewReader("body"))
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
		r.AddCookie(&http.Cookie{Name: "theme", Value: "dark"})
		got := coatchecktest.Request(t, sessions, r, func(s *coatcheck.Session) {
			s.Login("alice")
			visits.Set(s, 7)
		})
		if len(r.Cookies()) != 1 || got.Method != method || got.URL.Path != "/profile" || got.Header.Get("Sec-Fetch-Site") != "same-origin" {
			t.Errorf("%s: the request was changed: %v", method, got)
		}
		if c, err := got.Cookie("theme"); err != nil || c.Value != "dark" {
			t.Errorf("%s: the other cookie is %v, %v", method, c, err)
		}
		sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := coatcheck.From(r.Context())
			if n, _ := visits.Get(s); s.User() != "alice" || n != 7 {
				t.Errorf("%s: got %q and %d, want alice and 7", method, s.User(), n)
			}
			list, err := sessions.Sessions(r.Context(), "alice")
			if err != nil || len(list) == 0 || list[0].Device != "Firefox on Linux" {
				t.Errorf("%s: got the list %+v, %v", method, list, err)
			}
		})).ServeHTTP(httptest.NewRecorder(), got)
	}
}

// What r carries already is the session that f gets: requests follow each other.
func TestRequestGoesOn(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t, memstore.New(memstore.Config{}))
	r := httptest.NewRequest("GET", "/", nil)
	r = coatchecktest.Request(t, sessions, r, func(s *coatcheck.Session) { visits.Set(s, 1) })
	first := r.Header.Get("Cookie")
	r = coatchecktest.Request(t, sessions, r, func(s *coatcheck.Session) { visits.Set(s, 2) })
	if r.Header.Get("Cookie") != first {
		t.Error("a change of a value changed the cookies")
	}
	r = coatchecktest.Request(t, sessions, r, func(s *coatcheck.Session) { s.Login("alice") })
	if r.Header.Get("Cookie") == first || len(r.Cookies()) != 2 {
		t.Errorf("after a login the cookies are %v", r.Cookies())
	}
	r = coatchecktest.Request(t, sessions, r, func(s *coatcheck.Session) {
		if n, _ := visits.Get(s); s.User() != "alice" || n != 2 {
			t.Errorf("got %q and %d, want alice and 2", s.User(), n)
		}
		s.Logout()
	})
	if len(r.Cookies()) != 0 {
		t.Errorf("after a logout the cookies are %v", r.Cookies())
	}
}

// A session that could not be stored ends the test.
func TestRequestFails(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(*coatcheck.Session){
		"a bad user": func(s *coatcheck.Session) { s.Login("") },
		"nobody":     func(s *coatcheck.Session) { s.Reauthenticate() },
	} {
		fake := &fatal{TB: t}
		func() {
			defer func() { recover() }()
			coatchecktest.Request(fake, newSessions(t, memstore.New(memstore.Config{})), httptest.NewRequest("GET", "/", nil), f)
		}()
		if fake.message == "" {
			t.Errorf("%s: the test goes on", name)
		}
	}
}

// A fatal is a test that notes how it ended.
type fatal struct {
	testing.TB
	message string
}

func (f *fatal) Helper() {}

func (f *fatal) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	panic(errors.New("the test ended"))
}

// For a manager of NewBearer the request carries a token and no cookie.
func TestRequestWithBearerToken(t *testing.T) {
	t.Parallel()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	api, err := coatcheck.NewBearer(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	for _, user := range []string{"alice", "bob"} {
		r = coatchecktest.Request(t, api, r, func(s *coatcheck.Session) { s.Login(user) })
		got := ""
		coatchecktest.Request(t, api, r, func(s *coatcheck.Session) { got = s.User() })
		if got != user || len(r.Cookies()) != 0 || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			t.Errorf("got %q and %d cookies, want %s and none", got, len(r.Cookies()), user)
		}
	}
}
