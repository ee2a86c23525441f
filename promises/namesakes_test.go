package promises_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// ask sends a request with this Cookie line.
func ask(h http.Handler, method, path, line string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Cookie", line)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// both are the lines with a before b and b before a: which comes first is the
// browser's to say.
func both(name, a, b string) []string {
	return []string{name + "=" + a + "; " + name + "=" + b, name + "=" + b + "; x=y; " + name + "=" + a}
}

// G8: Of several cookies of our name the only one that is genuine and whose
// session lives counts, of at most four looked at; none, if two are. T5. One load
// where one is genuine, else one for each.
func TestG8Namesakes(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{Events: l.Record})
	h := only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { io.WriteString(w, s.User()) })
	token := func(user string) string {
		b := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Login(user) }))
		b.Send("POST", "/")
		return b.Cookies()[sidName]
	}
	gone := func() string { // a session that was logged out
		b := begin(t, m, life(m))
		old := b.Cookies()[sidName]
		b.Send("POST", "/logout")
		return old
	}
	foreign, err := cookie.NewKeys("Zx5-another-secret-of-43-characters-k3W9pQ7")
	if err != nil {
		t.Fatal(err)
	}
	staging, err := coatcheck.New(memstore.New(memstore.Config{}), foreign, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	theirs := begin(t, staging, nil).Cookies()[sidName]
	elsewhere := begin(t, manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}), nil).Cookies()[sidName] // our keys, another store
	alice, mallory, ended := token("alice"), token("mallory"), gone()
	const several = "session cookie: several of the name, "
	for _, c := range []struct {
		name  string
		lines []string
		user  string
		loads int
		why   string // of the event Refused
	}{
		{"junk", both(sidName, alice, "x"), "alice", 1, ""},
		{"nothing", both(sidName, alice, ""), "alice", 1, ""},
		{"a quoted one", both(sidName, alice, `"`+mallory+`"`), "alice", 1, ""},
		{"a huge one", both(sidName, alice, strings.Repeat("A", 5000)), "alice", 1, ""},
		{"other keys: production beside staging", both(sidName, alice, theirs), "alice", 1, ""},
		{"the same", both(sidName, alice, alice), "alice", 1, ""},
		{"one that was logged out", both(sidName, alice, ended), "alice", 2, ""},
		{"one of another store", both(sidName, alice, elsewhere), "alice", 2, ""},
		{"another that lives", both(sidName, alice, mallory), "", 2, several + "more than one session lives"},
		{"three, one of each", both(sidName, alice, ended+"; "+sidName+"="+theirs), "alice", 2, ""},
		{"four, two dead", both(sidName, alice+"; "+sidName+"="+elsewhere, ended+"; "+sidName+"=x"), "alice", 3, ""},
		{"two dead", both(sidName, ended, elsewhere), "", 2, ""},
		{"two of others", both(sidName, theirs, "x"), "", 0, several + "none genuine"},
		{"five", both(sidName, alice+strings.Repeat("; "+sidName+"=x", 3), "y"), "", 0, "session cookie: more of the name than are looked at"},
	} {
		for _, line := range c.lines {
			l.Reset()
			before, loads := store.count(""), store.count("Load")
			w := ask(h, "GET", "/", line)
			if w.Code != 200 || w.Body.String() != c.user {
				t.Errorf("%s: got %d %q, want %q", c.name, w.Code, w.Body, c.user)
			}
			bare(t, w)
			if n := store.count("Load") - loads; n != c.loads || store.count("")-before != n {
				t.Errorf("%s: %d loads of %d calls, want %d alone", c.name, n, store.count("")-before, c.loads)
			}
			var why string
			for _, e := range l.All() {
				if e.Kind == coatcheck.Refused {
					why += e.Reason
				}
			}
			if why != c.why {
				t.Errorf("%s: refused for %q, want %q", c.name, why, c.why)
			}
		}
	}
}

