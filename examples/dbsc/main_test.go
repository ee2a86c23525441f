package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/internal/device"
)

// world is the application, in a bubble, with what it mails.
func world(t *testing.T, test func(app http.Handler, mails *[]string)) {
	synctest.Test(t, func(t *testing.T) {
		keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var mails []string
		app, err := build(ctx, keys, dbsc.Config{}, func(user, text string) { mails = append(mails, user+": "+text) })
		if err != nil {
			t.Fatal(err)
		}
		test(app, &mails)
	})
}

func expect(t *testing.T, d *device.Device, method, path string, status int, text string) {
	t.Helper()
	if w := d.Do(method, path); w.Code != status || !strings.Contains(w.Body.String(), text) {
		t.Fatalf("%s %s: %d %q, want %d and %q", method, path, w.Code, w.Body, status, text)
	}
}

// The owner notices nothing for an hour; a copy of both cookies is worth minutes, and
// the first try after that ends everything, with a mail.
func TestThief(t *testing.T) {
	world(t, func(app http.Handler, mails *[]string) {
		owner := device.New(t, app, device.NewECKey(t))
		expect(t, owner, "GET", "/", 200, "log in")
		expect(t, owner, "POST", "/login", 303, "")
		expect(t, owner, "GET", "/", 200, "bound by ES256")
		for range 4 {
			time.Sleep(15 * time.Minute)
			expect(t, owner, "GET", "/account", 200, "Your account")
			expect(t, owner, "GET", "/admin/", 200, "bound")
		}
		thief := owner.Thief()
		for name, kept := range thief.Jar { // whatever he was told of their life
			thief.Jar[name] = device.Kept{Value: kept.Value}
		}
		expect(t, thief, "GET", "/account", 200, "Your account")
		time.Sleep(10 * time.Minute)
		expect(t, owner, "GET", "/account", 200, "Your account")
		if len(*mails) > 0 {
			t.Errorf("mails before anything: %q", *mails)
		}
		expect(t, thief, "GET", "/account", 401, "")
		synctest.Wait()
		if len(*mails) != 1 || !strings.HasPrefix((*mails)[0], "123: Somebody has a copy") {
			t.Errorf("mails %q", *mails)
		}
		expect(t, owner, "GET", "/", 200, "log in")
	})
}

// A browser that does not know the protocol works as ever, but for the pages that want
// a bound session; a transfer wants a proof of the last minute.
func TestPages(t *testing.T) {
	world(t, func(app http.Handler, _ *[]string) {
		other := device.New(t, app, nil)
		expect(t, other, "POST", "/login", 303, "")
		time.Sleep(20 * time.Minute)
		expect(t, other, "GET", "/account", 200, "Your account")
		expect(t, other, "GET", "/admin/", 403, "")
		expect(t, other, "POST", "/transfer", 403, "")
		expect(t, other, "POST", "/logout", 303, "")
		expect(t, other, "GET", "/account", 401, "")

		owner := device.New(t, app, device.NewRSAKey(t, 2048))
		expect(t, owner, "POST", "/login", 303, "")
		expect(t, owner, "POST", "/transfer", 200, "Transferred")
		time.Sleep(3 * time.Minute)
		expect(t, owner, "POST", "/transfer", 307, "")
		expect(t, owner, "POST", "/transfer", 200, "Transferred")
	})
}

// The certificate is one that Chromium takes with the flags that are printed, and
// every other client when it is told of it.
func TestCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	if err := throwAway(server.Config); err != nil {
		t.Fatal(err)
	}
	server.TLS = server.Config.TLSConfig
	server.StartTLS()
	defer server.Close()
	leaf := server.TLS.Certificates[0].Leaf
	if err := leaf.VerifyHostname("localhost"); err != nil || leaf.NotAfter.Before(time.Now()) {
		t.Error(err, leaf.NotAfter)
	}
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if line := chromium(leaf, "https://localhost:8443"); !strings.Contains(line, "DeviceBoundSessions") || !strings.HasSuffix(line, "= https://localhost:8443") {
		t.Error(line)
	}
}
