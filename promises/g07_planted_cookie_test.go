package promises_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// carriers are a manager for each way to carry a session.
func carriers(t *testing.T, cfg coatcheck.Config) map[string]*coatcheck.Manager {
	t.Helper()
	inCookie, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*coatcheck.Manager{"stored": manage(t, memstore.New(memstore.Config{}), cfg), "in the cookie": inCookie}
}

// withheldFrom are the requests on which a browser withholds a Strict cookie, and
// brings what is Lax.
var withheldFrom = map[string][]string{
	"a link":                  from("cross-site", navigation),
	"typed":                   from("none", navigation),
	"a fetch, of other kinds": from("cross-site", fetching),
	"a worker in Firefox":     from("same-origin", []string{"Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "empty", "Accept", "text/html", "Referer", "https://evil.example/"}),
}

// G7: a request on which the browser withheld the cookie never overwrites the
// session it left, also where a foreign cookie of our name comes in its place: a
// marker names its session, and one whose cookie is not there tells of another.
func TestG7ForeignCookieBesideAWithheldOne(t *testing.T) {
	t.Parallel()
	for kind, m := range carriers(t, coatcheck.Config{}) {
		mark, good := begin(t, m, nil).Cookies()[markName], begin(t, m, nil).Cookies()[sidName]
		attacker := begin(t, m, nil).Cookies()
		elsewhere := begin(t, carriers(t, coatcheck.Config{})[kind], nil).Cookies()[sidName] // in the cookie it lives here too
		for name, came := range map[string]string{
			"junk":                           sidName + "=x",
			"a token unknown to the store":   sidName + "=" + elsewhere,
			"two of junk":                    sidName + "=x; " + sidName + "=y",
			"five of junk":                   strings.Repeat(sidName+"=x; ", 5),
			"ours behind a comma":            sidName + "=x; a=b, " + sidName + "=" + good,
			"one that lives":                 sidName + "=" + attacker[sidName],
			"one that lives, and its marker": sidName + "=" + attacker[sidName] + "; " + markName + "=" + attacker[markName],
			"one that lives beside junk":     sidName + "=x; " + sidName + "=" + attacker[sidName],
			"two that live":                  sidName + "=" + good + "; " + sidName + "=" + attacker[sidName],
			"one without a value":            sidName + "=",
			"one in quotes":                  sidName + `="` + attacker[sidName] + `"`,
			"one with a comma":               sidName + "=a,b",
			"a huge one":                     sidName + "=" + strings.Repeat("A", 5000),
			"nothing":                        "",
		} {
			for request, headers := range withheldFrom {
				send := func(h http.Handler, path string) *httptest.ResponseRecorder {
					r := newBrowser(nil).Request("GET", "https://example.com"+path, headers...)
					r.Header.Set("Cookie", came+"; "+markName+"="+mark)
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					return w
				}
				for _, path := range []string{"/set", "/count", "/logout", "/renew"} {
					w := send(life(m), path)
					if path == "/renew" && w.Code == 200 {
						w.Code = 409 // there is nothing to renew
					}
					if w.Code != 409 || len(w.Header()["Set-Cookie"]) > 0 {
						t.Errorf("%s, %s, %s %s: got %d and %q, want 409 and no cookie", kind, name, request, path, w.Code, w.Header()["Set-Cookie"])
					}
				}
				if w := send(life(m), "/look"); w.Code != 200 || strings.Contains(w.Body.String(), "alice") || len(w.Header()["Set-Cookie"]) > 0 {
					t.Errorf("%s, %s, %s /look: got %d %q and %q, want nobody", kind, name, request, w.Code, w.Body, w.Header()["Set-Cookie"])
				}
				inside := m.Handler(m.RequireLogin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })))
				if w := send(inside, "/"); w.Code != 409 {
					t.Errorf("%s, %s, %s: RequireLogin answers %d, want 409", kind, name, request, w.Code)
				}
			}
		}
	}
}

// G7: a marker that no session can have, beside that of the session which came,
// holds nothing back: a sibling's cookie logs nobody out.
func TestG7PlantedMarker(t *testing.T) {
	t.Parallel()
	for kind, m := range carriers(t, coatcheck.Config{}) {
		b := begin(t, m, nil)
		other := begin(t, m, nil).Cookies()[markName]
		ours := sidName + "=" + b.Cookies()[sidName] + "; " + markName + "=" + b.Cookies()[markName]
		for planted, want := range map[string]int{"evil": 200, "1": 200, "": 200, strings.Repeat("A", 13): 200, other: 409} {
			r := newBrowser(nil).Request("GET", "https://example.com/set", "Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
			r.Header.Set("Cookie", markName+"="+planted+"; "+ours)
			w := httptest.NewRecorder()
			life(m).ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s, %q: got %d, want %d", kind, planted, w.Code, want)
			}
		}
	}
}