// G8: what does not count takes nothing away: a login beside a foreign cookie
// works, values are kept, a logout ends the session. G2: while a tombstone stands
// nothing but a login goes on, whatever stands beside it.
func TestG8NamesakesLive(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	h := life(m)
	for _, other := range []string{"x", strings.Repeat("A", 52), ""} {
		w := ask(h, "POST", "/login", sidName+"="+other+"; "+sidName+"="+other)
		mine := cookieOf(w, sidName)
		if w.Code != 200 || len(mine) != 52 {
			t.Fatalf("login beside %q: got %d and %q", other, w.Code, w.Header()["Set-Cookie"])
		}
		for _, line := range both(sidName, mine, other) {
			for range 2 {
				if w := ask(h, "POST", "/count", line); w.Code != 200 {
					t.Errorf("beside %q: got %d", other, w.Code)
				}
			}
		}
		alone := newBrowser(h)
		alone.SetCookie(sidName, mine)
		if user, n := stored(m, alone); user != "alice" || n != 4 {
			t.Errorf("beside %q: %q with %d counts, want alice with 4", other, user, n)
		}
		line := both(sidName, mine, other)[0]
		if w := ask(h, "POST", "/logout", line); w.Code != 200 || !strings.Contains(strings.Join(w.Header()["Set-Cookie"], "\n"), sidName+"=; Max-Age=0") {
			t.Errorf("logout beside %q: got %d and %q", other, w.Code, w.Header()["Set-Cookie"])
		}
		if w := ask(h, "POST", "/count", line); w.Code != 409 {
			t.Errorf("a write after the logout, beside %q: got %d, want 409", other, w.Code)
		}
		if user, _ := stored(m, alone); user != "" {
			t.Errorf("beside %q: %q is still logged in after the logout", other, user)
		}
		elsewhere := begin(t, manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}), nil).Cookies()[sidName]
		for _, line := range both(sidName, mine, elsewhere) {
			if w := ask(h, "POST", "/count", line); w.Code != 409 {
				t.Errorf("a write with an ended and an unknown session: got %d, want 409", w.Code)
			}
		}
	}
}

// cookieOf is the value that an answer sets last, "" where it sets none.
func cookieOf(w *httptest.ResponseRecorder, name string) (value string) {
	for _, c := range w.Result().Cookies() {
		if c.Name == name {
			value = c.Value
		}
	}
	return value
}

// G8: none, if two live; and a logout then ends both, since one is the visitor's.
func TestG8NamesakesLogout(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	a, b := begin(t, m, life(m)), begin(t, m, life(m))
	line := both(sidName, a.Cookies()[sidName], b.Cookies()[sidName])[0]
	if w := ask(life(m), "POST", "/logout", line); w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
	list, err := m.Sessions(context.Background(), "alice")
	if err != nil || len(list) != 0 {
		t.Errorf("%d sessions are left (%v), want none", len(list), err)
	}
}

// G5: an outage never looks like "not logged in", also where only one of several
// could not be asked for.
func TestG8NamesakesOutage(t *testing.T) {
	t.Parallel()
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{})
	a, b := begin(t, m, life(m)), begin(t, m, life(m))
	for fails := range 2 {
		n := 0
		store.set(func(_ context.Context, method string) error {
			if n++; method == "Load" && n == fails+1 {
				return errors.New("away")
			}
			return nil
		}, nil)
		if w := ask(life(m), "GET", "/look", both(sidName, a.Cookies()[sidName], b.Cookies()[sidName])[0]); w.Code != 503 {
			t.Errorf("load %d fails: got %d, want 503", fails+1, w.Code)
		}
	}
}

