package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
)

// raw is the URL of a page of the application that answers with these
// Set-Cookie lines, as nobody but a test would write them.
func raw(path string, lines ...string) string { return path + "?" + url.Values{"line": lines}.Encode() }

// line is the Set-Cookie line of a cookie of the library.
func line[T any](t *testing.T, c cookie.Cookie[T], v T) string {
	t.Helper()
	w := httptest.NewRecorder()
	if err := c.Set(w, v); err != nil {
		t.Fatal(err)
	}
	return w.Header().Get("Set-Cookie")
}

// G6: The zero `cookie.Policy` is … until the browser closes; what has a MaxAge
// the browser itself forgets.
func TestTipExpiry(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		b.open(s.app + "/blank")
		b.fetched("GET", s.app+raw("/raw", line(t, cookie.New[string]("short", cookie.Policy{MaxAge: 2 * time.Second}), "x"),
			line(t, cookie.New[string]("long", cookie.Policy{MaxAge: time.Hour}), "x"), line(t, cookie.New[string]("open", cookie.Policy{}), "x")))
		jar := b.cookies(s.app)
		if c, ok := jar["open"]; !ok || !c.Session {
			t.Errorf("without MaxAge: got %+v, want it until the browser closes", c)
		}
		if c := jar["long"]; c.Session {
			t.Errorf("with MaxAge: got %+v, want an end", c)
		}
		gone := false
		for end := time.Now().Add(patience); !gone && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			b.fetched("GET", s.app+"/blank")
			visits := s.seen("app.test", "/blank")
			last := visits[len(visits)-1]
			gone = last.cookie("short") == ""
			if last.cookie("long") == "" || last.cookie("open") == "" {
				t.Fatalf("came %q, want the other two to stay", last.header.Get("Cookie"))
			}
		}
		if !gone {
			t.Errorf("a cookie with MaxAge 2s still comes after %v", patience)
		}
	})
}

// G6: `Max-Age` is what is left of the absolute lifetime; idle is the server's
// alone. The browser drops the cookie, and a copy that it did not drop opens
// nothing either.
func TestTipExpiryOfSession(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{Lifetime: 3 * time.Second})
		b := e.newTab(t)
		b.login(s)
		login := s.await("/login", 1)[0]
		if len(login.sets) != 2 || !strings.Contains(login.sets[0], "; Max-Age=3;") || !strings.Contains(login.sets[1], "; Max-Age=3;") {
			t.Fatalf("login sets %q, want both with Max-Age=3", login.sets)
		}
		pair, _, _ := strings.Cut(login.sets[0], ";")
		_, copied, _ := strings.Cut(pair, "=")
		gone := false
		for end := time.Now().Add(patience); !gone && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			gone = len(b.cookies(s.app)) == 0
		}
		if !gone {
			t.Fatalf("after %v the jar has %v", patience, b.cookies(s.app))
		}
		for end := time.Now().Add(patience); s.live() > 0 && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
		if status, user, _ := s.copycat("/look", map[string]string{sidName: copied}); status != 200 || user != "" {
			t.Errorf("with a copy: got %d as %q, want nobody", status, user)
		}
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "")
	})
}

// G3: Login makes a new token. … the old one is dead at once, with no grace.
func TestTipFixation(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		_, _, attacker := s.copycat("/set", nil) // a session of the attacker's own
		if attacker[sidName] == "" {
			t.Fatal("the attacker got no session")
		}
		b := e.newTab(t)
		b.plant(s, sidName, attacker[sidName])
		b.login(s)
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "alice")
		if v := s.await("/login", 1)[0]; v.cookie(sidName) != attacker[sidName] {
			t.Fatal("the login came without the planted cookie: this test proves nothing")
		}
		if b.cookies(s.app)[sidName].Value == attacker[sidName] {
			t.Error("the token after login is the one before it")
		}
		if _, user, cookies := s.copycat("/look", attacker); user != "" || len(cookies) > 0 {
			t.Errorf("the attacker is %q and got %v, want nobody and nothing", user, cookies)
		}
		if status, _, _ := s.copycat("/private", attacker); status != http.StatusConflict { // its token was replaced just now
			t.Errorf("the attacker's copy opens the private page: %d, want 409", status)
		}

		// Off: an application that binds who it is without Login. It is how the
		// attack succeeds wherever the token stays.
		b = e.newTab(t)
		_, _, attacker = s.copycat("/set", nil)
		b.plant(s, sidName, attacker[sidName])
		b.open(s.app + "/become")
		b.open(s.app + "/look")
		if got := eval[string](b, "document.querySelector('#app').dataset.role"); got != "admin" {
			t.Fatalf("role %q, want admin", got)
		}
		if token := b.cookies(s.app)[sidName].Value; token != attacker[sidName] {
			t.Error("without Login the token changed: the first half of this test proves nothing")
		}
	})
}

