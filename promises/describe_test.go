package promises_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// ASVS 7.1.1–7.1.3: what is described is what is in force, for every setting.
func TestDescribe(t *testing.T) {
	t.Parallel()
	landing := func(*http.Request) bool { return false }
	for line, cfg := range map[string]coatcheck.Config{
		"cookie             sid\nattributes         Path=/; HttpOnly; SameSite=Lax\n":        {Cookie: cookie.Policy{SameSite: http.SameSiteLaxMode, AllowInsecureHTTP: true}},
		"attributes         Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Strict\n": {Cookie: cookie.Policy{Domain: "example.com"}},
		"user               idle 5m0s, lifetime 1h0m0s, remembered at most 24h0m0s\n":        {Idle: 5 * time.Minute, Lifetime: time.Hour, MaxRemember: 24 * time.Hour},
		"anonymous          idle 1m0s, lifetime 2m0s\n":                                      {AnonymousIdle: time.Minute, AnonymousLifetime: 2 * time.Minute},
		"sessions per user  not limited\n":                                                   {},
		"sessions per user  3, another login is refused\n":                                   {MaxPerUser: 3, AtLimit: coatcheck.Refuse},
		"after logout       the browser keeps caches and storage of the site\n":              {KeepSiteData: true},
		"from other sites   anonymous, but for the pages of Config.Landing\n":                {Landing: landing},
		"from other sites   logged in where a link leads here, otherwise anonymous\n":        {Landing: landing, Cookie: cookie.Policy{SameSite: http.SameSiteLaxMode}},
		"from other sites   logged in, whatever the request; unsafe methods are refused\n":   {Cookie: cookie.Policy{SameSite: http.SameSiteNoneMode}},
		"known as           what Host says, and https://a.example, https://b.example\n":      {Origins: []string{"https://a.example", "https://b.example"}},
		"client address     by X-Forwarded-For, of proxies at 10.0.0.0/8 ::1/128\n":          {Proxies: prefixes("10.0.0.0/8", "::1/128")},
		"client address     by Forwarded, of proxies at 10.0.0.0/8\n":                        {Proxies: prefixes("10.0.0.0/8"), ProxyHeader: "Forwarded"},
	} {
		if got := manage(t, memstore.New(memstore.Config{}), cfg).Describe(); !strings.Contains(got, line) {
			t.Errorf("%+v: got\n%swant\n%s", cfg, got, line)
		}
	}
	m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Describe(); !strings.Contains(got, "kept               in the cookie, encrypted\n") {
		t.Errorf("in the cookie: got\n%s", got)
	}
}

// ASVS 14.3.1: what pages kept is cleared at the end of a session, and only then.
func TestClearSiteData(t *testing.T) {
	const name = "Clear-Site-Data"
	for _, keep := range []bool{false, true} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{KeepSiteData: keep})
		b := newBrowser(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if s := m.From(r.Context()); r.URL.Path == "/login" {
				s.Login("alice")
			} else {
				s.Logout()
			}
		})))
		if got := b.Send("POST", "/logout").Header().Get(name); got != "" {
			t.Errorf("logout without a session: %q", got)
		}
		if got := b.Send("POST", "/login").Header().Get(name); got != "" {
			t.Errorf("login: %q", got)
		}
		want := `"cache", "storage"`
		if keep {
			want = ""
		}
		w := b.Send("POST", "/logout")
		if got := w.Header().Get(name); got != want {
			t.Errorf("KeepSiteData %v: logout: got %q, want %q", keep, got, want)
		}
		// Of several cookies that one answer clears some versions of curl drop only the last.
		if lines := w.Result().Cookies(); len(lines) != 2 || lines[1].Name != "__Host-Http-sid" || lines[0].MaxAge >= 0 || lines[1].MaxAge >= 0 {
			t.Errorf("KeepSiteData %v: logout clears %v, want the session's cookie last", keep, lines)
		}
	}
}

// ASVS 7.5.3: a further factor before a sensitive operation is a value with an
// expiry of its own, bound to one action by its name and used up by Pop. Only
// the session that confirmed has it, and only while the same user is logged in.
func TestStepUpMarker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		confirmed := func(action string) coatcheck.Key[bool] { return coatcheck.NewKey[bool]("confirmed:" + action) }
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		b := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, action := m.From(r.Context()), r.URL.Query().Get("action")
			switch r.URL.Path {
			case "/login":
				s.Login(r.URL.Query().Get("user"))
			case "/confirm":
				confirmed(action).SetFor(s, true, time.Minute)
			case "/do":
				if ok, _ := confirmed(action).Pop(s); !ok {
					http.Error(w, "confirm first", http.StatusForbidden)
				}
			}
		})))
		other := newBrowser(b.Handler)
		b.Send("POST", "/login?user=alice")
		other.Send("POST", "/login?user=alice")
		do := func(who *browser, url string, want int) {
			t.Helper()
			if w := who.Send("POST", url); w.Code != want {
				t.Errorf("%s: got %d, want %d", url, w.Code, want)
			}
		}
		do(b, "/do?action=pay", 403)
		do(b, "/confirm?action=pay", 200)
		do(b, "/do?action=delete", 403) // another action
		do(other, "/do?action=pay", 403)
		time.Sleep(59 * time.Second)
		do(b, "/do?action=pay", 200)
		do(b, "/do?action=pay", 403) // used up
		do(b, "/confirm?action=pay", 200)
		time.Sleep(time.Minute)
		do(b, "/do?action=pay", 403) // too late
		do(b, "/confirm?action=pay", 200)
		do(b, "/login?user=bob", 200)
		do(b, "/do?action=pay", 403) // another user

		// Of many requests at once exactly one has it.
		do(b, "/confirm?action=pay", 200)
		var wg sync.WaitGroup
		var done atomic.Int32
		for range 32 {
			wg.Go(func() {
				if b.Send("POST", "/do?action=pay").Code == 200 {
					done.Add(1)
				}
			})
		}
		wg.Wait()
		if n := done.Load(); n != 1 {
			t.Errorf("%d of 32 requests did it, want one", n)
		}
	})
}
