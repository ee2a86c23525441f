package dbsc_test

import (
	"context"
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

// bound logs a device in, and lets it bring its bound cookie once.
func (a *app) boundDevice(t testing.TB) *device.Device {
	t.Helper()
	d := device.New(t, a, device.NewECKey(t))
	a.status(t, d, "POST", "/login", http.StatusOK)
	a.status(t, d, "GET", "/account", http.StatusOK)
	if d.ID == "" || a.count(coatcheck.Bound, "ES256") == 0 {
		t.Fatalf("not bound; events:\n%s", a.dump())
	}
	return d
}

// A copied pair of cookies opens nothing once the bound cookie's life is over, and
// the session cookie alone opens nothing at all.
func TestThief(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := a.boundDevice(t)
		pair := d.Thief()
		alone := d.Thief()
		delete(alone.Jar, boundName)
		a.status(t, pair, "GET", "/account", http.StatusOK) // as the facts have it
		time.Sleep(time.Minute)
		a.status(t, alone, "GET", "/account", http.StatusUnauthorized)
		a.status(t, alone, "POST", "/write", http.StatusUnauthorized)
		a.status(t, alone, "POST", "/again", http.StatusUnauthorized)
		a.status(t, alone, "POST", "/remember", http.StatusUnauthorized)
		if n := a.count(coatcheck.Copied, ""); n != 4 {
			t.Errorf("%d events of a copy, want 4:\n%s", n, a.dump())
		}
		for name := range pair.Jar { // whatever it was told of their life
			pair.Jar[name] = device.Kept{Value: pair.Jar[name].Value}
		}
		time.Sleep(10*time.Minute - time.Minute - time.Second)
		a.status(t, pair, "GET", "/account", http.StatusOK)
		time.Sleep(time.Second)
		a.status(t, pair, "GET", "/account", http.StatusUnauthorized)
		a.status(t, d, "GET", "/account", http.StatusOK)
		if n := a.count(coatcheck.Refreshed, "ES256"); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

// A thief who is faster than the owner gains nothing beyond that: what he does with
// the pair, the end of the bound cookie ends too.
func TestFasterThief(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := a.boundDevice(t)
		thief := d.Thief()
		thief.Key, thief.ID, thief.Refresh, thief.Cookie = device.NewECKey(t), d.ID, d.Refresh, d.Cookie // a key, but not that key
		a.status(t, thief, "POST", "/remember", http.StatusOK)                                           // a new token, which the owner has not
		a.status(t, thief, "POST", "/renew", http.StatusOK)
		if thief.Signed != 0 {
			t.Error("a renewal of a bound session offered to bind it anew")
		}
		time.Sleep(10 * time.Minute)
		a.status(t, thief, "GET", "/account", http.StatusUnauthorized)
		if n := a.count(coatcheck.Refreshed, ""); n != 0 {
			t.Errorf("%d refreshes by a thief", n)
		}
		if a.count(coatcheck.Refused, "proof: the signature is wrong") == 0 {
			t.Errorf("events:\n%s", a.dump())
		}
	})
}

// Browsers that do not know the protocol notice nothing (and G1 to G14 hold as
// before): no session is bound that no browser has bound.
func TestOtherBrowsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := device.New(t, a, nil)
		a.status(t, d, "POST", "/login", http.StatusOK)
		for range 5 {
			time.Sleep(20 * time.Minute)
			a.status(t, d, "GET", "/account", http.StatusOK)
		}
		if _, has := d.Jar[boundName]; has {
			t.Error("a bound cookie")
		}
	})
}

// The owner's browser keeps its session for as long as it comes, with one proof
// for each life of the cookie, and one trip for each proof.
func TestRefreshes(t *testing.T) {
	t.Parallel()
	for _, key := range []device.Signer{device.NewECKey(t), device.NewRSAKey(t, 2048)} {
		t.Run(key.Alg(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, options{})
				d := device.New(t, a, key)
				a.status(t, d, "POST", "/login", http.StatusOK)
				for range 12 {
					a.status(t, d, "GET", "/account", http.StatusOK)
					time.Sleep(11 * time.Minute)
				}
				if n := a.count(coatcheck.Refreshed, key.Alg()); n != 11 || d.Signed != 12 {
					t.Errorf("%d refreshes, %d signatures, want 11 and 12", n, d.Signed)
				}
				a.status(t, d, "GET", "/account", http.StatusOK)
				infos, err := a.m.Sessions(context.Background(), "alice")
				if err != nil || len(infos) != 1 || infos[0].Binding == nil {
					t.Fatalf("%v, %v", infos, err)
				}
				b := infos[0].Binding
				if b.Algorithm != key.Alg() || time.Since(b.Since) != 132*time.Minute || time.Since(b.Refreshed) > time.Second {
					t.Errorf("%+v", b)
				}
			})
		})
	}
}