// G6: name `__Host-Http-sid` (older browsers apply the `__Host-` rules …): a
// sibling host can neither plant nor shadow it.
func TestTipPrefix(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		sibling := raw(s.sub+"/set",
			sidName+"=evil; Domain=app.test; Path=/; Secure; HttpOnly",
			sidName+"=evil; Domain=app.test; Path=/look; Secure; HttpOnly",
			"__Host-sid=evil; Domain=app.test; Path=/; Secure; HttpOnly",
			markName+"=evil; Domain=app.test; Path=/; Secure; HttpOnly",
			"plain=evil; Domain=app.test; Path=/; Secure; HttpOnly")
		for _, when := range []string{"before login", "after login"} {
			b.open(sibling)
			jar := b.cookies(s.app + "/look")
			for name, c := range jar {
				if c.Value == "evil" && name != "plain" && e.prefixes {
					t.Errorf("%s: a sibling planted %s", when, name)
				}
			}
			if jar["plain"].Value != "evil" {
				t.Fatalf("%s: a sibling could plant no cookie at all: this test proves nothing", when)
			}
			if when == "before login" {
				b.login(s)
			}
		}
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "alice")
		// Where the browser knows no prefix three of the name come, and what we did
		// not issue does not count (G8).
		want := map[bool]int{true: 1, false: 3}[e.prefixes]
		if header := s.await("/look", 1); strings.Count(header[len(header)-1].header.Get("Cookie"), sidName+"=") != want {
			t.Errorf("came %q, want %d of %s", header[len(header)-1].header.Get("Cookie"), want, sidName)
		}
		e.saw(t, "a cookie named `__Host-…` of a sibling host", map[bool]string{true: "is refused", false: "is taken: the browser knows no prefix"}[e.prefixes])
		// Nor without Secure, nor with another Path, nor from a plain page.
		b.open(s.app + raw("/raw", "__Host-a=1; Path=/", "__Host-b=1; Secure; Path=/raw", "__Host-Http-c=1; Secure; Path=/", "__Host-Http-d=1; Secure; Path=/; HttpOnly"))
		jar := b.cookies(s.app + "/raw")
		for _, name := range []string{"__Host-a", "__Host-b", "__Host-Http-c"} {
			if _, ok := jar[name]; ok == e.prefixes {
				t.Errorf("the browser took %s: %t", name, ok)
			}
		}
		if _, ok := jar["__Host-Http-d"]; !ok {
			t.Error("the browser refused __Host-Http-d, which keeps every rule")
		}
	})
}

// Off: a name without prefix is planted by a sibling, and shadowed: with a
// longer Path the sibling's comes first. G8: of several cookies of our name the
// only one that is genuine and whose session lives counts; none, if two do.
func TestTipPrefixOff(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{Name: "sid"})
		_, _, attacker := s.copycat("/login", nil)
		b := e.newTab(t)
		b.open(raw(s.sub+"/set", "sid="+attacker["sid"]+"; Domain=app.test; Path=/; Secure; HttpOnly"))
		b.open(s.app + "/look") // a login as the attacker, which only the prefix stops
		b.shows(s.app+"/look", "alice")

		b = e.newTab(t)
		b.login(s)
		b.open(raw(s.sub+"/set", "sid=evil; Domain=app.test; Path=/look; Secure; HttpOnly"))
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "alice")
		visits := s.seen("app.test", "/look")
		if got := visits[len(visits)-1].header.Get("Cookie"); !strings.HasPrefix(got, "sid=evil; ") || strings.Count(got, "sid=") != 2 {
			t.Errorf("came %q, want the sibling's first", got)
		}
		b.open(raw(s.sub+"/set", "sid="+attacker["sid"]+"; Domain=app.test; Path=/look; Secure; HttpOnly"))
		b.open(s.app + "/look") // logged out, and not somebody else
		b.shows(s.app+"/look", "")
		if s.events.Count(coatcheck.Refused) == 0 {
			t.Error("no event says that more than one session lives")
		}
	})
}

