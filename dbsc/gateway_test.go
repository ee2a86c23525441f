package dbsc_test

import (
	"net/http"
	"net/http/httptest"
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

// What proves a device is nothing for an upstream, and an upstream binds nothing
// here: neither cookies nor headers pass a gateway, either way (G4, G8).
func TestGateway(t *testing.T) {
	t.Parallel()
	const evil = boundName + "=evil; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Strict"
	lower := strings.ToLower("Secure-Session-Registration") // as its server spells it
	upstream := func(w http.ResponseWriter) {
		w.Header().Add("Set-Cookie", "theirs=1")
		w.Header().Add("Set-Cookie", evil)
		w.Header()[lower] = []string{`(ES256);path="/evil";challenge="x"`}
		w.Header().Set("Secure-Session-Challenge", `"x";id="y"`)
	}
	a := newApp(t, options{around: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Upstream") != "" {
				upstream(w)
			}
			next.ServeHTTP(w, r)
		})
	}})
	d := a.boundDevice(t)
	bound := d.CookieValue(boundName)
	for _, path := range []string{"/", "/read", "/write", "/renew", "/login"} {
		offered, before := path == "/login", a.count(coatcheck.Refused, "")
		w := d.Raw("POST", path, "X-Upstream", "1")
		for _, line := range w.Header()["Set-Cookie"] {
			if line == evil {
				t.Errorf("%s: %q leaves", path, line)
			}
		}
		offers := append(w.Header()[lower], w.Header()["Secure-Session-Registration"]...)
		if len(offers) > 1 || (len(offers) == 1) != offered || strings.Contains(strings.Join(offers, ""), "evil") || w.Header()["Secure-Session-Challenge"] != nil {
			t.Errorf("%s: %q", path, w.Header())
		}
		if !strings.Contains(strings.Join(w.Header()["Set-Cookie"], "|"), "theirs=1") {
			t.Errorf("%s: the upstream's own cookie is gone: %q", path, w.Header())
		}
		if a.count(coatcheck.Refused, "") == before {
			t.Errorf("%s: no event", path)
		}
	}

	out := httptest.NewRequest("POST", "https://upstream.test/", nil)
	out.Header.Set("Cookie", "a=b; "+boundName+"="+bound+"; "+boundName+"-asked=1; c=d")
	for _, name := range []string{"Secure-Session-Response", "sec-secure-session-id", "Secure-Session-Skipped"} {
		out.Header[name] = []string{"x"}
	}
	a.m.StripCookies(out)
	if len(out.Header) != 1 || out.Header.Get("Cookie") != "a=b; c=d" {
		t.Errorf("an upstream gets %q", out.Header)
	}
}

// Two managers on one host are bound side by side where their cookies and paths are
// two, also one inside of the other.
func TestTwoManagers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys, err := cookie.NewKeys(secrets[0])
		if err != nil {
			t.Fatal(err)
		}
		outer := newApp(t, options{})
		inner, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{Name: "__Host-Http-staff"})
		if err != nil {
			t.Fatal(err)
		}
		bound, err := dbsc.New(inner, dbsc.Config{Path: "/staff/dbsc/"})
		if err != nil {
			t.Fatal(err)
		}
		pages := http.NewServeMux()
		pages.Handle("/staff/dbsc/", bound)
		pages.HandleFunc("/staff/login", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("bob") })
		pages.Handle("/staff/account", inner.RequireLogin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		mux := http.NewServeMux()
		mux.Handle("/staff/", outer.m.Handler(inner.Handler(pages)))
		mux.Handle("/", outer)

		owner := outer.boundDevice(t)
		owner.Handler = mux
		staff := device.New(t, mux, device.NewECKey(t))
		staff.Jar = owner.Jar // one browser, two bindings
		outer.status(t, staff, "POST", "/staff/login", http.StatusOK)
		for range 3 {
			time.Sleep(11 * time.Minute)
			outer.status(t, staff, "GET", "/staff/account", http.StatusOK)
			outer.status(t, owner, "GET", "/account", http.StatusOK)
		}
		if staff.Cookie != "__Host-staff-bound" || staff.Refresh != "/staff/dbsc/refresh" || staff.Signed != 4 || owner.Signed != 4 {
			t.Errorf("%q %q, %d and %d signatures", staff.Cookie, staff.Refresh, staff.Signed, owner.Signed)
		}
	})
}
