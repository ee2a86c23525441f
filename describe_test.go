package coatcheck_test

import (
	"fmt"
	"log"
	"net/http"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// ASVS 7.1.1–7.1.3: the policy in force can be written down.
func ExampleManager_Describe() {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // KeysFromEnv in a program
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{MaxPerUser: 5})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(sessions.Describe())
	// Output:
	// cookie             __Host-Http-sid
	// attributes         Path=/; HttpOnly; Secure; SameSite=Strict
	// user               idle 30m0s, lifetime 12h0m0s, remembered at most 720h0m0s
	// anonymous          idle 30m0s, lifetime 4h0m0s
	// sessions per user  5, another login ends the oldest
	// kept               in the store, by a hash of the token
	// after logout       the browser clears caches and storage of the site
	// from other sites   anonymous, and nothing is written
	// client address     of the connection
}

// ASVS 4.1.3: "proxy headers not spoofable": only the hops that are ours count.
func TestProxyHops(t *testing.T) {
	for _, tt := range []struct {
		hops    int
		forward []string
		want    string
	}{
		{0, nil, "192.0.2.1"},
		{0, []string{"203.0.113.9"}, "192.0.2.1"},
		{1, []string{"203.0.113.9"}, "203.0.113.9"},
		{1, []string{"6.6.6.6, 203.0.113.9"}, "203.0.113.9"},
		{1, []string{"6.6.6.6", " 203.0.113.9 "}, "203.0.113.9"},
		{2, []string{"6.6.6.6, 203.0.113.9, 198.51.100.7"}, "203.0.113.9"},
		{2, []string{"6.6.6.6,203.0.113.9", "198.51.100.7"}, "203.0.113.9"},
		{2, []string{"198.51.100.7"}, ""},
		{1, nil, ""},
		{1, []string{""}, ""},
		{1, []string{"<script>"}, ""},
		{1, []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{1, []string{"2001:db8::1%eth0"}, "2001:db8::1"},
	} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{ProxyHops: tt.hops})
		b := newBrowser(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			m.From(r.Context()).Login("alice")
		})))
		r := b.request("POST", "/")
		r.Header["X-Forwarded-For"] = tt.forward
		b.send(r)
		list, err := m.Sessions(t.Context(), "alice")
		if err != nil || len(list) != 1 || list[0].Address != tt.want {
			t.Errorf("%d hops, %q: got %+v, %v, want %q", tt.hops, tt.forward, list, err, tt.want)
		}
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
		if got := b.do("POST", "/logout").Header().Get(name); got != "" {
			t.Errorf("logout without a session: %q", got)
		}
		if got := b.do("POST", "/login").Header().Get(name); got != "" {
			t.Errorf("login: %q", got)
		}
		want := `"cache", "storage"`
		if keep {
			want = ""
		}
		if got := b.do("POST", "/logout").Header().Get(name); got != want {
			t.Errorf("KeepSiteData %v: logout: got %q, want %q", keep, got, want)
		}
	}
}

// ASVS 7.5.3: a further factor before a sensitive operation is a value with an
// expiry of its own, bound to one action by its name and used up by Pop.
func TestStepUpMarker(t *testing.T) {
	confirmed := func(action string) coatcheck.Key[bool] { return coatcheck.NewKey[bool]("confirmed:" + action) }
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	b := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, action := m.From(r.Context()), r.URL.Query().Get("action")
		switch r.URL.Path {
		case "/login":
			s.Login("alice")
		case "/confirm":
			confirmed(action).SetFor(s, true, time.Minute)
		case "/do":
			if ok, _ := confirmed(action).Pop(s); !ok {
				http.Error(w, "confirm first", http.StatusForbidden)
			}
		}
	})))
	b.do("POST", "/login")
	b.do("POST", "/confirm?action=pay")
	for _, step := range []struct {
		url  string
		want int
	}{{"/do?action=delete", 403}, {"/do?action=pay", 200}, {"/do?action=pay", 403}} {
		if w := b.do("POST", step.url); w.Code != step.want {
			t.Errorf("%s: got %d, want %d", step.url, w.Code, step.want)
		}
	}
}
