package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
)

// socket opens a websocket and is "open" or "error".
func (b *tab) socket(s *site) string {
	b.t.Helper()
	return eval[string](b, "new Promise(done => { const w = new WebSocket('"+strings.Replace(s.app, "https", "wss", 1)+
		"/ws'); w.onopen = () => done('open'); w.onerror = () => done('error') })")
}

// G6: Cross-origin requests with unsafe methods and websocket upgrades are
// refused by `Config.CrossOrigin` (nil = `http.CrossOriginProtection`'s
// defaults), login and logout included. The cookie comes along here, by
// SameSite=None or from a sibling host, so that nothing else stops them.
func TestCrossOrigin(t *testing.T) {
	enginesInTurn(t, func(t *testing.T, e *engine) {
		open := http.NewCrossOriginProtection()
		open.AddInsecureBypassPattern("/")
		for _, c := range []struct {
			name   string
			cfg    coatcheck.Config
			from   func(*site) string
			passes bool // the attack
		}{
			{"another site, Strict", coatcheck.Config{}, func(s *site) string { return s.evil }, false},
			{"another site, None", coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteNoneMode}}, func(s *site) string { return s.evil }, false},
			{"sibling, Strict", coatcheck.Config{}, func(s *site) string { return s.sub }, false},
			{"off, another site, None", coatcheck.Config{CrossOrigin: open, Cookie: cookie.Policy{SameSite: http.SameSiteNoneMode}}, func(s *site) string { return s.evil }, true},
			{"off, another site, Strict", coatcheck.Config{CrossOrigin: open}, func(s *site) string { return s.evil }, false},
			{"off, sibling, Strict", coatcheck.Config{CrossOrigin: open}, func(s *site) string { return s.sub }, true},
		} {
			t.Run(c.name, func(t *testing.T) {
				s := serve(t, c.cfg)
				b := e.lenientTab(t)
				b.login(s)
				token := b.cookies(s.app)[sidName].Value
				handled := c.cfg.CrossOrigin != nil
				origin := c.from(s)
				b.post(s, origin, s.app+"/count?form")
				b.open(s.page(origin, ""))
				b.tries("POST", s.app+"/count?fetch")
				eval[bool](b, "navigator.sendBeacon('"+s.app+"/count?beacon', 'x')")
				for _, v := range s.await("/count", 3) {
					if v.handled != handled || !handled && v.status != http.StatusForbidden {
						t.Errorf("got %v, want handled %t or else 403", v, handled)
					}
				}
				got := b.socket(s)
				if v := s.await("/ws", 1)[0]; v.handled != handled || (got == "open") != handled || (v.user == "alice") != c.passes {
					t.Errorf("websocket %s: got %v, want handled %t", got, v, handled)
				}
				if !handled {
					for _, path := range []string{"/login", "/logout"} {
						n := len(s.seen("app.test", path))
						b.tries("POST", s.app+path)
						if v := s.await(path, n+1)[n]; v.handled || v.status != http.StatusForbidden || len(v.sets) > 0 {
							t.Errorf("got %v, want 403", v)
						}
					}
				}
				b.open(s.app + "/look")
				b.shows(s.app+"/look", "alice")
				want := "0"
				if c.passes {
					want = "3"
				}
				if hits := eval[string](b, "document.querySelector('#app').dataset.hits"); hits != want {
					t.Errorf("%s writes of the other page, want %s", hits, want)
				}
				if b.cookies(s.app)[sidName].Value != token {
					t.Error("the session cookie has changed")
				}
				if got := b.socket(s); got != "open" {
					t.Errorf("our own page's websocket: %s, want open", got)
				}
				if n := s.events.Count(coatcheck.Refused); !handled && n != 6 {
					t.Errorf("%d events, want one for each of 6 refusals", n)
				}
			})
		}
	})
}

// A fetch with a method or header of its own is asked for first, by OPTIONS;
// what answers that is the application's CORS, and there is none.
func TestPreflight(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		b.login(s)
		b.open(s.page(s.evil, ""))
		if eval[bool](b, "fetch('"+s.app+"/count', {method: 'DELETE', credentials: 'include'}).then(() => true, () => false)") {
			t.Error("a DELETE from another site was answered")
		}
		for _, v := range s.seen("app.test", "/count") {
			if v.method != "OPTIONS" {
				t.Errorf("got %v, want OPTIONS alone", v)
			}
		}
	})
}
