package dbsc_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/internal/device"
	"github.com/coatcheck/coatcheck/memstore"
)

// A browser that has lost its key is let in again, whatever the limit: the session
// that it cannot show any more gives up its place, and no other does (G11).
func TestLostKeyHasItsPlace(t *testing.T) {
	t.Parallel()
	for _, limit := range []coatcheck.Limit{coatcheck.Refuse, coatcheck.EndOldest} {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(t, options{cfg: coatcheck.Config{MaxPerUser: 2, AtLimit: limit}})
			other := a.boundDevice(t) // the oldest, which nothing is wrong with
			time.Sleep(time.Minute)
			d := a.boundDevice(t)
			d.ID = ""
			delete(d.Jar, boundName)
			time.Sleep(time.Minute)
			a.status(t, d, "GET", "/account", http.StatusUnauthorized)
			a.status(t, d, "POST", "/login", http.StatusOK)
			a.status(t, d, "GET", "/account", http.StatusOK)
			a.status(t, other, "GET", "/account", http.StatusOK)
			list, err := a.m.Sessions(context.Background(), "alice")
			if err != nil || len(list) != 2 || a.count(coatcheck.Revoked, "") != 0 {
				t.Errorf("limit %d: %d sessions, %v:\n%s", limit, len(list), err, a.dump())
			}
			if limit == coatcheck.Refuse { // and nobody else has gained a place
				a.status(t, device.New(t, a, nil), "POST", "/login", http.StatusConflict)
			}
		})
	}
}

// The place is that of one's own session: somebody else's login in that browser
// counts against their own limit alone.
func TestLostKeyOfAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{cfg: coatcheck.Config{MaxPerUser: 1, AtLimit: coatcheck.Refuse}})
		a.status(t, device.New(t, a, nil), "POST", "/bob", http.StatusOK)
		d := a.boundDevice(t)
		delete(d.Jar, boundName)
		time.Sleep(time.Minute)
		d.ID = ""
		a.status(t, d, "POST", "/bob", http.StatusConflict)
		a.status(t, d, "POST", "/login", http.StatusOK)
	})
}

// A bound cookie that serves no more is taken from the browser: by an answer that
// sets or clears the session's cookie, and by one to a request of a bound session
// that the cookie does not prove. Never where the session is over (G2), where the
// store is away (G5), or by what leaves nothing behind (G4, G14).
func TestBoundCookieIsTakenAway(t *testing.T) {
	t.Parallel()
	type world struct {
		*app
		store *breakable
		owner *device.Device
	}
	jar := func(value func(w world) string) func(world) {
		return func(w world) { w.owner.Jar[boundName] = device.Kept{Value: value(w)} }
	}
	another := jar(func(w world) string { return w.boundDevice(t).CookieValue(boundName) })
	revoked := func(w world) { w.m.RevokeAll(context.Background(), "alice") }
	visitor := func(w world) { delete(w.owner.Jar, sidName); delete(w.owner.Jar, sidName+"-lax") }
	for name, c := range map[string]struct {
		before       func(world)
		method, path string
		headers      []string
		gone         bool
	}{
		"login again":                {nil, "POST", "/login", nil, true},
		"login as another":           {nil, "POST", "/bob", nil, true},
		"logout":                     {nil, "POST", "/logout", nil, true},
		"renewal":                    {nil, "POST", "/renew", nil, false},
		"a page":                     {nil, "GET", "/account", nil, false},
		"a visitor's first value":    {visitor, "POST", "/write", nil, true},
		"a visitor's page":           {visitor, "GET", "/read", nil, false},
		"a page after a revocation":  {revoked, "GET", "/account", nil, false},
		"a write after a revocation": {revoked, "POST", "/write", nil, false},
		"login after a revocation":   {revoked, "POST", "/bob", nil, true},
		"another binding's":          {another, "GET", "/read", nil, true},
		"another binding's, refused": {another, "GET", "/account", nil, true},
		"another binding's, written": {another, "POST", "/write", nil, true},
		"another binding's, a HEAD":  {another, "HEAD", "/read", nil, false},
		"another binding's, ahead":   {another, "GET", "/read", []string{"Sec-Purpose", "prefetch"}, false},
		"another's, and no proof":    {another, "GET", "/account", []string{"Secure-Session-Skipped", "server_error"}, true},
		"altered":                    {jar(func(world) string { return strings.Repeat("A", 48) }), "GET", "/read", nil, true},
		"past its life": {func(w world) {
			w.owner.Jar = elsewhere(w.owner, far).Jar
			time.Sleep(11 * time.Minute)
		}, "GET", "/read", nil, true},
		"the store is away": {func(w world) { another(w); w.store.loads.Store(true) }, "GET", "/account", nil, false},
		"too late":          {another, "GET", "/slow", nil, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := world{store: &breakable{Store: memstore.New(memstore.Config{})}}
			w.app = newApp(t, options{store: w.store, around: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/slow" {
						_ = w.m.From(r.Context()).User()
						time.Sleep(51 * time.Second)
					}
					next.ServeHTTP(rw, r)
				})
			}})
			w.owner = w.boundDevice(t)
			time.Sleep(time.Minute)
			if c.before != nil {
				c.before(w)
			}
			old := w.owner.CookieValue(boundName)
			answer := w.owner.Raw(c.method, c.path, c.headers...)
			if gone := w.owner.CookieValue(boundName) == ""; old == "" || gone != c.gone {
				t.Errorf("%s: gone %t, want %t: %d %q\n%s", name, gone, c.gone, answer.Code, answer.Header(), w.dump())
			}
			if c.gone && answer.Header().Get("Cache-Control") != "no-store" { // G12
				t.Errorf("%s: %q", name, answer.Header())
			}
		})
	}
}

