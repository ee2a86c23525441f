package coatchecktest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// newApp is a small application: who is there, and how many visits they made.
func newApp(sessions *coatcheck.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		n, _ := visits.Get(s)
		fmt.Fprint(w, s.User(), " ", n)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login(r.FormValue("user"))
		http.Redirect(w, r, "/welcome?by="+r.Host, http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Logout() })
	return sessions.Handler(mux)
}

// body is that of an answer that must be 200.
func body(t *testing.T, res *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %d %s, %v", res.StatusCode, b, err)
	}
	return string(b)
}

// browsers are the ways to have one, each in front of the small application.
func browsers(t *testing.T, sessions *coatcheck.Manager) map[string]*coatchecktest.Browser {
	app := newApp(sessions)
	plain, secure := httptest.NewServer(app), httptest.NewTLSServer(app)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	return map[string]*coatchecktest.Browser{
		"http": coatchecktest.NewBrowser(plain), "https": coatchecktest.NewBrowser(secure), "handler": coatchecktest.NewHandlerBrowser(app),
	}
}

// A browser is logged in by Session or by the application's own form, keeps what
// the other left, and is out after a logout.
func TestBrowser(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t, memstore.New(memstore.Config{}))
	for name, b := range browsers(t, sessions) {
		t.Run(name, func(t *testing.T) {
			get := func(want string) {
				t.Helper()
				res, err := b.Get("/")
				if got := body(t, res, err); got != want {
					t.Errorf("GET /: got %q, want %q", got, want)
				}
			}
			get(" 0")
			b.Session(t, sessions, func(s *coatcheck.Session) {
				s.Login("alice")
				visits.Set(s, 7)
			})
			get("alice 7")
			res, err := b.PostForm("/login", url.Values{"user": {"alice"}})
			if got := body(t, res, err); got != "alice 7" || res.Request.URL.Path != "/welcome" {
				t.Errorf("after the form: got %q from %s, want what /welcome says", got, res.Request.URL)
			}
			b.Session(t, sessions, func(s *coatcheck.Session) {
				if n, _ := visits.Get(s); s.User() != "alice" || n != 7 {
					t.Errorf("Session: got %q and %d, want alice and 7", s.User(), n)
				}
				visits.Set(s, 8)
			})
			get("alice 8")
			res, err = b.Post("/logout", "text/plain", strings.NewReader("body"))
			body(t, res, err)
			get(" 0")
			b.Session(t, sessions, func(s *coatcheck.Session) { s.Login("bob") })
			b.Session(t, sessions, func(s *coatcheck.Session) { s.Logout() })
			get(" 0")
		})
	}
}

// Secure cookies are kept over plain HTTP on any host, where Go's jar keeps them
// on this machine alone.
func TestBrowserKeepsSecureCookies(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newApp(newSessions(t, memstore.New(memstore.Config{}))))
	defer server.Close()
	const site = "http://shop.example.com" // a client of httptest finds the server there
	login := func(c *http.Client) string {
		res, err := c.PostForm(site+"/login", url.Values{"user": {"alice"}})
		return body(t, res, err)
	}
	if got := login(&coatchecktest.NewBrowser(server).Client); got != "alice 0" {
		t.Errorf("got %q, want alice", got)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := login(&http.Client{Transport: server.Client().Transport, Jar: jar}); got != " 0" {
		t.Errorf("Go's jar: got %q, want nobody: is the browser needed?", got)
	}
}

// Path, Domain and lifetime count: another host gets nothing, and an end is one.
func TestBrowserIsABrowser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
		if err != nil {
			t.Fatal(err)
		}
		sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{Name: "app", Cookie: cookie.Policy{Path: "/app"}})
		if err != nil {
			t.Fatal(err)
		}
		b := coatchecktest.NewHandlerBrowser(newApp(sessions))
		b.Session(t, sessions, func(s *coatcheck.Session) { s.Login("alice") })
		b.Session(t, sessions, func(s *coatcheck.Session) { visits.Set(s, 1) }) // the same, though / is not /app
		for target, want := range map[string]string{"/app": "alice 1", "/app/x?y": "alice 1", "/": " 0", "https://example.org/app": " 0", "https://example.com/app": "alice 1"} {
			res, err := b.Get(target)
			if got := body(t, res, err); got != want {
				t.Errorf("GET %s: got %q, want %q", target, got, want)
			}
		}
		time.Sleep(12 * time.Hour)
		u := &url.URL{Scheme: "https", Host: "example.com", Path: "/app"}
		if got := b.Jar.Cookies(u); len(got) != 0 {
			t.Errorf("after their lifetime it has the cookies %v", got)
		}
	})
}

// What cannot work ends the test or is an error, with the reason.
func TestBrowserFails(t *testing.T) {
	t.Parallel()
	if _, err := coatchecktest.NewBrowser(httptest.NewUnstartedServer(nil)).Get("/"); err == nil || !strings.Contains(err.Error(), "not started") {
		t.Errorf("a server that was not started: got %v", err)
	}
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{Cookie: cookie.Policy{Domain: "app.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		sessions *coatcheck.Manager
		f        func(*coatcheck.Session)
		want     string
	}{
		"a bad user":     {newSessions(t, memstore.New(memstore.Config{})), func(s *coatcheck.Session) { s.Login("") }, "user"},
		"another domain": {elsewhere, func(s *coatcheck.Session) { s.Login("alice") }, "refuses the cookie __Secure-sid with Domain=app.example"},
	} {
		fake := &fatal{TB: t}
		func() {
			defer func() { recover() }()
			coatchecktest.NewHandlerBrowser(newApp(c.sessions)).Session(fake, c.sessions, c.f)
		}()
		if !strings.Contains(fake.message, c.want) {
			t.Errorf("%s: the test ends with %q, want %q", name, fake.message, c.want)
		}
	}
}
