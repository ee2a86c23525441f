package attack_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
)

// CSRF, login and logout included: unsafe methods from another origin are
// refused, whatever cookies come with them; without any browser header the
// request is a program's, and SameSite the defence.
func TestCSRF_CVE_2025_24358_CVE_2025_46721_Gokapi(t *testing.T) {
	a := newApp(t)
	for _, tt := range []struct {
		headers []string
		refused bool
	}{
		{nil, false},
		{[]string{"Sec-Fetch-Site", "same-origin"}, false},
		{[]string{"Sec-Fetch-Site", "none"}, false},
		{[]string{"Sec-Fetch-Site", "same-site"}, true},
		{[]string{"Sec-Fetch-Site", "cross-site"}, true},
		{[]string{"Sec-Fetch-Site", "odd"}, true},
		{[]string{"Sec-Fetch-Site", "same-origin", "Origin", "http://example.com", "Referer", "http://example.com/"}, false},
		{[]string{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, false},
		{[]string{"Sec-Fetch-Site", "same-origin", "Origin", "https://evil.example"}, true},
		{[]string{"Sec-Fetch-Site", "same-origin", "Referer", "https://evil.example/"}, true},
		{[]string{"Origin", "https://evil.example"}, true},
		{[]string{"Origin", "null"}, true},
		{[]string{"Origin", "http://example.com"}, false},
		{[]string{"Origin", "https://example.com:8443"}, true},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://example.com"}, true},
	} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
			for _, path := range []string{"/login?user=mallory", "/logout", "/note?text=x"} {
				victim := loggedIn(a, "alice")
				w := victim.Send(method, "http://example.com"+path, tt.headers...)
				if got := w.Code == http.StatusForbidden; got != tt.refused {
					t.Errorf("%s %s %v: %d", method, path, tt.headers, w.Code)
				}
				if tt.refused && (w.Header().Get("Set-Cookie") != "" || userOf(victim) != "alice") {
					t.Errorf("%s %s %v: the session changed", method, path, tt.headers)
				}
			}
		}
	}
	// A websocket's handshake is a GET with effects.
	w := loggedIn(a, "alice").Send("GET", "/profile", "Upgrade", "websocket", "Connection", "Upgrade", "Origin", "https://evil.example")
	if w.Code != http.StatusForbidden {
		t.Errorf("websocket upgrade from another origin: %d", w.Code)
	}
}

// Cookie tossing: a sibling host may add cookies of the same name. What we did not
// issue changes nothing; of two sessions that live none is believed.
func TestCookieTossing_CVE_2023_27495_CookieCrumbles(t *testing.T) {
	a := newApp(t)
	victim, attacker := loggedIn(a, "alice"), loggedIn(a, "mallory")
	for header, want := range map[string]string{
		sid + "=" + attacker.Cookies()[sid] + "; " + sid + "=" + victim.Cookies()[sid]:           "user=", // nobody can tell which
		sid + "=" + victim.Cookies()[sid] + "; " + sid + "=" + attacker.Cookies()[sid]:           "user=",
		sid + "=" + victim.Cookies()[sid] + "; a=b; " + sid + "=":                                "user=alice", // what we did not issue locks nobody out
		sid + "=" + attacker.Cookies()[sid][:51] + "; a=b; " + sid + "=" + victim.Cookies()[sid]: "user=alice",
		strings.Repeat(sid+"=x; ", 4) + sid + "=" + victim.Cookies()[sid]:                        "user=", // beyond the bound
		sid + "=" + attacker.Cookies()[sid] + strings.Repeat("; "+sid+"=x", 4):                   "user=",
	} {
		r := coatchecktest.NewScript(a).Request("GET", "/profile")
		r.Header.Set("Cookie", header)
		if w := coatchecktest.NewScript(a).Serve(r); w.Body.String() != want {
			t.Errorf("%.40s: got %q, want %q", header, w.Body, want)
		}
	}
}

// Names that only look like ours are not ours.
func TestNameSmuggling_CVE_2023_23934_WS_2022_0330(t *testing.T) {
	a := newApp(t)
	victim := loggedIn(a, "alice")
	token := victim.Cookies()[sid]
	for _, cookie := range []string{
		"=" + sid + "=" + token, "__host-http-sid=" + token, "__HOST-HTTP-SID=" + token, sid + " =" + token, sid + "= " + token + "x",
		"Host__Http-sid=" + token, "x" + sid + "=" + token, sid + "x=" + token, sid + `="` + token + `"`, "\t" + sid + "\t=" + token,
	} {
		r := coatchecktest.NewScript(a).Request("GET", "/profile")
		r.Header["Cookie"] = []string{cookie}
		if w := coatchecktest.NewScript(a).Serve(r); w.Body.String() != "user=" {
			t.Errorf("%.30q was taken for the session cookie", cookie)
		}
	}
}