// G8 heals a change of the policy: with the old cookie and the new one in the jar
// the new one counts, and the next login or logout deletes the old one where the
// policy can name its scope.
func TestG8NamesakesPolicy(t *testing.T) {
	t.Parallel()
	const host, path, domain = "; Path=/; Secure;", "; Path=/app; Secure;", "; Path=/; Domain=example.com; Secure;"
	for _, c := range []struct {
		name   string
		policy cookie.Policy
		cookie string
		others []string // the other scopes that it can name
	}{
		{"host alone", cookie.Policy{}, sidName, nil},
		{"a path", cookie.Policy{Path: "/app"}, "__Secure-sid", []string{host}},
		{"a domain", cookie.Policy{Domain: "example.com"}, "__Secure-sid", []string{host}},
		{"both", cookie.Policy{Domain: "example.com", Path: "/app"}, "__Secure-sid", []string{host, path, domain}},
	} {
		store := memstore.New(memstore.Config{})
		before := manage(t, store, coatcheck.Config{Name: c.cookie}) // the policy as it was
		h := life(manage(t, store, coatcheck.Config{Cookie: c.policy}))
		old := cookieOf(ask(life(before), "POST", "/login", "a=b"), c.cookie)
		w := ask(h, "POST", "/login", c.cookie+"="+old)
		if lines := w.Header()["Set-Cookie"]; len(lines) != 2 {
			t.Errorf("%s: a login beside no other sets %q, want two", c.name, lines)
		}
		mine := cookieOf(w, c.cookie)
		for _, line := range both(c.cookie, mine, old) {
			if w := ask(h, "POST", "/count", line); w.Code != 200 || w.Body.String() == "0" || len(w.Header()["Set-Cookie"]) > 0 {
				t.Errorf("%s: got %d %q and %q", c.name, w.Code, w.Body, w.Header()["Set-Cookie"])
			}
		}
		for _, path := range []string{"/login", "/logout"} {
			w := ask(h, "POST", path, both(c.cookie, mine, old)[0])
			lines := w.Header()["Set-Cookie"]
			if len(lines) != 2*len(c.others)+2 {
				t.Fatalf("%s, %s: got %q, want two, and two for each of %q", c.name, path, lines, c.others)
			}
			for _, name := range []string{c.cookie, c.cookie + "-lax"} {
				for _, scope := range c.others {
					if !slices.ContainsFunc(lines[:len(lines)-2], func(l string) bool {
						return strings.HasPrefix(l, name+"=; Max-Age=0; ") && strings.Contains(l, scope)
					}) {
						t.Errorf("%s, %s: %q does not delete %s%s", c.name, path, lines, name, scope)
					}
				}
			}
			// What the policy says itself comes last: to clients that do not
			// tell a host from its domain it is the same cookie.
			own := []string{c.cookie, c.cookie + "-lax"}
			if path == "/logout" {
				slices.Reverse(own)
			}
			for i, name := range own {
				if l := lines[len(lines)-2+i]; !strings.HasPrefix(l, name+"=") || strings.Contains(l, "Max-Age=0") != (path == "/logout") {
					t.Errorf("%s, %s: the last lines are %q", c.name, path, lines[len(lines)-2:])
				}
			}
			mine = cookieOf(w, c.cookie)
		}
	}
}

// G8, for sessions in their cookies: the same, and of two copies of one session
// the later counts.
func TestG8NamesakesInCookie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l coatchecktest.Events
		m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{Events: l.Record})
		if err != nil {
			t.Fatal(err)
		}
		h := life(m)
		b := newBrowser(h)
		b.Send("POST", "/login")
		first := b.Cookies()[sidName]
		time.Sleep(time.Minute)
		b.Send("POST", "/count")
		later := b.Cookies()[sidName]
		stranger := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Login("mallory") }))
		stranger.Send("POST", "/login")
		anonymous := newBrowser(h)
		anonymous.Send("POST", "/set")
		for _, c := range []struct {
			name, other string
			count       string
		}{
			{"an earlier copy", first, "1"}, {"junk", "x", "1"}, {"another's session", stranger.Cookies()[sidName], "0"}, {"a session of nobody", anonymous.Cookies()[sidName], "0"},
			{"another's, and an earlier copy", stranger.Cookies()[sidName] + "; " + sidName + "=" + first, "0"},
		} {
			for _, line := range both(sidName, later, c.other) {
				l.Reset()
				var user string
				var n int
				ask(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
					user = s.User()
					n, _ = hits.Get(s)
				}), "GET", "/", line)
				if (user == "alice") != (c.count == "1") || (n == 1) != (c.count == "1") || (l.Count(coatcheck.Refused) == 1) != (c.count == "0") {
					t.Errorf("%s: got %q with %d counts and the events %v", c.name, user, n, l.Kinds())
				}
			}
		}
	})
}

// inJar is what a browser brings to example.com: it keeps one cookie for each
// name and scope, which are those of the lines.
type inJar map[string]string

func (j inJar) keep(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		scope := c.Name + " " + c.Domain + " " + c.Path
		if c.MaxAge < 0 {
			delete(j, scope)
		} else {
			j[scope] = c.Name + "=" + c.Value
		}
	}
}

