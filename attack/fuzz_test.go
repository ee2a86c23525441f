package attack_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/coatcheck/coatcheck/coatchecktest"
)

// Whatever a request says of itself, it is answered: never with a 500, never as
// somebody else, and a read never with a cookie.
func FuzzRequest(f *testing.F) {
	a := newApp(f)
	victim := loggedIn(a, "alice")
	token := victim.Cookies()[sid]
	for _, header := range []string{
		"", sid + "=", sid + "=" + strings.Repeat("A", 52), sid + "=" + token[:51] + "_", "=" + sid + "=" + strings.Repeat("B", 52), sid + "=x; " + sid + "=y", sid + `="x"`, "a=b;;; =;" + sid + "-lax=1",
	} {
		f.Add(header, "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "203.0.113.9, x", "cross-site")
	}
	f.Fuzz(func(t *testing.T, cookies, agent, forwarded, site string) {
		if strings.Contains(cookies, token) {
			return
		}
		visitor := coatchecktest.NewScript(a)
		headers := func(r *http.Request) *http.Request {
			r.Header["Cookie"] = []string{cookies}
			r.Header["User-Agent"], r.Header["X-Forwarded-For"], r.Header["Sec-Fetch-Site"] = []string{agent}, []string{forwarded}, []string{site}
			return r
		}
		w := visitor.Clone().Serve(headers(visitor.Request("GET", "/profile")))
		if w.Code != 200 || w.Body.String() != "user=" || len(w.Header()["Set-Cookie"]) != 0 {
			t.Errorf("read: got %d %q %q", w.Code, w.Body, w.Header()["Set-Cookie"])
		}
		if w := visitor.Clone().Serve(headers(visitor.Request("POST", "/login?user=mallory"))); w.Code != 200 && w.Code != 403 {
			t.Errorf("login: got %d %q", w.Code, w.Body)
		}
		list, err := a.sessions.Sessions(t.Context(), "mallory")
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range list {
			if len(info.Device) > 64 || strings.ContainsFunc(info.Device+info.Address, func(r rune) bool { return unicode.IsControl(r) || r > '~' || r == '<' }) {
				t.Errorf("of %q and %q the list has %q and %q", agent, forwarded, info.Device, info.Address)
			}
		}
		if _, err := a.sessions.RevokeAll(t.Context(), "mallory"); err != nil {
			t.Fatal(err)
		}
		if got := userOf(victim); got != "alice" {
			t.Fatalf("the victim is %q", got)
		}
		a.events.Reset()
	})
}