// G6: What cannot work (… 4,097 bytes …) is an error at construction or at
// `Set`: our limit is the browser's.
func TestSize(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		const name = "size"
		of := func(n int) string { return strings.Repeat("x", n-len(name)) }
		c := cookie.New[string](name, cookie.Policy{})
		b.open(s.app + "/blank")
		set := func(line string) string {
			b.drop(s.app, name)
			b.fetched("GET", s.app+raw("/raw", line))
			return b.cookies(s.app)[name].Value
		}
		if got := set(name + "=" + of(4096) + "; Path=/; Secure"); got != of(4096) {
			t.Errorf("4096 bytes: the browser keeps %d, want all", len(got)+len(name))
		}
		if got := set(name + "=" + of(4097) + "; Path=/; Secure"); (got == "") != e.limits {
			t.Errorf("4097 bytes: the browser keeps %d", len(got)+len(name))
		} else {
			e.saw(t, "a cookie of 4,097 bytes", map[bool]string{true: "is dropped", false: "is kept"}[got == ""])
		}
		if got := set(line(t, c, of(4096))); got != of(4096) {
			t.Errorf("4096 bytes by Set: the browser keeps %d, want all", len(got)+len(name))
		}
		w := httptest.NewRecorder()
		if err := c.Set(w, of(4097)); err == nil || len(w.Header()) > 0 {
			t.Errorf("4097 bytes by Set: got %v and %d headers, want an error and none", err, len(w.Header()))
		}
	})
}

// Jar overflow (RFC 6265bis §8.6): absence is no error and no logout. The
// session is still in the store.
func TestEviction(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		b.login(s)
		for i := range 6 {
			var lines []string
			for j := range 40 {
				lines = append(lines, fmt.Sprintf("c%d=x; Domain=app.test; Path=/; Secure", i*40+j))
			}
			b.open(raw(s.sub+"/set", lines...))
		}
		jar := b.cookies(s.app)
		_, sid := jar[sidName]
		_, marker := jar[markName]
		t.Logf("seen: of 240 cookies %d are left, session cookie %t, marker %t", len(jar), sid, marker)
		e.saw(t, "240 cookies of a sibling host", map[bool]string{true: "are kept beside ours", false: fmt.Sprintf("push ours out; %d are left", len(jar))}[sid])
		if !e.limits {
			if !sid || len(jar) != 242 {
				t.Errorf("of 240 cookies and ours %d are left, ours: %t; want all", len(jar), sid)
			}
			return
		}
		if sid {
			t.Fatal("the session cookie was not evicted: this test proves nothing")
		}
		for path, status := range map[string]int{"/look": 200, "/private": 401, "/set": 200} {
			b.open(s.app + path)
			visits := s.await(path, 1)
			if v := visits[len(visits)-1]; v.status != status || v.user != "" {
				t.Errorf("%s: got %d as %q, want %d as nobody", path, v.status, v.user, status)
			}
		}
		if s.live() != 1 {
			t.Errorf("alice has %d sessions in the store, want 1", s.live())
		}
		b.login(s) // and can log in again
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "alice")
	})
}

// G1: Requests of one live session that run at once all keep what they wrote.
// G2: Logout … wins over everything in flight. Here the two are two tabs.
func TestTwoTabs(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		a := e.newTab(t)
		a.login(s)
		b := a.another()
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "alice")
		const each = 15
		script := fmt.Sprintf("Promise.all(Array.from({length: %d}, () => fetch('/count', {method: 'POST'}).then(r => r.text().then(() => r.status)))).then(all => all.every(s => s == 200))", each)
		done := make(chan error, 2)
		for _, tab := range []*tab{a, b} {
			go func() {
				ok, err := try[bool](tab, patience, script)
				if err == nil && !ok {
					err = fmt.Errorf("a request failed")
				}
				done <- err
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		b.open(s.app + "/look")
		if got := eval[string](b, "document.querySelector('#app').dataset.hits"); got != fmt.Sprint(2*each) {
			t.Errorf("got %s hits, want %d", got, 2*each)
		}

		// A new login in one tab gives both the new token.
		a.login(s)
		if status := b.fetched("GET", s.app+"/private"); status != 200 {
			t.Errorf("the other tab after a new login: got %d, want 200", status)
		}
		a.fetched("POST", s.app+"/logout")
		if status := b.fetched("GET", s.app+"/private"); status != 401 {
			t.Errorf("the other tab after the logout: got %d, want 401", status)
		}
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "")
		if jar := b.cookies(s.app); len(jar) != 0 {
			t.Errorf("after the logout the jar has %v, want nothing", jar)
		}
	})
}

