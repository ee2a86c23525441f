package dbsc_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/internal/device"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A breakable store fails when it is told to, and counts its calls.
type breakable struct {
	store.Store
	loads, updates atomic.Bool
	calls          atomic.Int64
	before         atomic.Pointer[func()] // the next Update, once
}

var errAway = errors.New("the store is away")

func (b *breakable) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if b.calls.Add(1); b.loads.Load() {
		return store.Record{}, errAway
	}
	return b.Store.Load(ctx, id)
}

func (b *breakable) Update(ctx context.Context, rec store.Record, was uint64) error {
	if f := b.before.Swap(nil); f != nil {
		(*f)()
	}
	if b.calls.Add(1); b.updates.Load() {
		return errAway
	}
	return b.Store.Update(ctx, rec, was)
}

// While the store is away the refresh is 503, whatever the application answers
// otherwise: the browser keeps its binding and goes on when the store is back.
func TestOutage(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]func(*breakable) *atomic.Bool{
		"loads":   func(b *breakable) *atomic.Bool { return &b.loads },
		"updates": func(b *breakable) *atomic.Bool { return &b.updates },
	} {
		synctest.Test(t, func(t *testing.T) {
			st := &breakable{Store: memstore.New(memstore.Config{})}
			a := newApp(t, options{store: st, cfg: coatcheck.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
				http.Redirect(w, r, "/login", http.StatusSeeOther) // which would end the binding for good
			}}})
			d := a.boundDevice(t)
			time.Sleep(12 * time.Minute)
			fails(st).Store(true)
			w := d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID, "Secure-Session-Response", device.Refreshing(d.Key, d.Challenge))
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || len(w.Result().Cookies()) > 0 {
				t.Errorf("%s fail: %d %q", name, w.Code, w.Header())
			}
			if w := d.Do("GET", "/account"); w.Code != http.StatusSeeOther || d.ID == "" {
				t.Errorf("%s fail: %d", name, w.Code)
			}
			fails(st).Store(false)
			a.status(t, d, "GET", "/account", http.StatusOK)
		})
	}
}

// A request of a bound session makes no further round trip: one load.
func TestNoFurtherCall(t *testing.T) {
	t.Parallel()
	st := &breakable{Store: memstore.New(memstore.Config{})}
	a := newApp(t, options{store: st})
	d := a.boundDevice(t)
	before := st.calls.Load()
	a.status(t, d, "GET", "/account", http.StatusOK)
	if n := st.calls.Load() - before; n != 1 {
		t.Errorf("%d calls of the store, want 1", n)
	}
}

// A refresh whose session cookie was just replaced, by a renewal at the same time,
// does not end the binding.
func TestRefreshBesideRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := a.boundDevice(t)
		before := *d
		before.Jar = d.Thief().Jar
		a.status(t, d, "POST", "/renew", http.StatusOK)
		w := before.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID, "Secure-Session-Response", device.Refreshing(d.Key, d.Challenge))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("with a proof: %d, want 503", w.Code)
		}
		w = before.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID)
		if w.Code != http.StatusForbidden || w.Header().Get("Secure-Session-Challenge") == "" {
			t.Errorf("without: %d, want 403 and a challenge", w.Code)
		}
		d.KeepChallenge(w)
		w = d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID, "Secure-Session-Response", device.Refreshing(d.Key, d.Challenge))
		if w.Code != http.StatusOK {
			t.Errorf("with the new cookie: %d", w.Code)
		}
	})
}

// Middleware that looks at the session before the handler harms nothing, and the
// handler works outside of Manager.Handler too.
func TestMounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var a *app
		a = newApp(t, options{around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = a.m.From(r.Context()).User()
				next.ServeHTTP(w, r)
			})
		}})
		d := a.boundDevice(t)
		time.Sleep(12 * time.Minute)
		a.status(t, d, "GET", "/account", http.StatusOK)
		outside := http.NewServeMux()
		outside.Handle("/dbsc/", a.bound)
		outside.Handle("/", a)
		d.Handler = outside
		time.Sleep(12 * time.Minute)
		a.status(t, d, "GET", "/account", http.StatusOK)
		if n := a.count(coatcheck.Refreshed, ""); n != 2 {
			t.Errorf("%d refreshes, want 2", n)
		}
	})
}

// Where Config.Require says so, an unbound session is refused, and a page asked for
// just after the login comes again by itself.
func TestRequire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{dbsc: dbsc.Config{Require: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/admin/") }}})
		old := device.New(t, a, nil)
		a.status(t, old, "GET", "/admin/", http.StatusUnauthorized)
		a.status(t, old, "POST", "/login", http.StatusOK)
		page := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin"}
		if w := old.Do("GET", "/admin/", page...); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `http-equiv="refresh"`) {
			t.Errorf("just after the login: %d %s", w.Code, w.Body)
		}
		time.Sleep(20 * time.Second)
		if w := old.Do("GET", "/admin/", page...); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), `http-equiv="refresh"`) {
			t.Errorf("later: %d %s", w.Code, w.Body)
		}
		a.status(t, old, "GET", "/account", http.StatusOK)
		if n := a.count(coatcheck.Refused, "the page wants a bound session, and this one is not"); n != 2 {
			t.Errorf("events:\n%s", a.dump())
		}
		a.status(t, a.boundDevice(t), "GET", "/admin/", http.StatusOK)
	})
}

