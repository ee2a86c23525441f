package e2e_test

import (
	"net/http"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
)

// asks makes a request from the page with CORS, and reports whether its answer
// could be read.
func (b *tab) asks(method, url string) bool {
	b.t.Helper()
	return eval[bool](b, "fetch("+quote(url)+", {method: "+quote(method)+", credentials: 'include'}).then(() => true, () => false)")
}

// G6: Cross-origin requests with unsafe methods … are refused, by every method
// that a page can use, from our own origin, a sibling and another site, with a
// cookie that comes along (None). The application allows nothing by CORS, so
// that what needs a preflight stops there.
func TestMethods(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		for _, from := range []string{"own", "sibling", "another site"} {
			t.Run(from, func(t *testing.T) {
				t.Parallel()
				s := serve(t, coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteNoneMode}})
				b := e.newTab(t)
				b.login(s)
				switch from {
				case "own":
					b.open(s.app + "/blank")
				case "sibling":
					b.open(s.page(s.sub, ""))
				default:
					b.open(s.page(s.evil, ""))
				}
				handled := 0
				for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "QUERY", "PURGE"} {
					path := "/count?" + method
					read := b.asks(method, s.app+path)
					var last visit
					for _, v := range s.await("/count", 1) {
						if v.uri == path {
							last = v
						}
					}
					safe := method == "GET" || method == "HEAD"
					switch {
					case last.method == "OPTIONS":
						if from == "own" || safe || method == "POST" {
							t.Errorf("%s was asked for by a preflight", method)
						}
					case last.handled != (from == "own" || safe):
						t.Errorf("got %v", last)
					case !last.handled && last.status != http.StatusForbidden:
						t.Errorf("got %v, want 403", last)
					}
					if read != (from == "own") {
						t.Errorf("%s: the page could read the answer: %t", method, read)
					}
					if last.handled && last.method != "HEAD" && last.status == http.StatusOK && last.user == "alice" {
						handled++
					}
				}
				want := map[string]int{"own": 7, "sibling": 1, "another site": 0}[from] // by GET, which is the application's to refrain from
				if from == "another site" {
					want = handled // a private window may withhold third-party cookies
				}
				if handled != want {
					t.Errorf("%d writes as alice, want %d:\n%s", handled, want, s.dump())
				}
			})
		}
	})
}

// G6: an origin that Config.CrossOrigin trusts may post, fetch, upgrade and log
// in; others, and the same host on another port or scheme, may not.
func TestTrustedOrigin(t *testing.T) {
	enginesInTurn(t, func(t *testing.T, e *engine) {
		partner := http.NewCrossOriginProtection()
		s := serve(t, coatcheck.Config{CrossOrigin: partner})
		if err := partner.AddTrustedOrigin(s.sub); err != nil { // same-site: Strict cookies come along
			t.Fatal(err)
		}
		b := e.lenientTab(t)
		b.login(s)
		for i, from := range []struct {
			origin string
			passes bool
		}{{s.sub, true}, {s.evil, false}, {s.plain, false}, {s.app, true}} {
			if from.origin == s.app || from.origin == s.plain {
				b.open(from.origin + "/blank")
			} else {
				b.open(s.page(from.origin, ""))
			}
			n := len(s.seen("app.test", "/count"))
			b.tries("POST", s.app+"/count")
			if v := s.await("/count", n+1)[n]; v.handled != from.passes || (v.user == "alice") != from.passes {
				t.Errorf("%s: got %v, want handled %t", from.origin, v, from.passes)
			}
			got := b.socket(s)
			if v := s.await("/ws", i+1)[i]; v.handled != from.passes || (got == "open") != from.passes {
				t.Errorf("%s: websocket %s: got %v, want handled %t", from.origin, got, v, from.passes)
			}
		}
	})
}