func (j inJar) do(h http.Handler, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Cookie", strings.Join(slices.Sorted(maps.Values(j)), "; "))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	j.keep(w)
	return w
}

// G8: the same heals a change of Domain or Path, also for sessions in their
// cookies, where the one that a login replaced lives on: the later of one user
// counts, whoever it is that changed the token.
func TestNamesakesInCookieAfterAChange(t *testing.T) {
	t.Parallel()
	policies := map[string]cookie.Policy{
		"host": {}, "domain": {Domain: "example.com"}, "path": {Path: "/app"}, "both": {Domain: "example.com", Path: "/app"},
	}
	for before, was := range policies {
		for after, is := range policies {
			if before == after {
				continue
			}
			for _, act := range []string{"/login", "/renew", "/again", "/remember"} {
				synctest.Test(t, func(t *testing.T) {
					manager := func(p cookie.Policy) *coatcheck.Manager {
						m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{Name: "sid9", Cookie: p})
						if err != nil {
							t.Fatal(err)
						}
						return m
					}
					jar := make(inJar)
					jar.do(life(manager(was)), "POST", "/login")
					time.Sleep(time.Minute)
					h := life(manager(is))
					if w := jar.do(h, "POST", act); w.Code != 200 {
						t.Fatalf("%s to %s, %s: got %d", before, after, act, w.Code)
					}
					if before == "host" && after == "domain" || after == "both" {
						if len(jar) != 2 {
							t.Errorf("%s to %s, after %s: the jar holds %v, want the other scopes deleted", before, after, act, slices.Sorted(maps.Keys(jar)))
						}
					}
					for range 2 {
						if w := jar.do(h, "POST", "/count"); w.Code != 200 || !strings.HasPrefix(w.Body.String(), "alice") {
							t.Errorf("%s to %s, after %s: got %d %q, want alice", before, after, act, w.Code, w.Body)
						}
					}
					if got := jar.do(h, "GET", "/look").Body.String(); got != "alice2" {
						t.Errorf("%s to %s, after %s: got %q, want alice with both counts", before, after, act, got)
					}
				})
			}
		}
	}
}

// G2, with Config.FormerCookies: a logout ends what a former Domain or Path left
// as well, which no program could name otherwise; each answer that sets or clears
// the session cookie deletes it. G6: what cannot work is an error.
func TestFormerCookies(t *testing.T) {
	t.Parallel()
	was := cookie.Policy{Domain: "example.com"}
	before := carriers(t, coatcheck.Config{Name: "sid9", Cookie: was})
	after := carriers(t, coatcheck.Config{Name: "sid9", FormerCookies: []cookie.Policy{was, {Path: "/app"}}})
	for kind, m := range after {
		jar := make(inJar)
		anonymous := make(inJar)
		jar.do(life(before[kind]), "POST", "/login")
		anonymous.do(life(before[kind]), "POST", "/set")
		for _, j := range []inJar{jar, anonymous} {
			if w := j.do(life(m), "POST", "/login"); w.Code != 200 || len(j) != 2 {
				t.Errorf("%s: login answers %d, the jar then holds %v", kind, w.Code, slices.Sorted(maps.Keys(j)))
			}
			if got := j.do(life(m), "GET", "/look").Body.String(); !strings.HasPrefix(got, "alice") {
				t.Errorf("%s: after the login %q, want alice", kind, got)
			}
		}
		jar = make(inJar)
		jar.do(life(before[kind]), "POST", "/login")
		if jar.do(life(m), "POST", "/logout"); len(jar) != 0 {
			t.Errorf("%s: after a logout the jar holds %v", kind, slices.Sorted(maps.Keys(jar)))
		}
	}
	for want, cfg := range map[string]coatcheck.Config{
		"Config.FormerCookies[1] has Domain and Path of": {FormerCookies: []cookie.Policy{{Path: "/app"}, {Path: "/"}}, Name: "sid9"},
		"Config.FormerCookies[0]: cookie":                {FormerCookies: []cookie.Policy{{Domain: "example.com"}}},
		"Config.FormerCookies has 5":                     {FormerCookies: make([]cookie.Policy, 5)},
	} {
		if _, err := coatcheck.New(memstore.New(memstore.Config{}), keys(t), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
