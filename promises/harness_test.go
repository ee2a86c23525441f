// Package promises_test proves the promises of docs/spec/promises.md, G1 to G14:
// one file or a few for each, named by its number and what it is about. This one
// has what they share.
package promises_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

// sidName, markName and overName are the cookies of a manager with the zero
// Config: the session, its marker, and the note that a session is over.
const (
	sidName  = "__Host-Http-sid"
	markName = sidName + "-lax"
	overName = sidName + "-over"
)

// keys is a keyring for tests.
func keys(t testing.TB) *cookie.Keys {
	t.Helper()
	k, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// manage returns a manager, or ends the test.
func manage(t testing.TB, st store.Store, cfg coatcheck.Config) *coatcheck.Manager {
	t.Helper()
	m, err := coatcheck.New(st, keys(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A browser obeys nothing but the server: what it does not get was refused.
type browser = coatchecktest.Browser

func newBrowser(h http.Handler) *browser { return coatchecktest.NewScript(h) }

// wear gives b exactly these cookies.
func wear(b *browser, cookies map[string]string) {
	for name := range b.Cookies() {
		b.SetCookie(name, "")
	}
	for name, value := range cookies {
		b.SetCookie(name, value)
	}
}

// keep gives b the cookies of an answer that reached it by another way.
func keep(b *browser, w *httptest.ResponseRecorder) {
	b.Jar.SetCookies(&url.URL{Path: "/"}, w.Result().Cookies())
}

// reasons are those of the events of a kind, one a line.
func reasons(l *coatchecktest.Events, kind coatcheck.Kind) (all string) {
	for _, e := range l.All() {
		if e.Kind == kind {
			all += e.Reason + "\n"
		}
	}
	return all
}

// outgoing is a request with b's cookies for a client of net/http.
func outgoing(t testing.TB, b *browser, method, target string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = b.Request(method, target).Header
	return r
}
