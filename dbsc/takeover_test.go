package dbsc_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/device"
)

// Who has copied the pair while the owner reads the first page cannot bind the session
// to a key of their own.
func TestTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := device.New(t, a, device.NewECKey(t))
		a.status(t, d, "POST", "/login", http.StatusOK)
		time.Sleep(time.Minute + time.Second) // reading
		thief := d.Thief()
		delete(thief.Jar, boundName)
		thief.Key = device.NewECKey(t)
		thief.Do("GET", "/account", page...) // registers
		thief.Do("GET", "/account")
		a.status(t, d, "GET", "/account", http.StatusOK)
		for range 6 {
			time.Sleep(10 * time.Minute)
			thief.Do("GET", "/account")
		}
		w := thief.Do("GET", "/transfer")
		if w.Code == http.StatusOK {
			t.Errorf("an hour later the thief proves the key of the session; events:\n%s", a.dump())
		}
	})
}

// A proof of a registration that was copied makes no bound cookie minutes later.
func TestReplayedRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := device.New(t, a, nil)
		w := d.Do("POST", "/login")
		m := device.Offered.FindStringSubmatch(w.Header().Get("Secure-Session-Registration"))
		d.Key = device.NewECKey(t)
		proof := device.Registration(d.Key, m[2])
		first := d.Raw("POST", m[1], "Secure-Session-Response", proof)
		if first.Code != 200 {
			t.Fatal(first.Code)
		}
		a.status(t, d, "GET", "/account", http.StatusOK)
		time.Sleep(5*time.Minute - time.Second)
		thief := d.Thief()
		delete(thief.Jar, boundName)
		a.status(t, thief, "GET", "/account", http.StatusUnauthorized)
		if w := thief.Raw("POST", m[1], "Secure-Session-Response", proof); w.Code == 200 {
			time.Sleep(9*time.Minute + 45*time.Second)
			t.Errorf("a copied registration proof is answered %d; the thief at 14:44 gets %d, bound events %d", w.Code, thief.Raw("GET", "/account").Code, a.count(coatcheck.Bound, ""))
		}
	})
}

// G14: a prefetch of a page that wants a proof changes nothing.
func TestPrefetchedProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := a.boundDevice(t)
		time.Sleep(3 * time.Minute)
		before := d.CookieValue(boundName)
		w := d.Raw("GET", "/transfer", append([]string{"Sec-Purpose", "prefetch"}, page...)...)
		if d.CookieValue(boundName) != before {
			t.Errorf("answered %d and cleared the bound cookie: %q", w.Code, w.Header()["Set-Cookie"])
		}
	})
}

// Before what a sibling host leads to or asks for browsers prove nothing, as before what
// another site does: its link meets the page that leads on, its script's session is not
// bound.
func TestSibling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := http.NewCrossOriginProtection()
		p.AddTrustedOrigin("https://www.app.test")
		a := newApp(t, options{cfg: coatcheck.Config{CrossOrigin: p}})
		d := a.boundDevice(t)
		time.Sleep(11 * time.Minute)
		d.From = "198.51.100.7:99" // the owner, on the way
		w := d.Raw("GET", "/account", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-site")
		if w.Code != 401 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("a link of a sibling host: %d %s, want the page that leads on", w.Code, w.Body)
		}
		if n := a.count(coatcheck.Copied, ""); n > 0 {
			t.Errorf("the owner, led by a sibling host, is a copy")
		}
		d = device.New(t, a, device.NewECKey(t))
		cors := []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-site", "Origin", "https://www.app.test"}
		d.Do("POST", "/login", cors...)
		time.Sleep(11 * time.Minute)
		if w = d.Raw("GET", "/account", cors...); w.Code != 200 { // no refresh comes before it
			t.Errorf("the owner of a session that a sibling's script began: %d", w.Code)
		}
	})
}