// G7: the page for visitors from elsewhere lands them also where a foreign cookie
// of our name comes in place of ours.
func TestG7LandsBesideAForeignCookie(t *testing.T) {
	t.Parallel()
	for kind, m := range carriers(t, coatcheck.Config{Landing: func(*http.Request) bool { return true }}) {
		mark, attacker := begin(t, m, nil).Cookies()[markName], begin(t, m, nil).Cookies()[sidName]
		for _, planted := range []string{"x", "", attacker} {
			handled := false
			b := newBrowser(only(m, func(http.ResponseWriter, *http.Request, *coatcheck.Session) { handled = true }))
			b.SetCookie(markName, mark)
			b.SetCookie(sidName, planted)
			for request, headers := range withheldFrom {
				handled = false
				w := b.Send("GET", "https://example.com/in", headers...)
				if lands := !strings.Contains(request, "fetch"); handled == lands || lands != strings.Contains(w.Body.String(), "<script>") {
					t.Errorf("%s, %.20q, %s: the handler ran %t, answer %q", kind, planted, request, handled, w.Body)
				}
			}
		}
	}
}

// G7: Chromium brings the Strict cookie on a cross-site request where our own page
// led away and a redirect leads back, as logins at another place do. It says with
// the marker that it is ours, and counts. So does an address that was typed there.
func TestG7OurCookieComesAlong(t *testing.T) {
	t.Parallel()
	image := from("cross-site", image)
	for kind, m := range carriers(t, coatcheck.Config{Landing: func(*http.Request) bool { return true }}) {
		for _, act := range []string{"", "/count", "/renew", "/login"} {
			b := begin(t, m, life(m))
			if act != "" { // the marker follows each change of the token
				b.Send("POST", act)
			}
			if got := b.Send("GET", "/look").Body.String(); !strings.HasPrefix(got, "alice") {
				t.Fatalf("%s, %s: got %q", kind, act, got)
			}
			for request, headers := range withheldFrom {
				for _, headers := range [][]string{headers, image} {
					c := b.Clone()
					c.SetCookie("other", "1")
					if w := c.Send("GET", "https://example.com/look", headers...); w.Code != 200 || !strings.HasPrefix(w.Body.String(), "alice") {
						t.Errorf("%s after %q, %s: got %d %q, want alice", kind, act, request, w.Code, w.Body)
					}
					// A planted one beside both changes nothing.
					r := c.Request("GET", "https://example.com/look", headers...)
					r.Header.Set("Cookie", sidName+"=x; "+r.Header.Get("Cookie"))
					if w := c.Serve(r); !strings.HasPrefix(w.Body.String(), "alice") {
						t.Errorf("%s after %q, %s, beside a planted one: got %d %q, want alice", kind, act, request, w.Code, w.Body)
					}
				}
			}
		}
	}
}

// G7: what comes from another site with a request that brings no Lax cookie
// either is not ours: it neither counts nor is anything cleared for it.
func TestG7ForeignCookieOfAnEmbeddedRequest(t *testing.T) {
	t.Parallel()
	for kind, m := range carriers(t, coatcheck.Config{}) {
		attacker := begin(t, m, nil).Cookies()[sidName]
		for _, planted := range []string{"x", attacker} {
			for _, headers := range [][]string{from("cross-site", fetching), from("cross-site", image), from("cross-site", frame)} {
				for path, status := range map[string]int{"/set": 409, "/count": 409, "/logout": 200, "/look": 200} {
					b := newBrowser(life(m))
					b.SetCookie(sidName, planted)
					w := b.Send("GET", path, headers...)
					if w.Code != status || len(w.Header()["Set-Cookie"]) > 0 || strings.Contains(w.Body.String(), "alice") {
						t.Errorf("%s, %.8q, %s with %q: got %d %q and %q, want %d, nobody and no cookie", kind, planted, path, headers, w.Code, w.Body, w.Header()["Set-Cookie"], status)
					}
				}
			}
		}
	}
}

// G7: With SameSite=Lax nothing is held back for a foreign cookie: there is no
// marker, and a cookie of ours comes along.
func TestG7ForeignCookieWithLax(t *testing.T) {
	t.Parallel()
	for kind, m := range carriers(t, coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteLaxMode}}) {
		b := begin(t, m, life(m))
		b.SetCookie(markName, "1")
		for request, headers := range withheldFrom {
			if w := b.Clone().Send("GET", "https://example.com/count", slices.Clone(headers)...); request != "a worker in Firefox" && (w.Code != 200 || !strings.HasPrefix(w.Body.String(), "alice")) {
				t.Errorf("%s, %s: got %d %q, want alice", kind, request, w.Code, w.Body)
			}
			c := newBrowser(life(m))
			c.SetCookie(sidName, "x")
			if w := c.Send("GET", "https://example.com/set", headers...); w.Code != 200 || c.Cookies()[sidName] == "x" {
				t.Errorf("%s, %s, junk: got %d, want a session", kind, request, w.Code)
			}
		}
	}
}