// Huge and many cookies cost no memory in proportion, and are never a logout.
func TestOversizedCookies_CVE_2025_58186_CVE_2026_25899(t *testing.T) {
	a := newApp(t)
	victim := loggedIn(a, "alice")
	for name, header := range map[string]string{
		"one of 1 MB":      sid + "=" + strings.Repeat("A", 1<<20),
		"10,000 of them":   strings.Repeat(sid+"=x; ", 10000),
		"10,000 strangers": strings.Repeat("a=b; ", 10000),
	} {
		r := coatchecktest.NewScript(a).Request("GET", "/profile")
		r.Header["Cookie"] = []string{header}
		if w := coatchecktest.NewScript(a).Serve(r); w.Code != 200 || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: %d, Set-Cookie %q", name, w.Code, w.Header().Get("Set-Cookie"))
		}
		allocated := testing.AllocsPerRun(5, func() { a.ServeHTTP(discard{http.Header{}}, r) })
		if allocated > 50 {
			t.Errorf("%s: %v allocations", name, allocated)
		}
	}
	// With the genuine one among strangers it still works.
	r := victim.Request("GET", "/profile")
	r.Header["Cookie"][0] += "; " + strings.Repeat("a=b; ", 4000)
	if w := victim.Serve(r); w.Body.String() != "user=alice" {
		t.Errorf("among 4,000 strangers: %q", w.Body)
	}
}

// Nothing that a program puts into a cookie makes a second header or attribute.
func TestHeaderInjection_CVE_2020_15111_CVE_2024_47764(t *testing.T) {
	plain := cookie.New[string]("name", cookie.Policy{})
	for _, value := range []string{"a\r\nSet-Cookie: b=c", "a\nb", "a; HttpOnly", "a;b", "a,b", "a b", "\"a\"", "a\\b", "a\x00b", "ü", "a\x7f"} {
		w := discard{http.Header{}}
		if err := plain.Set(w, value); err == nil || len(w.h) != 0 {
			t.Errorf("value %q: %v, header %q", value, err, w.h)
		}
	}
	for _, p := range []cookie.Policy{
		{Path: "/a; HttpOnly"}, {Path: "/a\r\nX: y"}, {Domain: "example.com; Secure"}, {Domain: "ex\nample.com"}, {Path: "a"},
	} {
		if err := cookie.New[string]("name", p).Err(); err == nil {
			t.Errorf("policy %+v is accepted", p)
		}
	}
	for _, name := range []string{"a=b", "a b", "a;b", "a\r\nb", "", "ü"} {
		if err := cookie.New[string](name, cookie.Policy{}).Err(); err == nil {
			t.Errorf("name %q is accepted", name)
		}
	}
}

// Every way to look at a session keeps caches from handing the answer out.
func TestCacheLeak_CVE_2023_30861_CVE_2026_27205(t *testing.T) {
	a := newApp(t)
	for _, path := range []string{"/profile", "/read", "/has", "/note?text=x", "/flash", "/login?user=bob", "/logout"} {
		for _, method := range []string{"GET", "POST"} {
			h := loggedIn(a, "alice").Send(method, path).Header()
			if h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Vary"), "Cookie") {
				t.Errorf("%s %s: Cache-Control %q, Vary %q", method, path, h.Get("Cache-Control"), h.Get("Vary"))
			}
		}
	}
	public := a.sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Header().Set("CDN-Cache-Control", "max-age=3600")
		fmt.Fprint(w, a.sessions.From(r.Context()).User())
	}))
	h := coatchecktest.NewScript(public).Serve(loggedIn(a, "alice").Request("GET", "/")).Header()
	if h.Get("Cache-Control") != "no-store" || h.Get("CDN-Cache-Control") != "" {
		t.Errorf("a public page with a session: %v", h)
	}
}

// The deletion names exactly the attributes of the cookie, or browsers ignore it.
func TestCookieLeftBehind_CVE_2026_34454(t *testing.T) {
	a := newApp(t)
	victim := coatchecktest.NewScript(a)
	set := victim.Send("POST", "/login?user=alice").Header()["Set-Cookie"]
	cleared := victim.Send("POST", "/logout").Header()["Set-Cookie"]
	if len(set) != 2 || len(cleared) != 2 {
		t.Fatalf("set %q, cleared %q", set, cleared)
	}
	slices.Reverse(cleared) // the session's is the first that is set and the last that goes
	for i := range set {
		s, err1 := http.ParseSetCookie(set[i])
		c, err2 := http.ParseSetCookie(cleared[i])
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if s.Name != c.Name || s.Path != c.Path || s.Domain != c.Domain || s.Secure != c.Secure || s.HttpOnly != c.HttpOnly || s.SameSite != c.SameSite || c.MaxAge >= 0 || c.Expires.Unix() != 1 {
			t.Errorf("set %q, cleared %q", set[i], cleared[i])
		}
	}
}

// A redirect after login stays on this site.
func TestOpenRedirect_CVE_2025_67713_CVE_2026_25779(t *testing.T) {
	for _, target := range []string{"//evil.example", "/\\evil.example", "\t//evil.example", "https:evil.example", "https://example.com@evil.example", "/\t/evil.example", "javascript:alert(1)"} {
		if got := coatcheck.SafeReturn(target); got != "/" {
			t.Errorf("%q leads to %q", target, got)
		}
	}
}

// No token or secret in what the program says of itself.
func TestLogLeak_CVE_2023_20866(t *testing.T) {
	a := newApp(t)
	victim := loggedIn(a, "alice")
	token := victim.Cookies()[sid]
	forged := victim.Clone()
	forged.SetCookie(sid, token[:51]+"_")
	userOf(forged)
	keys := newKeys(t, secret)
	var said strings.Builder
	for _, v := range []any{a.events.All(), a.sessions, keys, keys.Derive("x"), a.sessions.Describe()} {
		fmt.Fprintf(&said, "%v %+v %#v %s %x %s", v, v, v, v, v, encode(v))
	}
	for _, hidden := range []string{token, token[8:40], secret} {
		if strings.Contains(said.String(), hidden) {
			t.Errorf("%.6s… is in the output", hidden)
		}
	}
}
