package main

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/examples/internal/visit"
	"github.com/coatcheck/coatcheck/memstore"
)

func start(t *testing.T) (app, *visit.Browser) {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(memstore.New(memstore.Config{}), keys)
	if err != nil {
		t.Fatal(err)
	}
	return a, visit.New(t, a.routes())
}

func wants(t *testing.T, b *visit.Browser, method, path string, status int, body string) {
	t.Helper()
	if got, text := b.Do(t, method, path); got != status || body != "*" && text != body {
		t.Errorf("%s %s: got %d %q, want %d %q", method, path, got, text, status, body)
	}
}

// Two accounts in one browser, side by side: each is itself, the same account has
// one slot, and the end of one is the end of no other.
func TestAccounts(t *testing.T) {
	t.Parallel()
	a, b := start(t)
	wants(t, b, "POST", "/login?user=alice", 200, "User alice")
	wants(t, b, "POST", "/login?user=bob", 200, "User bob")
	wants(t, b, "GET", "/", 200, "/u/0/ alice\n/u/1/ bob\n")
	wants(t, b, "GET", "/u/0/", 200, "User alice")
	wants(t, b, "GET", "/u/1/", 200, "User bob")
	wants(t, b, "GET", "/u/2/", 401, "Not logged in")
	wants(t, b, "POST", "/login?user=alice", 200, "User alice") // again: in its slot
	wants(t, b, "GET", "/", 200, "/u/0/ alice\n/u/1/ bob\n")
	list, err := a[3].Sessions(t.Context(), "alice") // one store: any slot's manager will do
	if err != nil || len(list) != 1 {
		t.Errorf("alice's sessions: %v, %v; want one", list, err)
	}
	wants(t, b, "POST", "/u/0/logout", 200, "/u/1/ bob\n")
	wants(t, b, "GET", "/u/0/", 401, "Not logged in")
	wants(t, b, "POST", "/login?user=carol", 200, "User carol")
	wants(t, b, "GET", "/", 200, "/u/0/ carol\n/u/1/ bob\n")
	if n, err := a[0].RevokeAll(t.Context(), "bob"); n != 1 || err != nil {
		t.Errorf("RevokeAll: %d, %v", n, err)
	}
	wants(t, b, "GET", "/", 200, "/u/0/ carol\n")
	wants(t, b, "POST", "/logout", 200, "")
	wants(t, b, "GET", "/u/0/", 401, "Not logged in")
}

// No more accounts than slots.
func TestSlotsAreBounded(t *testing.T) {
	t.Parallel()
	_, b := start(t)
	for _, user := range []string{"a", "b", "c", "d"} {
		wants(t, b, "POST", "/login?user="+user, 200, "User "+user)
	}
	wants(t, b, "POST", "/login?user=e", http.StatusConflict, errFull.Error()+"\n")
	wants(t, b, "GET", "/", 200, "/u/0/ a\n/u/1/ b\n/u/2/ c\n/u/3/ d\n")
}

// The token of one slot opens nothing in another.
func TestSlotsAreApart(t *testing.T) {
	t.Parallel()
	_, b := start(t)
	wants(t, b, "POST", "/login?user=alice", 200, "User alice")
	site, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.Client.Jar.Cookies(site) {
		if c.Name == "__Host-Http-sid0" {
			b.Client.Jar.SetCookies(site, []*http.Cookie{{Name: "__Host-Http-sid1", Value: c.Value, Path: "/", Secure: true}})
		}
	}
	wants(t, b, "GET", "/u/1/", 401, "Not logged in")
	wants(t, b, "GET", "/u/0/", 200, "User alice")
}
