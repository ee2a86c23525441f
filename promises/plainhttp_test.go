package promises_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// G13: It can be seen: a Secure session cookie that was set on a request which
// plainly came over HTTP, from a host that is not loopback, is an event: the login
// "works", and the next page is anonymous. Behind a proxy that ends TLS there is
// none.
func TestG13PlainHTTP(t *testing.T) {
	t.Parallel()
	const told, quiet = 1, 0
	for _, c := range []struct {
		host    string
		headers []string
		want    int
	}{
		{"app.example", nil, told},
		{"192.168.1.5:8080", nil, told},
		{"[2001:db8::1]:8080", nil, told},
		{"localhost.example", nil, told},
		{"app.example", []string{"Origin", "http://app.example"}, told},
		{"app.example", []string{"Referer", "http://app.example/login"}, told},
		{"app.example", []string{"X-Forwarded-Proto", "http"}, told},
		{"app.example", []string{"X-Forwarded-Proto", "HTTP, https", "X-Forwarded-For", "192.0.2.7"}, told},

		{"localhost:8080", nil, quiet},
		{"app.localhost", nil, quiet},
		{"127.0.0.1:8080", nil, quiet},
		{"127.8.9.10", nil, quiet},
		{"[::1]:8080", nil, quiet},
		{"app.example", []string{"X-Forwarded-Proto", "https"}, quiet},
		{"app.example", []string{"X-Forwarded-Proto", "https, http"}, quiet},
		{"app.example", []string{"X-Forwarded-Proto", "wss"}, quiet},
		{"app.example", []string{"Forwarded", "for=192.0.2.7;proto=https"}, quiet},
		{"app.example", []string{"X-Forwarded-For", "192.0.2.7"}, quiet}, // a proxy that does not say
		{"app.example", []string{"X-Real-Ip", "192.0.2.7"}, quiet},
		{"app.example", []string{"Via", "1.1 cache"}, quiet},
		{"app.example", []string{"Sec-Fetch-Site", "same-origin"}, quiet}, // sent over HTTPS only; a proxy added nothing
		{"app.example", []string{"Origin", "https://app.example"}, quiet},
		{"app.example", []string{"Referer", "https://app.example/login"}, quiet},
	} {
		for _, secure := range []bool{true, false} {
			var l coatchecktest.Events
			cfg := coatcheck.Config{Events: l.Record, Cookie: cookie.Policy{AllowInsecureHTTP: !secure}}
			b := newBrowser(life(manage(t, memstore.New(memstore.Config{}), cfg)))
			l.Reset() // New tells of AllowInsecureHTTP
			name := strings.Join(append([]string{c.host}, c.headers...), " ")
			send := func(path string) {
				r := b.Request("POST", path, c.headers...)
				r.Host, r.TLS = c.host, nil
				if w := b.Serve(r); w.Code != 200 {
					t.Fatalf("%s: got %d", name, w.Code)
				}
			}
			send("/look")
			if n := l.Count(coatcheck.Insecure); n != 0 {
				t.Errorf("%s: %d events before a cookie was set", name, n)
			}
			send("/login")
			send("/login")
			want := c.want
			if !secure {
				want = 0 // as the application wanted
			}
			if n := l.Count(coatcheck.Insecure); n != want {
				t.Errorf("%s, Secure %t: %d events, want %d", name, secure, n, want)
			}
			for _, e := range l.All() {
				if e.Kind == coatcheck.Insecure && !strings.Contains(e.Reason, "HTTPS") {
					t.Errorf("%s: the reason is %q, want what cures it", name, e.Reason)
				}
			}
		}
	}
}

// G13, and no more than once an hour; over TLS never, and not for what clears.
func TestG13PlainHTTPSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l coatchecktest.Events
		b := newBrowser(life(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})))
		send := func(path string, over *tls.ConnectionState) {
			r := b.Request("POST", path)
			r.Host, r.TLS = "app.example", over
			b.Serve(r)
		}
		send("/login", &tls.ConnectionState{})
		if n := l.Count(coatcheck.Insecure); n != 0 {
			t.Errorf("over TLS: %d events", n)
		}
		send("/logout", nil)
		if n := l.Count(coatcheck.Insecure); n != 0 {
			t.Errorf("a logout: %d events", n)
		}
		for range 180 {
			send("/login", nil)
			time.Sleep(time.Minute)
		}
		if n := l.Count(coatcheck.Insecure); n != 3 {
			t.Errorf("%d events in three hours, want 3", n)
		}
	})
}

// The same for a session in its cookie.
func TestG13PlainHTTPInCookie(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{Events: l.Record})
	if err != nil {
		t.Fatal(err)
	}
	r := newBrowser(nil).Request("POST", "/login")
	r.Host, r.TLS = "app.example", nil
	newBrowser(http.Handler(life(m))).Serve(r)
	if n := l.Count(coatcheck.Insecure); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}
