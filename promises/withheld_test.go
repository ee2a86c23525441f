package promises_test

import (
	"net/http"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// G7: what is absent because the browser withheld the cookie is told apart from
// what was never there: by Withheld, and where a value was asked for by one event.
// It is true exactly where a first write would be held back, and with SameSite=Lax
// where another site's form is posted.
func TestG7Withheld(t *testing.T) {
	t.Parallel()
	provider := http.NewCrossOriginProtection()
	if err := provider.AddTrustedOrigin("https://provider.example"); err != nil {
		t.Fatal(err)
	}
	posted := []string{"Origin", "https://provider.example"}
	for _, c := range []struct {
		name     string
		sameSite http.SameSite
		method   string
		headers  []string
		marked   bool
		withheld bool
	}{
		{"a link, marked", 0, "GET", from("cross-site", navigation), true, true},
		{"a first visit by a link", 0, "GET", from("cross-site", navigation), false, false},
		{"typed, marked", 0, "GET", from("none", navigation), true, true},
		{"a first visit, typed", 0, "GET", from("none", navigation), false, false},
		{"a form of the provider", 0, "POST", from("cross-site", navigation, posted...), false, true},
		{"a frame", 0, "GET", from("cross-site", frame), false, true},
		{"an own page without a session", 0, "GET", from("same-origin", navigation), false, false},
		{"an own page whose session cookie was evicted", 0, "GET", from("same-origin", navigation), true, false},
		{"no Fetch Metadata", 0, "GET", nil, true, false},
		{"Lax: a link", http.SameSiteLaxMode, "GET", from("cross-site", navigation), false, false},
		{"Lax: a form of the provider", http.SameSiteLaxMode, "POST", from("cross-site", navigation, posted...), false, true},
		{"Lax: an own form", http.SameSiteLaxMode, "POST", from("same-origin", navigation), false, false},
		{"None: a form of the provider", http.SameSiteNoneMode, "POST", from("cross-site", navigation, posted...), false, false},
	} {
		for _, ask := range []struct {
			name string
			do   func(s *coatcheck.Session) bool // whether the value is there
			told bool
		}{
			{"Get", func(s *coatcheck.Session) bool { _, ok := hits.Get(s); hits.Get(s); return ok }, true},
			{"Pop", func(s *coatcheck.Session) bool { _, ok := hits.Pop(s); return ok }, true},
			{"Get and Login", func(s *coatcheck.Session) bool { _, ok := hits.Get(s); return ok }, true},
			{"User and Flashes", func(s *coatcheck.Session) bool { return s.User() != "" || len(s.Flashes()) > 0 }, false},
		} {
			var l coatchecktest.Events
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{CrossOrigin: provider, Events: l.Record, Cookie: cookie.Policy{SameSite: c.sameSite}})
			var there, withheld, after bool
			b := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
				there, withheld = ask.do(s), s.Withheld()
				if ask.name == "Get and Login" {
					s.Login("alice")
					after = s.Withheld()
				}
			}))
			if c.marked {
				b.SetCookie(markName, "1")
			}
			w := b.Send(c.method, "https://app.example/", c.headers...)
			if w.Code != http.StatusOK || there || withheld != c.withheld || after {
				t.Errorf("%s, %s: got %d, there %t, withheld %t and after a login %t; want withheld %t, never after a login", c.name, ask.name, w.Code, there, withheld, after, c.withheld)
			}
			want := 0
			if c.withheld && ask.told {
				want = 1
			}
			if got := l.Count(coatcheck.HeldBack); got != want {
				t.Errorf("%s, %s: %d events, want %d", c.name, ask.name, got, want)
			}
		}
	}
}

// G7: Withheld is false where the cookie came, whatever became of its session.
func TestG7NotWithheld(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	var withheld bool
	b := begin(t, m, only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { withheld = s.Withheld() }))
	for _, what := range []string{"live", "ended"} {
		if b.Send("GET", "/", from("cross-site", navigation)...); withheld {
			t.Errorf("withheld, although the cookie came, of a session that is %s", what)
		}
		if _, err := m.RevokeAll(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
	}
}