// Idle for longer than a challenge lives: two trips, and no harm.
func TestStaleChallengeAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := a.boundDevice(t)
		time.Sleep(25 * time.Minute)
		a.status(t, d, "GET", "/account", http.StatusOK)
		if d.Signed != 3 || d.ID == "" {
			t.Errorf("%d signatures, want 3", d.Signed)
		}
	})
}

// A renewed token stays bound to the same key, and so does one after Remember and
// Reauthenticate; Clear and other writes leave it alone (G1, G3).
func TestSurvives(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/renew", "/remember", "/again", "/clear", "/write"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, options{})
				d := a.boundDevice(t)
				a.status(t, d, "POST", path, http.StatusOK)
				thief := d.Thief()
				delete(thief.Jar, boundName)
				time.Sleep(12 * time.Minute)
				a.status(t, thief, "GET", "/account", http.StatusUnauthorized)
				a.status(t, d, "GET", "/account", http.StatusOK)
				if d.Signed != 2 || a.count(coatcheck.Bound, "") != 1 {
					t.Errorf("%d signatures; events:\n%s", d.Signed, a.dump())
				}
			})
		})
	}
}

// A login binds anew, also one as another user; the old binding is over.
func TestLoginAgain(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/login", "/bob"} {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(t, options{})
			d := a.boundDevice(t)
			id, challenge := d.ID, d.Challenge
			a.status(t, d, "POST", path, http.StatusOK)
			if d.ID == id || a.count(coatcheck.Bound, "") != 2 {
				t.Errorf("%s: not bound anew; events:\n%s", path, a.dump())
			}
			w := d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", id, "Secure-Session-Response", device.Refreshing(d.Key, challenge))
			if w.Code != http.StatusUnauthorized {
				t.Errorf("%s: the old binding's refresh: %d, want 401", path, w.Code)
			}
			time.Sleep(12 * time.Minute)
			a.status(t, d, "GET", "/account", http.StatusOK)
		})
	}
}

// An end is final (G2): after logout and revocation the refresh is 401, and the
// browser forgets the binding.
func TestEnds(t *testing.T) {
	t.Parallel()
	ends := map[string]func(t *testing.T, a *app, d *device.Device){
		"logout": func(t *testing.T, a *app, d *device.Device) {
			sid := d.Jar[sidName]
			a.status(t, d, "POST", "/logout", http.StatusOK)
			if d.CookieValue(boundName) != "" {
				t.Error("the bound cookie is left")
			}
			d.Jar[sidName] = sid
		},
		"revoked": func(t *testing.T, a *app, d *device.Device) {
			if n, err := a.m.RevokeAll(context.Background(), "alice"); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			delete(d.Jar, boundName)
		},
		"RevokeOthers": func(t *testing.T, a *app, d *device.Device) {
			other := a.boundDevice(t)
			a.status(t, other, "POST", "/login", http.StatusOK)
			w := other.Do("POST", "/others")
			if w.Code != http.StatusNotFound { // see around
				t.Fatal(w.Code)
			}
			delete(d.Jar, boundName)
			a.status(t, other, "GET", "/account", http.StatusOK)
		},
	}
	for name, end := range ends {
		synctest.Test(t, func(t *testing.T) {
			var a *app
			a = newApp(t, options{around: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/others" {
						if _, err := a.m.RevokeOthers(r.Context()); err != nil {
							t.Error(err)
						}
					}
					next.ServeHTTP(w, r)
				})
			}})
			d := a.boundDevice(t)
			end(t, a, d)
			w := d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID, "Secure-Session-Response", device.Refreshing(d.Key, d.Challenge))
			if w.Code != http.StatusUnauthorized {
				t.Errorf("%s: refresh: %d, want 401", name, w.Code)
			}
			a.status(t, d, "GET", "/account", http.StatusUnauthorized)
		})
	}
}

