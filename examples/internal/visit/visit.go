// Package visit tests the examples as a browser would use them.
package visit

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// Sessions returns a manager for a test.
func Sessions(t *testing.T) *coatcheck.Manager {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// A Browser has a jar and talks to a server of its own over HTTPS.
type Browser struct {
	URL    string
	Client *http.Client
}

// New serves h until the test ends.
func New(t *testing.T, h http.Handler) *Browser {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	client := server.Client()
	client.Timeout = time.Minute // a busy machine is no failure; a stream that never ends is
	var err error
	if client.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	return &Browser{server.URL, client}
}

// Do makes a request and returns status and body.
func (b *Browser) Do(t *testing.T, method, path string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// A step is a request and what is answered.
type step struct {
	do, path string
	status   int
	body     string // "" is any
}

func (b *Browser) take(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		status, body := b.Do(t, s.do, s.path)
		if status != s.status || s.body != "" && body != s.body {
			t.Errorf("%s %s: got %d %q, want %d %q", s.do, s.path, status, body, s.status, s.body)
		}
	}
}

// Quickstart takes the steps of the README with the routes of h.
func Quickstart(t *testing.T, h http.Handler) {
	t.Helper()
	New(t, h).take(t, []step{
		{"GET", "/profile", 401, ""},
		{"POST", "/login", 200, "Logged in"},
		{"GET", "/profile", 200, "User 123, visit 1"},
		{"GET", "/profile", 200, "User 123, visit 2"},
		{"POST", "/logout", 200, "Logged out"},
		{"GET", "/profile", 401, ""},
		{"POST", "/login", 200, "Logged in"},
		{"GET", "/profile", 200, "User 123, visit 1"},
	})
}

// Panic visits POST /broken of h, which logs in, sets a value and panics: the
// router answers, and nothing is kept.
func Panic(t *testing.T, h http.Handler) {
	t.Helper()
	New(t, h).take(t, []step{
		{"POST", "/broken", 500, ""},
		{"GET", "/profile", 401, ""},
		{"POST", "/login", 200, "Logged in"},
		{"GET", "/profile", 200, "User 123, visit 1"},
		{"POST", "/broken", 500, ""},
		{"GET", "/profile", 200, "User 123, visit 2"},
	})
}

// StreamEnds listens to GET /events of h: a logout ends the stream.
func StreamEnds(t *testing.T, h http.Handler) {
	t.Helper()
	b := New(t, h)
	b.take(t, []step{{"GET", "/events", 401, ""}, {"POST", "/login", 200, ""}})
	r, err := http.NewRequestWithContext(t.Context(), "GET", b.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := b.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	hello := make([]byte, len("data: hello 123\n\n"))
	if _, err := io.ReadFull(stream.Body, hello); err != nil || string(hello) != "data: hello 123\n\n" {
		t.Fatalf("got %q, %v", hello, err)
	}
	b.take(t, []step{{"POST", "/logout", 200, ""}})
	if rest, err := io.ReadAll(stream.Body); err != nil || !strings.HasSuffix(string(rest), "data: bye\n\n") {
		t.Errorf("after the logout: got %q, %v, want bye and the end", rest, err)
	}
}

// PassedBy visits GET / of h, which logs in and answers past the session's
// writer: the test hears of it, also where the router recovers panics.
func PassedBy(t *testing.T, h http.Handler) {
	t.Helper()
	res, err := coatchecktest.NewHandlerBrowser(h).Get("/")
	if err == nil || !strings.Contains(err.Error(), "docs/guide/routers.md") {
		t.Errorf("got %v, %v, want an error that says what to do", res, err)
	}
}