// RequireProof sends a browser whose proof is old back to the same address, so that
// it proves the key before; whoever cannot is where it was, without a loop.
func TestRequireProof(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := a.boundDevice(t)
		a.status(t, d, "GET", "/transfer", http.StatusOK)
		time.Sleep(2 * time.Minute)
		a.status(t, d, "GET", "/transfer", http.StatusOK)
		time.Sleep(time.Second)
		thief := d.Thief()
		for name, c := range map[string]struct {
			d    *device.Device
			then int
		}{"owner": {d, http.StatusOK}, "thief": {thief, http.StatusUnauthorized}} {
			w := c.d.Do("POST", "/transfer?a=1")
			if w.Code != http.StatusTemporaryRedirect || w.Header().Get("Location") != "/transfer?a=1" {
				t.Fatalf("%s: %d %q", name, w.Code, w.Header())
			}
			a.status(t, c.d, "POST", "/transfer?a=1", c.then)
		}
		old := device.New(t, a, nil)
		a.status(t, old, "GET", "/transfer", http.StatusUnauthorized)
		a.status(t, old, "POST", "/login", http.StatusOK)
		a.status(t, old, "GET", "/transfer", http.StatusForbidden)
	})
}

// Where the server that gives out bound cookies has a clock that is behind that of
// the server which wants a fresh one, the browser is sent to it once, and not for ever.
func TestRequireProofOfASlowClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := a.boundDevice(t)
		slow := d.Jar[boundName].Value // what its refreshes give out three minutes later
		d.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			a.ServeHTTP(rec, r)
			for _, c := range rec.Result().Cookies() {
				if c.Name == boundName && c.MaxAge > 0 {
					rec.Header()["Set-Cookie"] = []string{boundName + "=" + slow + "; Max-Age=590; Path=/; Secure; HttpOnly; SameSite=Strict"}
				}
			}
			maps.Copy(w.Header(), rec.Header())
			w.WriteHeader(rec.Code)
			w.Write(rec.Body.Bytes())
		})
		time.Sleep(3 * time.Minute)
		for n, want := range []int{http.StatusTemporaryRedirect, http.StatusServiceUnavailable, http.StatusServiceUnavailable} {
			if w := d.Do("POST", "/transfer"); w.Code != want {
				t.Errorf("%d: %d, want %d; events:\n%s", n, w.Code, want, a.dump())
			}
		}
		if n := a.count(coatcheck.Refused, "the page wants a fresh proof, and the clocks of two servers are too far apart for one"); n != 2 || d.Signed != 2 {
			t.Errorf("%d signatures; events:\n%s", d.Signed, a.dump())
		}
		a.status(t, d, "GET", "/account", http.StatusOK)
		d.Handler = a
		time.Sleep(30 * time.Second)
		a.status(t, d, "POST", "/transfer", http.StatusTemporaryRedirect)
		a.status(t, d, "POST", "/transfer", http.StatusOK)
	})
}

// A cookie is judged at the request's begin: one that takes long, or waits long
// before anybody looks at the session, is served to its end.
func TestLongRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Slow") != "" {
					time.Sleep(15 * time.Minute)
				}
				next.ServeHTTP(w, r)
			})
		}})
		for _, path := range []string{"/account", "/transfer", "/write"} {
			d := a.boundDevice(t)
			w := d.Raw("POST", path, "X-Slow", "1")
			if w.Code != http.StatusOK {
				t.Errorf("%s: %d %s; events:\n%s", path, w.Code, w.Body, a.dump())
			}
		}
	})
}

// A link on another site brings a Lax session cookie and no refresh: our own page
// leads on, and then the browser proves the key. No loop, whatever comes.
func TestLinkFromElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := coatcheck.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		}}
		cfg.Cookie.SameSite = http.SameSiteLaxMode
		a := newApp(t, options{cfg: cfg})
		d := a.boundDevice(t)
		time.Sleep(12 * time.Minute)
		page := func(site string) []string {
			return []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", site}
		}
		w := d.Raw("GET", "/account?x=1", page("cross-site")...)
		if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `content="0;url=/account?x=1&amp;coatcheck-landing"`) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		again := d.Raw("GET", "/account?x=1&coatcheck-landing", page("cross-site")...)
		if again.Code != http.StatusSeeOther || again.Header().Get("Location") != "/login" { // OnError's, no second page
			t.Errorf("once more: %d %q", again.Code, again.Header())
		}
		w = d.Do("GET", "/account?x=1&coatcheck-landing", page("same-origin")...)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/account?x=1" {
			t.Fatalf("%d %q", w.Code, w.Header())
		}
		a.status(t, d, "GET", "/account?x=1", http.StatusOK, page("same-origin")...)
		if w := d.Raw("GET", "/account", page("cross-site")...); w.Code != http.StatusOK { // the cookie is there now
			t.Errorf("%d", w.Code)
		}
	})
}

// Caches keep nothing of it (G12).
func TestNoStore(t *testing.T) {
	t.Parallel()
	a := newApp(t, options{})
	d := a.boundDevice(t)
	for _, w := range []*httptest.ResponseRecorder{
		d.Raw("POST", "/dbsc/register"), d.Raw("POST", d.Refresh), d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID), d.Raw("GET", "/dbsc/refresh"),
		d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID, "Secure-Session-Response", device.Refreshing(d.Key, d.Challenge)),
	} {
		if cc := w.Header().Get("Cache-Control"); cc != "no-store" {
			t.Errorf("%d: Cache-Control %q", w.Code, cc)
		}
	}
}
