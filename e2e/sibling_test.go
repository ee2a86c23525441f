package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
)

// Chromium proves no key before what a page of a sibling host leads to: the page that
// leads on by itself brings the owner in.
func TestBoundSiblingLink(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, 0)
	b := s.login()
	time.Sleep(31 * time.Second) // beyond the grace of requests that left before
	b.open(s.page(s.sub, "<a id=go href='"+s.app+"/private?x'>go</a>"))
	b.until("document.querySelector('#go')")
	s.forget(b)
	b.click("#go")
	b.shows(s.app+"/private?x", "alice")
}

// Nor before the requests of its scripts: a session that one of them begins is not
// bound, and goes on when a bound cookie would be over.
func TestBoundSiblingScript(t *testing.T) {
	t.Parallel()
	var p http.CrossOriginProtection
	s := serveBound(t, coatcheck.Config{CrossOrigin: &p}, shortLife)
	p.AddTrustedOrigin(s.sub)
	inner := *s.handler.Load()
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == s.app[len("https://"):] && r.Header.Get("Origin") == s.sub {
			w.Header().Set("Access-Control-Allow-Origin", s.sub)
			w.Header().Set("Access-Control-Allow-Credentials", "true")
		}
		inner.ServeHTTP(w, r)
	})
	s.handler.Store(&h)
	b := bindingEngine.newTab(t)
	b.open(s.page(s.sub, "x"))
	b.until("document.querySelector('#elsewhere')")
	status := func(path, method string) int {
		t.Helper()
		return eval[int](b, "fetch('"+s.app+path+"', {method: '"+method+"', credentials: 'include'}).then(r => r.status)")
	}
	if got := status("/login", "POST"); got != http.StatusOK {
		t.Fatalf("the login: %d", got)
	}
	for _, wait := range []time.Duration{0, 33 * time.Second} {
		time.Sleep(wait)
		if got := status("/private?later", "GET"); got != http.StatusOK {
			t.Errorf("%v later: %d, want 200", wait, got)
		}
	}
	if n := len(s.accepted("/dbsc/register")); n != 0 {
		t.Errorf("%d registrations, want none", n)
	}
}
