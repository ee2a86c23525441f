package promises_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// sent is what a header says on the wire, where names match in any case.
func sent(h http.Header) map[string][]string {
	all := make(map[string][]string)
	for name, lines := range h {
		all[strings.ToLower(name)] = append(all[strings.ToLower(name)], lines...)
	}
	return all
}

// G12: "Where a session cookie is set, Cache-Control becomes exactly no-store and
// shared-cache headers go", however their names are spelled.
func TestG12NamesInAnyCase(t *testing.T) {
	t.Parallel()
	for _, spell := range []func(string) string{strings.ToLower, strings.ToUpper, func(s string) string { return strings.Replace(s, "e", "E", 1) }} {
		for what, change := range map[string]func(*coatcheck.Session){
			"read": func(s *coatcheck.Session) { s.User() }, "login": func(s *coatcheck.Session) { s.Login("bob") }, "logout": (*coatcheck.Session).Logout,
		} {
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
			b := begin(t, m, only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
				h := w.Header()
				h["Vary"] = []string{"Accept"}
				for name, value := range map[string]string{
					"Vary": "Origin", "Cache-Control": "public, max-age=60", "Expires": "Fri, 01 Jan 2100 00:00:00 GMT", "Pragma": "x",
					"Set-Cookie": sidName + "=planted", "Surrogate-Control": "max-age=60", "Edge-Control": "max-age=60", "X-Accel-Expires": "60",
					"CDN-Cache-Control": "max-age=60", "Vercel-CDN-Cache-Control": "max-age=60", "Nobody-Knows-CDN-Cache-Control": "max-age=60", "X-LiteSpeed-Cache-Control": "public",
					"Clear-Site-Data": `"cookies"`, "X-Other": "stays",
				} {
					h[spell(name)] = append(slices.Clip(h[spell(name)]), value)
				}
				if what == "read" {
					delete(h, spell("Set-Cookie"))
				}
				change(s)
			}))
			got := sent(b.Send("POST", "/").Header())
			for name := range got {
				if strings.HasSuffix(name, "-cache-control") || name == "surrogate-control" || name == "edge-control" || name == "x-accel-expires" || name == "expires" || name == "pragma" {
					t.Errorf("%s, %s: %s: %q is sent", spell("name"), what, name, got[name])
				}
			}
			if lines := got["cache-control"]; !slices.Equal(lines, []string{"no-store"}) {
				t.Errorf("%s, %s: Cache-Control %q, want no-store alone", spell("name"), what, lines)
			}
			if vary := strings.Join(got["vary"], ", "); vary != "Accept, Origin, Cookie" {
				t.Errorf("%s, %s: Vary %q", spell("name"), what, vary)
			}
			if lines := got["set-cookie"]; what != "read" && (len(lines) != 2 || strings.Contains(fmt.Sprint(lines), "planted")) {
				t.Errorf("%s, %s: cookies %q, want one line for each of our names (G4)", spell("name"), what, lines)
			}
			if !slices.Equal(got["clear-site-data"], []string{`"cookies"`}) || !slices.Equal(got["x-other"], []string{"stays"}) {
				t.Errorf("%s, %s: got %v, want the handler's own to stay", spell("name"), what, got)
			}
		}
	}
}

// G12: what the handler itself keeps out of shared caches stays as it says, also
// in another case.
func TestG12PrivateInAnyCase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ one, two, want string }{
		{"private", "", "private"}, {"private", "public", "no-store"}, {"public", "private", "no-store"}, {"private", "max-age=3", "private, max-age=3"},
	} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		b := begin(t, m, only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			w.Header()["cache-control"] = []string{c.one}
			if c.two != "" {
				w.Header()["CACHE-CONTROL"] = []string{c.two}
			}
			s.User()
		}))
		got := sent(b.Send("GET", "/").Header())["cache-control"]
		slices.Sort(got)
		if text := strings.Join(got, ", "); text != c.want && text != "max-age=3, private" {
			t.Errorf("%q beside %q: got %q, want %q", c.one, c.two, text, c.want)
		}
	}
}
