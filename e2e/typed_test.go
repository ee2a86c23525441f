package e2e_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
)

// arrivals are ways to a page on which no site caused the request, or none that
// the browser tells of.
var arrivals = []struct {
	name string
	go_  func(s *site, b *tab, url string)
}{
	{"typed, on an empty tab", func(_ *site, b *tab, url string) { b.open("about:blank"); b.open(url) }},
	{"typed, on our own page", func(s *site, b *tab, url string) { b.open(s.app + "/static"); b.open(url) }},
	{"typed, on another site's page", func(s *site, b *tab, url string) { b.open(s.page(s.evil, "")); b.open(url) }},
	{"from a mail that redirects", func(s *site, b *tab, url string) { b.open("about:blank"); b.open(redirect(s.evil, url)) }},
	{"from a mail that redirects twice", func(s *site, b *tab, url string) {
		b.open("about:blank")
		b.open(redirect(s.evil, redirect(s.sub, url)))
	}},
	{"typed as http, which redirects", func(s *site, b *tab, url string) { b.open("about:blank"); b.open(redirect(s.plainEvil, url)) }},
}

// says is what a browser tells of where a request came from.
func says(v visit) string {
	with := "with the Strict cookie"
	if v.cookie(sidName) == "" {
		with = "without the Strict cookie"
	}
	return with + ", says `" + v.header.Get("Sec-Fetch-Site") + "`"
}

// G7: held back = no session cookie and cross-site, with the marker alone none as
// well. Where the browser withholds the Strict cookie nothing is overwritten, and
// the answer leads on; where it does not the visitor is who they are at once.
func TestTyped(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		b.login(s)
		before := b.cookies(s.app)
		hits := 0
		for _, way := range arrivals {
			n := len(s.seen("app.test", "/count"))
			way.go_(s, b, s.app+"/count")
			v := s.await("/count", n+1)[n]
			withheld := v.cookie(sidName) == ""
			e.saw(t, map[bool]string{true: "an address that is typed", false: "one that leads here through another site"}[strings.HasPrefix(way.name, "typed, ")], says(v))
			hits++
			if withheld {
				if v.status != http.StatusConflict || len(v.sets) > 0 {
					t.Errorf("%s: got %v, want 409", way.name, v)
				}
				b.leadsOn("/count")
				// The visitor reloads the page, which some browsers say nobody caused.
				b.do("reload", func(ctx context.Context) error { return b.p.reload(ctx) })
				v := s.await("/count", n+2)[n+1]
				if v.cookie(sidName) == "" {
					if v.status != http.StatusConflict || len(v.sets) > 0 {
						t.Errorf("%s, reloaded: got %v, want 409", way.name, v)
					}
					b.leadsOn("/count")
					b.click("a")
				}
			}
			b.until("document.querySelector('#app')?.dataset.user == 'alice' && document.querySelector('#app').dataset.hits == " + quote(strconv.Itoa(hits)))
			same(t, before, b.cookies(s.app))
		}
		// The page that answers a link, reloaded: wherever the browser says that this
		// comes from, it leads on.
		n := len(s.seen("app.test", "/count"))
		b.follows(s, "/count")
		b.leadsOn("/count")
		b.do("reload", func(ctx context.Context) error { return b.p.reload(ctx) })
		v := s.await("/count", n+2)[n+1]
		e.saw(t, "the 409 page, when it is reloaded", says(v))
		if v.cookie(sidName) == "" {
			b.leadsOn("/count")
			b.click("a")
		}
		hits++
		b.until("document.querySelector('#app')?.dataset.hits == " + quote(strconv.Itoa(hits)))
		same(t, before, b.cookies(s.app))
		if s.live() != 1 {
			t.Errorf("alice has %d sessions, want 1", s.live())
		}
	})
}

// G7: and with Landing each of them arrives as the user.
func TestTypedLanding(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, landing)
		b := e.newTab(t)
		b.login(s)
		before := b.cookies(s.app)
		for _, way := range arrivals {
			n := len(s.seen("app.test", "/in/page"))
			url := s.app + "/in/page?a=b#part"
			way.go_(s, b, url)
			b.shows(url, "alice")
			if got := len(s.seen("app.test", "/in/page")) - n; got != 1 && got != 3 {
				t.Errorf("%s: %d requests, want 1 or 3:\n%s", way.name, got, s.dump())
			}
			same(t, before, b.cookies(s.app))
		}
	})
}
