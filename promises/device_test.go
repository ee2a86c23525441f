package promises_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// Config.Device names the device of a login, once for each; what it returns is
// bounded, and nothing in it steers a terminal or begins HTML. Renewals keep it.
func TestG11Device(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, returns, want string }{
		{"plain", "Safari 26 on Ann's iPhone", "Safari 26 on Ann's iPhone"},
		{"another script", "сафари на айфоне", "сафари на айфоне"},
		{"nothing", "", ""},
		{"spaces", " \t Edge \n ", "Edge"},
		{"controls", "Edge\x1b[31m\r\n\x00on\u202e Linux\u200b", "Edge[31mon Linux"},
		{"HTML", `<script>alert("x")</script>&amp;\`, `scriptalert(x)/scriptamp;`},
		{"not UTF-8", "Edge\xff\xc3", "Edge"},
		{"as long as it may be", strings.Repeat("x", 64), strings.Repeat("x", 64)},
		{"longer", strings.Repeat("x", 65), strings.Repeat("x", 64)},
		{"no half characters", strings.Repeat("x", 63) + "é", strings.Repeat("x", 63)},
		{"endless", strings.Repeat("\x00", 1<<20) + "x", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Device: func(r *http.Request) string {
				if asked++; r.Header.Get("X-Device") != "mine" {
					t.Errorf("asked with the request of %q", r.Header.Get("X-Device"))
				}
				return c.returns
			}})
			b := newBrowser(g11App(m))
			wants(t, b.Send("POST", "/login?user=ann", "X-Device", "mine", "User-Agent", firefox), 200, "")
			wants(t, b.Send("POST", "/count"), 200, "1")
			wants(t, b.Send("POST", "/others?renew"), 200, "0")
			got := list(t, b)
			if len(got) != 1 || got[0].Device != c.want || asked != 1 {
				t.Errorf("got %+v, asked %d times; want %q, asked once", got, asked, c.want)
			}
		})
	}
}

// A Device that uses the session does not hang: the login fails.
func TestG11DeviceUsesTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Device: func(r *http.Request) string {
			return coatcheck.From(r.Context()).User()
		}})
		if w := newBrowser(g11App(m)).Send("POST", "/login?user=ann"); w.Code < 500 {
			t.Errorf("got %d, want a failure", w.Code)
		}
		if got, err := m.Sessions(t.Context(), "ann"); len(got) != 0 || err != nil {
			t.Errorf("got %v, %v; want no session", got, err)
		}
	})
}