// An answer to another tab's refresh may come after a login has bound anew, and put
// the former binding's cookie in place of the new one. The browser, which sees a
// cookie of the name, proves nothing; it does once that is gone.
func TestFormerCookieComesLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := a.boundDevice(t)
		former := d.Jar[boundName]
		a.status(t, d, "POST", "/login", http.StatusOK)
		a.status(t, d, "GET", "/account", http.StatusOK)
		for n, want := range []int{http.StatusOK, http.StatusUnauthorized} { // within the time of those on their way, and after it
			d.Jar[boundName] = former
			a.status(t, d, "GET", "/account", want)
			a.status(t, d, "GET", "/account", http.StatusOK)
			if got := a.count(coatcheck.Refreshed, ""); got != n+1 {
				t.Errorf("%d refreshes, want %d:\n%s", got, n+1, a.dump())
			}
			time.Sleep(time.Minute)
		}
	})
}

// Managers of one host, for customers and for staff, bind by themselves: with another
// name of the cookie and another path, also where one answer logs in at both.
func TestTwoManagersInOneAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		customers := newApp(t, options{})
		staff := newApp(t, options{keys: secrets[1:], cfg: coatcheck.Config{Name: "__Host-Http-staff"}, dbsc: dbsc.Config{Path: "/staff/dbsc/"}})
		mux := http.NewServeMux()
		mux.HandleFunc("/both", func(_ http.ResponseWriter, r *http.Request) {
			customers.m.From(r.Context()).Login("alice")
			staff.m.From(r.Context()).Login("bob")
		})
		mux.Handle("/dbsc/", customers.bound)
		mux.Handle("/staff/dbsc/", staff.bound)
		who := func(m *coatcheck.Manager) http.Handler {
			return m.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, m.From(r.Context()).User()) }))
		}
		mux.Handle("/account", who(customers.m))
		mux.Handle("/staff/", who(staff.m))
		d := device.New(t, customers.m.Handler(staff.m.Handler(mux)), device.NewECKey(t))
		offers := d.Raw("POST", "/both").Header()["Secure-Session-Registration"]
		if len(offers) != 2 {
			t.Fatalf("offers %q, want two", offers)
		}
		d.Register(offers[0])
		other := *d // the browser has both in one jar
		other.Register(offers[1])
		for range 3 {
			for _, c := range []struct {
				d    *device.Device
				path string
			}{{d, "/staff/"}, {&other, "/account"}} {
				if w := c.d.Do("GET", c.path); w.Code != http.StatusOK {
					t.Errorf("%s: %d %q\n%s%s", c.path, w.Code, w.Body, customers.dump(), staff.dump())
				}
			}
			time.Sleep(11 * time.Minute)
		}
		if n, m := customers.count(coatcheck.Refreshed, ""), staff.count(coatcheck.Refreshed, ""); n != 2 || m != 2 {
			t.Errorf("%d refreshes and %d, want 2 each", n, m)
		}
	})
}

// Without dbsc over the same store the session cookie alone is enough, a thief's as
// well; with it again, who was bound is bound.
func TestTurnedOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New(memstore.Config{})
		a := newApp(t, options{store: st})
		d := a.boundDevice(t)
		keys, err := cookie.NewKeys(secrets[0])
		if err != nil {
			t.Fatal(err)
		}
		m, err := coatcheck.New(st, keys, coatcheck.Config{})
		if err != nil {
			t.Fatal(err)
		}
		off := m.Handler(m.RequireLogin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		time.Sleep(11 * time.Minute)
		for _, c := range []*device.Device{d.Thief(), d} {
			c.Handler = off
			if w := c.Raw("GET", "/account"); w.Code != http.StatusOK {
				t.Errorf("off: %d", w.Code)
			}
		}
		d.Handler = a
		if w := d.Raw("GET", "/account"); w.Code != http.StatusUnauthorized {
			t.Errorf("on again, without its bound cookie: %d", w.Code)
		}
		a.status(t, d, "GET", "/account", http.StatusOK)
	})
}

// A process alone meets no other: what it has written of a session's proof is no
// conflict for its next commit, and costs no further call (G1).
func TestNoConflictWithOneself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &breakable{Store: memstore.New(memstore.Config{})}
		a := newApp(t, options{store: st})
		d := a.boundDevice(t)
		for range 3 {
			time.Sleep(11 * time.Minute)
			before := st.calls.Load()
			a.status(t, d, "GET", "/account", http.StatusOK)
			if n := st.calls.Load() - before; n != 3 { // the refresh loads and writes, the page loads
				t.Errorf("%d calls, want 3", n)
			}
		}
		if n := a.count(coatcheck.Conflict, ""); n != 0 {
			t.Errorf("%d conflicts:\n%s", n, a.dump())
		}
	})
}
