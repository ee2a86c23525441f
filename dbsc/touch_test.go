package dbsc_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/device"
	"github.com/coatcheck/coatcheck/memstore"
)

// A session is kept from idling out by visits, and by nothing that has not proven
// the device: not by a copy of its cookie, whatever it asks for, nor by registrations
// and refreshes, genuine ones included, which a browser makes with a visit.
func TestNoVisit(t *testing.T) {
	t.Parallel()
	for name, visit := range map[string]func(owner, thief *device.Device){
		"a copy at a page":            func(_, thief *device.Device) { thief.Do("GET", "/read") },
		"a copy that says it cannot":  func(_, thief *device.Device) { thief.Do("GET", "/read", "Secure-Session-Skipped", "unreachable") },
		"a copy at a step-up":         func(_, thief *device.Device) { thief.Do("GET", "/transfer") },
		"a copy at the refresh":       func(owner, thief *device.Device) { thief.Raw("POST", owner.Refresh, "Sec-Secure-Session-Id", owner.ID) },
		"a copy with another binding": func(_, thief *device.Device) { thief.Raw("POST", "/dbsc/refresh", "Sec-Secure-Session-Id", "x") },
		"a copy at the registration":  func(_, thief *device.Device) { thief.Raw("POST", "/dbsc/register") },
		"the owner's refresh": func(owner, _ *device.Device) {
			delete(owner.Jar, boundName)
			if reason := owner.Prove(); reason != "" || owner.CookieValue(boundName) == "" {
				t.Errorf("no refresh: %q", reason)
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(t, options{})
			d := a.boundDevice(t)
			thief := d.Thief()
			delete(thief.Jar, boundName)
			seen := a.sessions(t)[0].LastSeen
			time.Sleep(time.Minute) // not on its way any more
			for range 7 {
				visit(d, thief)
				time.Sleep(4 * time.Minute)
			}
			if infos := a.sessions(t); len(infos) != 1 || !infos[0].LastSeen.Equal(seen) {
				t.Fatalf("%s is a visit: %+v", name, infos)
			}
			time.Sleep(5 * time.Minute) // 34 minutes: the idle time and a tenth
			if n := len(a.sessions(t)); n != 0 {
				t.Errorf("%s kept the session", name)
			}
		})
	}
}

// That a browser has brought its bound cookie is noted as a touch is: no answer
// depends on it, whatever the store does, it is no visit, and it is stored with the
// request's own change where there is one.
func TestNoted(t *testing.T) {
	t.Parallel()
	type bench struct {
		a   *app
		far *app
		st  *breakable
		d   *device.Device
	}
	registered := func(t *testing.T) bench {
		b := bench{st: &breakable{Store: memstore.New(memstore.Config{})}}
		b.a, b.far = newApp(t, options{store: b.st}), newApp(t, options{store: b.st.Store})
		b.d = device.New(t, b.a, device.NewECKey(t))
		b.a.status(t, b.d, "POST", "/login", http.StatusOK)
		time.Sleep(time.Minute)
		return b
	}
	// proven is whether the session cookie alone opens nothing, after the grace.
	proven := func(b bench) bool {
		time.Sleep(time.Minute)
		alone := b.d.Thief()
		delete(alone.Jar, boundName)
		return alone.Do("GET", "/account").Code == http.StatusUnauthorized
	}
	for name, c := range map[string]struct {
		method, path string
		meanwhile    func(t *testing.T, b bench)
		want         bool
		calls        int64
		failure      coatcheck.Kind
	}{
		"alone":         {"GET", "/account", nil, true, 2, ""},
		"with a change": {"POST", "/write", nil, true, 2, ""},
		"a renewal":     {"POST", "/renew", nil, true, 1, ""}, // Replace is not counted
		"beside another's change": {"GET", "/account", func(t *testing.T, b bench) {
			other := *b.d
			other.Handler = b.far
			b.far.status(t, &other, "POST", "/write", http.StatusOK) // which notes it too
		}, true, 2, ""},
		"beside its end": {"GET", "/account", func(t *testing.T, b bench) {
			if _, err := b.far.m.RevokeAll(t.Context(), "alice"); err != nil {
				t.Error(err)
			}
		}, true, 2, coatcheck.WriteEnded},
		"a store that fails": {"GET", "/account", func(_ *testing.T, b bench) { b.st.updates.Store(true) }, false, 3, coatcheck.StoreError},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := registered(t)
			seen := b.a.sessions(t)[0].LastSeen
			if c.meanwhile != nil {
				f := func() { c.meanwhile(t, b) }
				b.st.before.Store(&f)
			}
			before := b.st.calls.Load()
			b.a.status(t, b.d, c.method, c.path, http.StatusOK)
			if n := b.st.calls.Load() - before; n > c.calls {
				t.Errorf("%s: %d calls, want at most %d", name, n, c.calls)
			}
			if infos := b.a.sessions(t); c.method == "GET" && len(infos) == 1 && c.meanwhile == nil && !infos[0].LastSeen.Equal(seen) {
				t.Errorf("%s: a visit: %v, %v", name, infos[0].LastSeen, seen)
			}
			if c.failure != "" && b.a.count(c.failure, "") != 1 {
				t.Errorf("%s: no event %s:\n%s", name, c.failure, b.a.dump())
			}
			b.st.updates.Store(false)
			if got := proven(b); got != c.want {
				t.Errorf("%s: noted: %t, want %t", name, got, c.want)
			}
		})
	}
}