// A browser that has lost the key is as one that is logged out: it can log in, and
// log out, and its old session is gone from the list.
func TestLostKey(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/login", "/logout"} {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(t, options{})
			d := a.boundDevice(t)
			d.ID = ""
			delete(d.Jar, boundName)
			time.Sleep(time.Minute)
			a.status(t, d, "GET", "/account", http.StatusUnauthorized)
			if w := d.Do("GET", "/read"); w.Code != 200 || w.Body.String() != `user="" err=<nil>` {
				t.Errorf("a page for everybody: %d %s", w.Code, w.Body)
			}
			a.status(t, d, "POST", path, http.StatusOK)
			infos, err := a.m.Sessions(context.Background(), "alice")
			if want := map[string]int{"/login": 1, "/logout": 0}[path]; err != nil || len(infos) != want {
				t.Errorf("after %s %d sessions, %v", path, len(infos), err)
			}
			if path == "/login" {
				time.Sleep(12 * time.Minute)
				a.status(t, d, "GET", "/account", http.StatusOK)
			} else if len(d.Jar) != 0 {
				t.Errorf("after a logout the browser has %v", d.Jar)
			}
		})
	}
}

// Requests that were on their way when the session was bound, and a browser that
// never got the answer to its registration, are not locked out.
func TestOnTheirWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{dbsc: dbsc.Config{Require: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/admin/") }}})
		d := device.New(t, a, device.NewECKey(t))
		a.status(t, d, "POST", "/login", http.StatusOK)
		lost := d.Thief()
		delete(lost.Jar, boundName)
		strict := func() { // where a binding is required, or a proof, they wait for the cookie
			t.Helper()
			a.status(t, lost, "GET", "/admin/", http.StatusForbidden)
			a.status(t, lost, "GET", "/transfer", http.StatusForbidden)
		}
		time.Sleep(5 * time.Minute) // nobody has brought the bound cookie
		a.status(t, lost, "GET", "/account", http.StatusOK)
		strict()
		a.status(t, d, "GET", "/account", http.StatusOK) // the first
		a.status(t, lost, "GET", "/account", http.StatusOK)
		strict()
		a.status(t, d, "GET", "/admin/", http.StatusOK)
		time.Sleep(30 * time.Second)
		a.status(t, lost, "GET", "/account", http.StatusUnauthorized)
	})
}

// Where nobody ever brings the bound cookie, the session cookie alone opens nothing
// once the first bound cookie's life is over: an owner who makes no further request
// is protected too.
func TestNeverBrought(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := device.New(t, a, device.NewECKey(t))
		a.status(t, d, "POST", "/login", http.StatusOK)
		thief := d.Thief()
		delete(thief.Jar, boundName)
		time.Sleep(10*time.Minute - time.Second)
		a.status(t, thief, "GET", "/account", http.StatusOK)
		time.Sleep(2 * time.Second)
		a.status(t, thief, "GET", "/account", http.StatusUnauthorized)
	})
}

// The grace is no longer than the first cookie's life, however short and however
// late the cookie was brought.
func TestGraceEndsWithTheCookie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{dbsc: dbsc.Config{MaxAge: 5 * time.Second}})
		d := device.New(t, a, device.NewECKey(t))
		a.status(t, d, "POST", "/login", http.StatusOK)
		time.Sleep(4 * time.Second)
		a.status(t, d, "GET", "/account", http.StatusOK)
		pair := d.Thief()
		a.status(t, pair, "GET", "/account", http.StatusOK)
		time.Sleep(time.Second)
		a.status(t, pair, "GET", "/account", http.StatusUnauthorized)
	})
}

// A HEAD and a prefetch leave nothing behind (G4, G14): they confirm nothing.
func TestReadOnlyConfirmsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := device.New(t, a, device.NewECKey(t))
		a.status(t, d, "POST", "/login", http.StatusOK)
		a.status(t, d, "HEAD", "/account", http.StatusOK)
		a.status(t, d, "GET", "/account", http.StatusOK, "Sec-Purpose", "prefetch")
		lost := d.Thief()
		delete(lost.Jar, boundName)
		time.Sleep(5 * time.Minute)
		a.status(t, lost, "GET", "/account", http.StatusOK)
	})
}

