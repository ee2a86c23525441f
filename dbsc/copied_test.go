package dbsc_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/internal/device"
)

// elsewhere is a client with the device's cookies, however old, at an address.
func elsewhere(d *device.Device, at string) *device.Device {
	c := d.Thief()
	for name, kept := range c.Jar {
		c.Jar[name] = device.Kept{Value: kept.Value} // whatever it was told of their life
	}
	c.From = at
	return c
}

const far = "203.0.113.66:4321"

// A copy is told of whatever it makes of the bound cookie, and whatever it says of
// itself: no browser with the key sends a bound cookie that is over, altered or
// another's.
func TestCopiedPair(t *testing.T) {
	t.Parallel()
	const skipped, says = "Secure-Session-Skipped", `unreachable`
	for name, c := range map[string]struct {
		value   func(a *app, own string) string
		reason  string
		headers []string
		status  int
	}{
		"over":                       {func(_ *app, own string) string { return own }, "the bound cookie is past its life", nil, 401},
		"altered":                    {func(_ *app, own string) string { return own[:47] + "!" }, "the bound cookie is not one of ours", nil, 401},
		"of no form":                 {func(*app, string) string { return "x" }, "the bound cookie is not one of ours", nil, 401},
		"of the thief's own session": {func(a *app, _ string) string { return a.boundDevice(t).CookieValue(boundName) }, "the bound cookie of another binding", nil, 401},
		"over, and says that it could not prove the key": {func(_ *app, own string) string { return own }, "the bound cookie is past its life", []string{skipped, says}, 503},
		"over, and says that another site led here":      {func(_ *app, own string) string { return own }, "the bound cookie is past its life", []string{"Sec-Fetch-Site", "cross-site"}, 401},
		"none": {func(*app, string) string { return "" }, "without its bound cookie", nil, 401},
	} {
		synctest.Test(t, func(t *testing.T) {
			lax := coatcheck.Config{} // a Strict session cookie counts for nothing on a request from another site
			lax.Cookie.SameSite = http.SameSiteLaxMode
			a := newApp(t, options{cfg: lax})
			d := a.boundDevice(t)
			time.Sleep(11 * time.Minute)
			thief := elsewhere(d, far)
			thief.Jar[boundName] = device.Kept{Value: c.value(a, thief.Jar[boundName].Value)}
			a.status(t, thief, "GET", "/account", c.status, c.headers...)
			if n := a.count(coatcheck.Copied, "bound session: "+c.reason); n != 1 || a.count(coatcheck.Copied, "") != 1 {
				t.Errorf("%s: %d events, want one that says %q:\n%s", name, n, c.reason, a.dump())
			}
			a.status(t, d, "GET", "/account", http.StatusOK)
		})
	}
}

// The owner is no thief of the own session, wherever they are: each of these
// requests comes without the bound cookie from a browser that has the key.
func TestCopiedByNobody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path string
		headers      []string
	}{
		"a link on another site":       {"GET", "/account", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}},
		"a link, and our page again":   {"GET", "/account?coatcheck-landing", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}},
		"a picture on another site":    {"GET", "/read", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}},
		"while the proof cannot be":    {"GET", "/account", []string{"Secure-Session-Skipped", "server_error"}},
		"the refresh, first leg":       {"POST", "/dbsc/refresh", []string{"Sec-Secure-Session-Id", "x"}},
		"the refresh, with a query":    {"POST", "/dbsc/refresh?x=1", []string{"Sec-Secure-Session-Id", "x"}},
		"a registration of long after": {"POST", "/dbsc/register", nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := coatcheck.Config{}
			cfg.Cookie.SameSite = http.SameSiteLaxMode
			var a *app
			a = newApp(t, options{cfg: cfg, around: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // as one that logs the user of each request
					_ = a.m.From(r.Context()).User()
					next.ServeHTTP(w, r)
				})
			}})
			d := a.boundDevice(t)
			time.Sleep(11 * time.Minute)
			d.From = far
			d.Raw(c.method, c.path, c.headers...)
			if n := a.count(coatcheck.Copied, ""); n != 0 {
				t.Errorf("%s: told as copied:\n%s", name, a.dump())
			}
		})
	}
}

// Middleware around the whole application that looks at the session is no reason to
// tell anything of a refresh or a registration: what comes there comes as it must.
// With the application behind a prefix, Config.Path is what browsers see.
func TestMiddlewareLooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var a *app
		everything := func(*http.Request) bool { return true }
		a = newApp(t, options{dbsc: dbsc.Config{Path: "/shop/dbsc/", Require: everything}, around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/dbsc/") {
					_ = a.m.From(r.Context()).User()
				}
				next.ServeHTTP(w, r)
			})
		}})
		d := device.New(t, http.StripPrefix("/shop", a), device.NewECKey(t))
		a.status(t, d, "POST", "/shop/login", http.StatusOK)
		a.status(t, d, "GET", "/shop/account", http.StatusOK)
		d.From = far
		time.Sleep(25 * time.Minute) // a refresh of two legs
		a.status(t, d, "GET", "/shop/account", http.StatusOK)
		if n := a.count(coatcheck.Refused, "") + a.count(coatcheck.Copied, ""); n != 1 || a.count(coatcheck.Refused, "proof: of a challenge that is too old") != 1 {
			t.Errorf("events:\n%s", a.dump())
		}
	})
}

// An address of IPv6 is one of a network of 64 bits, within which a device takes
// another each day. Where no address is known, none is another.
func TestCopiedFromElsewhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		login, then string
		copied      int
	}{
		{"[2001:db8:1:2:a::1]:1", "[2001:db8:1:2:ffff::9]:2", 0},
		{"[2001:db8:1:2:a::1]:1", "[2001:db8:1:3:a::1]:1", 1},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:2", 0},
		{"192.0.2.1:1", "192.0.2.2:1", 1},
		{"192.0.2.1:1", "[2001:db8:1:2:a::1]:1", 1},
		{"@", "192.0.2.1:1", 0},
		{"192.0.2.1:1", "@", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(t, options{})
			d := device.New(t, a, device.NewECKey(t))
			d.From = c.login
			a.status(t, d, "POST", "/login", http.StatusOK)
			a.status(t, d, "GET", "/account", http.StatusOK)
			thief := elsewhere(d, c.then)
			delete(thief.Jar, boundName)
			time.Sleep(time.Minute)
			a.status(t, thief, "GET", "/account", http.StatusUnauthorized)
			if n := a.count(coatcheck.Copied, ""); n != c.copied || a.count(coatcheck.Refused, "") != 1-n {
				t.Errorf("%s, then %s: %d events, want %d:\n%s", c.login, c.then, n, c.copied, a.dump())
			}
		})
	}
}
