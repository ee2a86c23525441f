package dbsc_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/binding"
	"github.com/coatcheck/coatcheck/internal/device"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/memstore"
)

// racing sends the refresh of a bound device, or the registration of another, while
// what meanwhile does happens between its load and its commit.
func racing(t *testing.T, registers bool, meanwhile func(*app, *device.Device)) int {
	t.Helper()
	st := &breakable{Store: memstore.New(memstore.Config{})}
	a := newApp(t, options{store: st})
	d := device.New(t, a, nil)
	offer := d.Do("POST", "/login").Header().Get("Secure-Session-Registration")
	d.Key = device.NewECKey(t)
	if !registers {
		d.Register(offer)
		a.status(t, d, "GET", "/account", http.StatusOK)
		time.Sleep(9 * time.Minute)
	}
	far := newApp(t, options{store: st.Store})
	other := d.Thief() // the browser's other tab, in fact
	other.Handler = far
	f := func() { meanwhile(far, other) }
	st.before.Store(&f)
	if registers {
		return d.Register(offer).Code
	}
	return d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID, "Secure-Session-Response", device.Refreshing(d.Key, d.Challenge)).Code
}

// A session whose token is replaced while a refresh or registration is under way
// is not over: 401 would unbind the browser for good, with 503 it tries again. One
// that has ended meanwhile is.
func TestRaces(t *testing.T) {
	t.Parallel()
	renews := func(a *app, other *device.Device) { a.status(t, other, "POST", "/renew", http.StatusOK) }
	revokes := func(a *app, _ *device.Device) {
		if n, err := a.m.RevokeAll(context.Background(), "alice"); n != 1 || err != nil {
			t.Error(n, err)
		}
	}
	for name, c := range map[string]struct {
		registers bool
		meanwhile func(*app, *device.Device)
		want      int
	}{
		"refresh beside a renewal":         {false, renews, http.StatusServiceUnavailable},
		"registration beside a renewal":    {true, renews, http.StatusServiceUnavailable},
		"refresh beside a revocation":      {false, revokes, http.StatusUnauthorized},
		"registration beside a revocation": {true, revokes, http.StatusUnauthorized},
	} {
		synctest.Test(t, func(t *testing.T) {
			if got := racing(t, c.registers, c.meanwhile); got != c.want {
				t.Errorf("%s: %d, want %d", name, got, c.want)
			}
		})
	}
}

// Where this request cannot tell what became of the session, nothing is said of the
// binding: the cookie was withheld, was replaced just now, stands twice, its entry is
// of another version, or the server is being stopped.
func TestNothingIsKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d, other := a.boundDevice(t), a.boundDevice(t)
		proof := func(headers ...string) []string {
			return append(headers, "Sec-Secure-Session-Id", d.ID, "Secure-Session-Response", device.Refreshing(d.Key, d.Challenge))
		}
		want := func(name string, d *device.Device, path string, status int, headers ...string) {
			t.Helper()
			if w := d.Raw("POST", path, headers...); w.Code != status || (status == http.StatusServiceUnavailable) != (w.Header().Get("Retry-After") != "") {
				t.Errorf("%s: %d %q, want %d", name, w.Code, w.Header(), status)
			}
		}
		withheld := *d
		withheld.Jar = map[string]device.Kept{"__Host-Http-sid-lax": d.Jar["__Host-Http-sid-lax"]}
		for _, path := range []string{"/dbsc/refresh", "/dbsc/register"} {
			want("withheld", &withheld, path, http.StatusServiceUnavailable, proof("Sec-Fetch-Site", "none")...)
			want("stands twice", d, path, http.StatusServiceUnavailable, proof("Cookie", sidName+"="+other.CookieValue(sidName))...)
		}
		want("without id", d, "/dbsc/refresh", http.StatusOK, "Secure-Session-Response", device.Refreshing(d.Key, d.Challenge))
		before := *d
		before.Jar = d.Thief().Jar
		a.status(t, d, "POST", "/renew", http.StatusOK)
		want("replaced", &before, "/dbsc/register", http.StatusServiceUnavailable, proof()...)
		time.Sleep(2 * time.Minute) // and forgotten
		want("gone", &before, "/dbsc/refresh", http.StatusUnauthorized, proof()...)
	})
}

// An entry that another version of the application has written is not over.
func TestEntryOfAnotherVersion(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	a := newApp(t, options{store: st})
	d := a.boundDevice(t)
	for rec := range st.All(t.Context()) {
		h, err := record.Open(rec.Data)
		if err != nil {
			t.Fatal(err)
		}
		was := rec.Version
		rec.Version++
		rec.Data, _ = record.Encode(h, []record.Entry{{Name: record.Bound, Raw: []byte(`"` + strings.Repeat("A", 200) + `"`)}}, time.Now().UnixMilli())
		if _, ok := binding.Decode(record.Find(h.Entries, record.Bound).Raw); !ok {
			t.Fatal("the session is not bound")
		}
		if err := st.Update(t.Context(), rec, was); err != nil {
			t.Fatal(err)
		}
	}
	w := d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID, "Secure-Session-Response", device.Refreshing(d.Key, d.Challenge))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", w.Code)
	}
	a.status(t, d, "GET", "/account", http.StatusUnauthorized)
	a.status(t, d, "POST", "/login", http.StatusOK)
	if n := a.count(coatcheck.Bound, ""); n != 2 {
		t.Errorf("bound %d times, want 2", n)
	}
}

// A server that is being stopped cancels its requests: 408, which others get, would
// end the binding.
func TestStoppedServer(t *testing.T) {
	t.Parallel()
	st := &breakable{Store: memstore.New(memstore.Config{})}
	a := newApp(t, options{store: st})
	d := a.boundDevice(t)
	handler := d.Handler
	d.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		st.loads.Store(true)
		handler.ServeHTTP(w, r.WithContext(ctx))
	})
	w := d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID, "Secure-Session-Response", device.Refreshing(d.Key, d.Challenge))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", w.Code)
	}
}

// A refresh of a binding that another registration replaces meanwhile gives out no
// cookie for it: nothing would ever be served with that.
func TestBoundAnewMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &breakable{Store: memstore.New(memstore.Config{})}
		a, far := newApp(t, options{store: st}), newApp(t, options{store: st.Store})
		d := device.New(t, a, nil)
		offer := d.Do("POST", "/login").Header().Get("Secure-Session-Registration")
		d.Key = device.NewECKey(t)
		d.Register(offer)
		other := d.Thief()
		other.Handler, other.Key = far, device.NewECKey(t)
		f := func() {
			if w := other.Register(offer); w.Code != http.StatusOK {
				t.Errorf("registration: %d", w.Code)
			}
		}
		st.before.Store(&f)
		w := d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID, "Secure-Session-Response", device.Refreshing(d.Key, d.Challenge))
		if w.Code != http.StatusUnauthorized || len(w.Result().Cookies()) > 0 {
			t.Errorf("%d %q, want 401 and no cookie", w.Code, w.Header())
		}
		a.status(t, other, "GET", "/account", http.StatusOK)
	})
}
