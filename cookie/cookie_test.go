package cookie_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coatcheck/coatcheck/cookie"
)

// Secrets for tests: random, and used nowhere else.
const (
	secretA = "i4TVGxqVXbVxVh0HfOqcV0Jzg1b2mDqN4n5T9nYzG2k"
	secretB = "q9mH2Zr8uXc1LwT5eKb7NfJ3sYp6VdG0aQxR4hMiO-U"
	secretC = "Zt3nB8kQe1WvY6rXh0PjM5sGd9LfUa2CoI7mTbRxKwE"

	secretAID = "98d5093a" // the key id of secretA
)

func newKeys(t testing.TB, secrets ...string) *cookie.Keys {
	t.Helper()
	keys, err := cookie.NewKeys(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func testKeys(t testing.TB) *cookie.Keys {
	t.Helper()
	return newKeys(t, secretA)
}

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// set returns the name=value pair that Set sends.
func set[T any](t testing.TB, c cookie.Cookie[T], v T) string {
	t.Helper()
	w := newRecorder()
	if err := c.Set(w, v); err != nil {
		t.Fatalf("Set: %v", err)
	}
	return pair(t, w)
}

// pair returns the name=value pair of the only Set-Cookie line.
func pair(t testing.TB, w http.ResponseWriter) string {
	t.Helper()
	lines := w.Header()["Set-Cookie"]
	if len(lines) != 1 {
		t.Fatalf("got %d Set-Cookie lines, want 1: %q", len(lines), lines)
	}
	c, err := http.ParseSetCookie(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	return c.Name + "=" + c.Value
}

// request returns a request with these Cookie headers.
func request(cookies ...string) *http.Request {
	return &http.Request{Header: http.Header{"Cookie": cookies}}
}
