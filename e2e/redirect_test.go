package e2e_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/coatcheck/coatcheck"
)

// enter is a login that leads to a page.
func enter(s *site, to string) string { return s.app + "/enter?" + url.Values{"to": {to}}.Encode() }

// A redirect after login: the new cookie is there at its target, also for a form
// and a fetch, and G6's SafeReturn keeps it on our own host.
func TestRedirectAfterLogin(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		for to, want := range map[string]string{
			"/private":              "/private",
			"/look?a=b":             "/look?a=b",
			"https://evil.test/":    "/",
			"//evil.test/":          "/",
			`/\evil.test/`:          "/",
			"javascript:alert(1)":   "/",
			"/../look":              "/look",
			"/look%0d%0aX-Evil:%20": "/",
		} {
			s := serve(t, coatcheck.Config{})
			b := e.newTab(t)
			b.open(s.app + "/look?html=" + url.QueryEscape(`<form id=go method=post action="`+enter(s, to)+`"></form>`))
			eval[bool](b, "document.querySelector('#go').submit(), true")
			b.until("location.href == " + quote(s.app+want) + " && document.readyState == 'complete'")
			b.open(s.app + "/look")
			b.shows(s.app+"/look", "alice")
			if v := s.await("/enter", 1)[0]; v.status != http.StatusSeeOther || len(v.sets) != 2 {
				t.Errorf("%s: got %v and %q, want 303 and two cookies", to, v, v.sets)
			}
		}
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		b.open(s.app + "/look")
		if status := b.fetched("POST", enter(s, "/private")); status != http.StatusOK {
			t.Errorf("a fetch that follows the redirect: got %d, want 200", status)
		}
	})
}

// G7: form_post sign-in works once Config.CrossOrigin trusts the provider's
// origin, and is 403 otherwise. The chain of redirects still comes from the
// provider, so that its end is held back: without Landing it is anonymous, with
// it the user's. In both the login has happened.
func TestFormPostSignIn(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		for _, c := range []struct {
			name    string
			trusted bool
			to      string
			user    string // at the end of the chain
			reloads int
		}{
			{"not trusted", false, "/in/page", "", 0},
			{"trusted, with landing", true, "/in/page#part", "alice", 3},
			{"trusted, without landing", true, "/look", "", 1},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				cfg := landing
				cfg.CrossOrigin = http.NewCrossOriginProtection()
				s := serve(t, cfg)
				if c.trusted {
					if err := cfg.CrossOrigin.AddTrustedOrigin(s.evil); err != nil {
						t.Fatal(err)
					}
				}
				b := e.newTab(t)
				b.open(s.page(s.evil, `<form id=go method=post action="`+enter(s, c.to)+`"><input type=hidden name=code value=x></form>`))
				eval[bool](b, "document.querySelector('#go').submit(), true")
				if !c.trusted {
					b.until("location.href.startsWith(" + quote(s.app+"/enter") + ") && document.readyState == 'complete'")
					if v := s.await("/enter", 1)[0]; v.status != http.StatusForbidden || v.handled || len(v.sets) > 0 || len(b.cookies(s.app)) > 0 {
						t.Errorf("got %v and %q, want 403", v, v.sets)
					}
					return
				}
				b.shows(s.app+c.to, c.user)
				jar := b.cookies(s.app)
				if jar[sidName].Value == "" || s.live() != 1 {
					t.Errorf("%d sessions, the jar has %v: want a login", s.live(), jar)
				}
				path := c.to
				if u, err := url.Parse(c.to); err == nil {
					path = u.Path
				}
				b.open(s.app + "/look?after")
				b.shows(s.app+"/look?after", "alice")
				visits := s.seen("app.test", path)
				if path == "/look" {
					visits = visits[:len(visits)-1]
				}
				if len(visits) != c.reloads || visits[0].header.Get("Sec-Fetch-Site") != "cross-site" || visits[0].cookie(sidName) != "" {
					t.Errorf("%d requests for %s, want %d, the first without the cookie:\n%s", len(visits), path, c.reloads, s.dump())
				}
				same(t, jar, b.cookies(s.app))
			})
		}
	})
}