// New secrets and another server of the application change nothing: the old
// secret's cookies and challenges are good.
func TestRotationAndServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New(memstore.Config{})
		one := newApp(t, options{store: st})
		two := newApp(t, options{store: st, keys: []string{secrets[1], secrets[0]}})
		d := one.boundDevice(t)
		d.Handler = two
		two.status(t, d, "GET", "/account", http.StatusOK)
		time.Sleep(11 * time.Minute)
		two.status(t, d, "GET", "/account", http.StatusOK)
		if d.Signed != 2 || two.count(coatcheck.Refreshed, "") != 1 {
			t.Errorf("%d signatures; events:\n%s", d.Signed, two.dump())
		}
		d.Handler = newApp(t, options{store: st, keys: secrets[1:]}) // without the fallback it is another application
		if w := d.Do("GET", "/account"); w.Code != http.StatusUnauthorized {
			t.Errorf("%d", w.Code)
		}
	})
}

// Only New's managers of plain cookies can be bound, once, and every mistake of
// the configuration is named.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	m := newApp(t, options{}).m
	for _, c := range []struct {
		cfg  dbsc.Config
		want string
	}{
		{dbsc.Config{}, "one already"},
		{dbsc.Config{Path: "dbsc/"}, "Config.Path"},
		{dbsc.Config{Path: "/dbsc"}, "Config.Path"},
		{dbsc.Config{Path: `/a"b/`}, "Config.Path"},
		{dbsc.Config{Path: "/../x/"}, "Config.Path"},
		{dbsc.Config{MaxAge: time.Millisecond}, "Config.MaxAge"},
		{dbsc.Config{MaxAge: 2 * time.Hour}, "Config.MaxAge"},
		{dbsc.Config{ProofAge: 119 * time.Second}, "Config.ProofAge is 1m59s; want 0 (2m0s) or 2m0s to 1h0m0s"},
		{dbsc.Config{ProofAge: -time.Second}, "Config.ProofAge is -1s"},
		{dbsc.Config{ProofAge: 2 * time.Hour}, "Config.ProofAge is 2h0m0s"},
	} {
		if _, err := dbsc.New(m, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want one that says %q", c.cfg, err, c.want)
		}
	}
	if _, err := dbsc.New(nil, dbsc.Config{}); err == nil {
		t.Error("nil is accepted")
	}
}

// Nor can sessions be bound whose cookie browsers do not bind, that are in no
// cookie, or that a copied cookie takes back to before they were.
func TestNewRefusesCarriers(t *testing.T) {
	t.Parallel()
	keys, err := cookie.NewKeys(secrets[0])
	if err != nil {
		t.Fatal(err)
	}
	st := memstore.New(memstore.Config{})
	with := func(p cookie.Policy) (*coatcheck.Manager, error) {
		return coatcheck.New(st, keys, coatcheck.Config{Name: "sid", Cookie: p})
	}
	for want, build := range map[string]func() (*coatcheck.Manager, error){
		"NewBearer": func() (*coatcheck.Manager, error) { return coatcheck.NewBearer(st, keys, coatcheck.Config{}) },
		"NewInCookie": func() (*coatcheck.Manager, error) {
			return coatcheck.NewInCookie(keys, coatcheck.StoreRevoker(st), coatcheck.Config{})
		},
		"Domain": func() (*coatcheck.Manager, error) { return with(cookie.Policy{Domain: "app.test"}) },
		"Path":   func() (*coatcheck.Manager, error) { return with(cookie.Policy{Path: "/app/"}) },
		"Partitioned": func() (*coatcheck.Manager, error) {
			return with(cookie.Policy{Partitioned: true, SameSite: http.SameSiteNoneMode})
		},
	} {
		m, err := build()
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		if _, err := dbsc.New(m, dbsc.Config{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// G4: What middleware changes before the refresh looks at the session is made on what
// that finds.
func TestChangeBeforeTheRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left bool
		a := newApp(t, options{around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := coatcheck.From(r.Context())
				if r.URL.Path == "/dbsc/refresh" {
					visits.Delete(s)
				}
				next.ServeHTTP(w, r)
				if r.URL.Path == "/account" {
					_, left = visits.Get(s)
				}
			})
		}})
		d := a.boundDevice(t)
		a.status(t, d, "POST", "/write", http.StatusOK)
		time.Sleep(time.Minute)
		alone := d.Thief()
		delete(alone.Jar, boundName)
		alone.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID)
		if a.status(t, d, "GET", "/account", http.StatusOK); left {
			t.Error("the value is there still, and no error told so")
		}
	})
}