func shownAgain(shown bool) string {
	if shown {
		return "is shown again"
	}
	return "is asked for again"
}

// Over plain HTTP, which only http://localhost is for, browsers may keep pages
// that say no-store. Clear-Site-Data empties what they keep.
func TestBackAfterLogoutOverHTTP(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		for _, keep := range []bool{false, true} {
			s := serve(t, coatcheck.Config{KeepSiteData: keep, Cookie: cookie.Policy{AllowInsecureHTTP: true}})
			b := e.newTab(t)
			b.open(s.local + "/look")
			b.fetched("POST", s.local+"/login")
			b.open(s.local + "/private")
			b.shows(s.local+"/private", "alice")
			b.open(s.local + "/blank?menu")
			if status := b.fetched("POST", s.local+"/logout"); status != 200 {
				t.Fatalf("logout: got %d", status)
			}
			b.back()
			b.until("location.pathname == '/private' && document.readyState != 'loading'")
			shown := eval[bool](b, "document.documentElement.outerHTML.includes('alice')")
			if shown && !keep {
				t.Error("back after a logout shows the private page, and the browser was asked to clear what it keeps")
			}
			e.saw(t, map[bool]string{false: "after a logout, over `http://localhost`", true: "the same with `KeepSiteData`"}[keep], shownAgain(shown))
			if status := b.fetched("GET", s.local+"/private"); status != http.StatusUnauthorized {
				t.Errorf("asked again: got %d, want 401", status)
			}
		}
	})
}

// G12: Caches never hand sessions out: back after logout shows nothing private.
func TestBackAfterLogout(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		for _, c := range []struct {
			path string
			keep bool // Config.KeepSiteData
			kept bool // the browser shows the page again
		}{
			{"/private", false, false},
			{"/private", true, false},
			{"/kept", true, true}, // off: the handler said that the browser may keep it
		} {
			t.Run(fmt.Sprintf("%s,KeepSiteData=%t", c.path[1:], c.keep), func(t *testing.T) {
				t.Parallel()
				s := serve(t, coatcheck.Config{KeepSiteData: c.keep})
				b := e.newTab(t)
				back := func() (html string, shown bool) {
					b.login(s)
					b.open(s.app + c.path)
					b.shows(s.app+c.path, "alice")
					b.open(s.app + "/blank?menu")
					if status := b.fetched("POST", s.app+"/logout"); status != 200 {
						t.Fatalf("logout: got %d", status)
					}
					eval[bool](b, "addEventListener('pagehide', () => {}), setTimeout(() => history.back()), true")
					b.until("location.pathname == '" + c.path + "' && document.readyState != 'loading'")
					html = eval[string](b, "document.documentElement.outerHTML")
					return html, strings.Contains(html, "alice")
				}
				html, shown := back()
				for tries := 1; c.kept && !shown && tries < 5; tries++ { // a browser need not keep what it may
					html, shown = back()
				}
				if shown != c.kept {
					t.Errorf("back after logout shows %.300q, private content want %t", html, c.kept)
				}
				if !c.kept {
					e.saw(t, "after a logout", shownAgain(false))
				}
			})
		}
	})
}

// What the library cannot promise: a session that ends without this browser
// being told leaves what the browser shows and keeps. Chromium takes a page out
// of its back/forward cache when a cookie changes, and here none does.
func TestBackAfterRevoke(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		b.login(s)
		b.open(s.app + "/private")
		b.shows(s.app+"/private", "alice")
		b.open(s.app + "/blank?menu")
		if n, err := s.m.RevokeAll(context.Background(), "alice"); n != 1 || err != nil {
			t.Fatalf("RevokeAll: %d, %v", n, err)
		}
		eval[bool](b, "setTimeout(() => history.back()), true")
		b.until("location.pathname == '/private' && document.readyState != 'loading'")
		e.saw(t, "after `RevokeAll` from elsewhere", shownAgain(eval[bool](b, "document.documentElement.outerHTML.includes('alice')")))
		if status := b.fetched("GET", s.app+"/private"); status != http.StatusUnauthorized {
			t.Errorf("asked again: got %d, want 401", status)
		}
	})
}
