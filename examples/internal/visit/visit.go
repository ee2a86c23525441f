// Package visit tests the examples as a browser would use them.
package visit

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
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

// Quickstart takes the steps of the README with the routes of h.
func Quickstart(t *testing.T, h http.Handler) {
	t.Helper()
	b := New(t, h)
	for _, s := range []struct {
		do, path string
		status   int
		body     string // "" is any
	}{
		{"GET", "/profile", 401, ""},
		{"POST", "/login", 200, "Logged in"},
		{"GET", "/profile", 200, "User 123, visit 1"},
		{"GET", "/profile", 200, "User 123, visit 2"},
		{"POST", "/logout", 200, "Logged out"},
		{"GET", "/profile", 401, ""},
		{"POST", "/login", 200, "Logged in"},
		{"GET", "/profile", 200, "User 123, visit 1"},
	} {
		status, body := b.Do(t, s.do, s.path)
		if status != s.status || s.body != "" && body != s.body {
			t.Errorf("%s %s: got %d %q, want %d %q", s.do, s.path, status, body, s.status, s.body)
		}
	}
}
