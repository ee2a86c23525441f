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

var page = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin"}

func offers(d *device.Device, method, path string, headers ...string) bool {
	return d.Raw(method, path, headers...).Header().Get("Secure-Session-Registration") != ""
}

// A registration that failed for an outage, or whose answer was lost, is offered
// again: by pages that are opened, not while the browser may be about the first, and
// not for longer than minutes after the login, when whoever has the cookie could bind
// the session to a key of theirs.
func TestOfferedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &breakable{Store: memstore.New(memstore.Config{})}
		a := newApp(t, options{store: st})
		d := device.New(t, a, device.NewECKey(t))
		st.updates.Store(true)
		a.status(t, d, "POST", "/login", http.StatusOK)
		st.updates.Store(false)
		if d.ID != "" || d.Signed != 1 {
			t.Fatalf("bound %q, %d signatures", d.ID, d.Signed)
		}
		other := device.New(t, a, nil) // a browser without the protocol
		a.status(t, other, "POST", "/login", http.StatusOK)
		time.Sleep(14 * time.Second)
		if offers(d, "GET", "/account", page...) {
			t.Error("offered while the browser may still be about it")
		}
		time.Sleep(time.Second)
		for name, headers := range map[string][]string{
			"a script's request": {"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin"},
			"a prefetch":         append([]string{"Sec-Purpose", "prefetch"}, page...),
			"curl":               nil,
		} {
			if offers(d, "GET", "/account", headers...) {
				t.Errorf("%s is offered it", name)
			}
		}
		if offers(device.New(t, a, nil), "GET", "/read", page...) {
			t.Error("nobody is offered a binding")
		}
		a.status(t, d, "GET", "/account", http.StatusOK, page...) // takes it up
		if d.ID == "" || a.count(coatcheck.Bound, "") != 1 {
			t.Fatalf("not bound; events:\n%s", a.dump())
		}
		lost := *d
		lost.Jar = d.Thief().Jar
		delete(lost.Jar, boundName)
		if !offers(&lost, "GET", "/account", page...) { // the answer did not come
			t.Error("a browser that has no bound cookie is not offered another binding")
		}
		a.status(t, d, "GET", "/account", http.StatusOK, page...)
		if offers(d, "GET", "/account", page...) || offers(&lost, "GET", "/account", page...) {
			t.Error("a bound session is offered another binding")
		}
		time.Sleep(4*time.Minute + 44*time.Second)
		if !offers(other, "GET", "/account", page...) {
			t.Error("within minutes it is offered")
		}
		time.Sleep(time.Second)
		if offers(other, "GET", "/account", page...) {
			t.Error("it is offered for ever")
		}
	})
}

// Whatever gives an unbound session a new token offers to bind it; a bound one is not
// asked.
func TestOfferedWithAToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, path := range []string{"/again", "/renew", "/remember"} {
			a := newApp(t, options{})
			d := device.New(t, a, nil)
			a.status(t, d, "POST", "/login", http.StatusOK)
			time.Sleep(time.Hour / 4)
			d.Key = device.NewECKey(t)
			a.status(t, d, "POST", path, http.StatusOK)
			if d.ID == "" {
				t.Fatalf("%s: not bound", path)
			}
			a.status(t, d, "GET", "/account", http.StatusOK)
			if offers(d, "POST", "/renew") || offers(d, "POST", "/again") {
				t.Errorf("a session bound after %s is asked again", path)
			}
			time.Sleep(12 * time.Minute)
			a.status(t, d, "GET", "/account", http.StatusOK)
		}
	})
}

// Of several bound cookies the one that proves the session counts, wherever it
// stands, and what the browser says of a refresh that it left out then counts for
// nothing: neither is there an event nor a 503.
func TestSeveralBoundCookies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := a.boundDevice(t)
		old := d.CookieValue(boundName)
		time.Sleep(11 * time.Minute)
		other := a.boundDevice(t).CookieValue(boundName)
		a.status(t, d, "GET", "/account", http.StatusOK)
		right := d.CookieValue(boundName)
		sid := sidName + "=" + d.CookieValue(sidName)
		said := `quota_exceeded;session_identifier="` + d.ID + `"`
		ask := func(values ...string) int {
			asks := device.New(t, a, nil)
			cookies := sid
			for _, v := range values {
				cookies += "; " + boundName + "=" + v
			}
			return asks.Raw("GET", "/account", "Cookie", cookies, "Secure-Session-Skipped", said).Code
		}
		for _, values := range [][]string{{right}, {right, old}, {old, right}, {other, right}, {"planted", right}, {right, ""}, {"x", other, old, right}} {
			if got := ask(values...); got != http.StatusOK {
				t.Errorf("%q: %d\n%s", values, got, a.dump())
			}
		}
		if n := a.count(coatcheck.Skipped, ""); n != 0 {
			t.Errorf("%d events of a refresh that was not missed", n)
		}
		for _, values := range [][]string{nil, {old}, {old, other}, {"x", "x", "x", "x", right}} {
			if got := ask(values...); got != http.StatusServiceUnavailable {
				t.Errorf("%q: %d, want 503", values, got)
			}
		}
		if n := a.count(coatcheck.Skipped, "quota_exceeded"); n != 4 {
			t.Errorf("%d events, want 4", n)
		}
	})
}
