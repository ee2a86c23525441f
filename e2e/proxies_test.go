//go:build linux

package e2e_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/proxies"
)

// before starts a proxy before an upstream, and returns where app.test is then.
func before(t *testing.T, name, upstream string, recommended bool) string {
	t.Helper()
	cert, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	p := proxies.Start(t, name, proxies.Options{
		Upstream: upstream, Recommended: recommended, Host: "app.test",
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	})
	_, port, err := net.SplitHostPort(p.HTTPS)
	if err != nil {
		t.Fatal(err)
	}
	return "https://app.test:" + port
}

// serveBehind is serve with a proxy before app.test: configured as the guide
// recommends, or as people write it, where Config.Origins says whose Host it is.
func serveBehind(t *testing.T, cfg coatcheck.Config, name string, recommended bool) *site {
	t.Helper()
	s := &site{t: t}
	s.start()
	s.app = before(t, name, strings.Replace(strings.TrimPrefix(s.plain, "http://"), "app.test", "127.0.0.1", 1), recommended)
	if !recommended {
		cfg.Origins = []string{s.app}
	}
	s.manage(cfg)
	return s
}

// The walk-through, and G7, in every browser through every proxy.
func TestProxies(t *testing.T) {
	for _, e := range allEngines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.run(t)
			for _, name := range proxies.Names {
				t.Run(name, func(t *testing.T) {
					t.Run("walk-through", func(t *testing.T) { walkBehind(t, e, name) })
					for _, recommended := range []bool{true, false} {
						t.Run(map[bool]string{true: "G7, as recommended", false: "G7, as people write it"}[recommended], func(t *testing.T) {
							strictBehind(t, e, name, recommended)
						})
					}
				})
			}
		})
	}
}

func walkBehind(t *testing.T, e *engine, name string) {
	url, stop := runServe(t, "127.0.0.1:0", "memory:")
	t.Cleanup(stop)
	p := play(t, before(t, name, strings.TrimPrefix(url, "http://"), true), e.newTab(t))
	p.walk(func(string) {})
}

// strictBehind: a link from another site and an address that leads through one are
// held back or land, nothing goes round, and nothing is told of plain HTTP.
func strictBehind(t *testing.T, e *engine, name string, recommended bool) {
	s := serveBehind(t, landing, name, recommended)
	b := e.newTab(t)
	b.login(s)
	held := b.cookies(s.app)

	b.follows(s, "/count")
	b.leadsOn("/count")
	if v := s.await("/count", 1)[0]; v.status != http.StatusConflict || len(v.sets) > 0 {
		t.Errorf("got %v, want 409", v)
	}
	b.click("a")
	b.until("document.querySelector('#app')?.dataset.hits == '1'")
	url := s.app + "/in/page?a=b#part"
	for i, come := range []func(){
		func() { b.open(s.page(s.evil, `<a id=go href="`+url+`">go</a>`)); b.click("#go") },
		func() { b.open(redirect(s.evil, url)) },
	} {
		was := len(s.seen("app.test", "/in/page"))
		come()
		b.shows(url, "alice")
		if got := len(s.seen("app.test", "/in/page")) - was; got != 3 && (got != 1 || i == 0) {
			t.Errorf("way %d: %d requests, want 3, or 1 where the cookie came:\n%s", i, got, s.dump())
		}
	}
	same(t, held, b.cookies(s.app))
	if list, err := s.m.Sessions(context.Background(), "alice"); err != nil || len(list) != 1 {
		t.Errorf("alice has %d sessions (%v), want 1", len(list), err)
	}
	b.open(s.app + "/look")
	if status := b.fetched("POST", s.app+"/logout"); status != http.StatusOK {
		t.Errorf("logout: got %d", status)
	}
	if n := len(b.cookies(s.app)); n != 0 {
		t.Errorf("%d cookies are left", n)
	}
	for _, kind := range []coatcheck.Kind{coatcheck.Insecure, coatcheck.Refused, coatcheck.StoreError} {
		if n := s.events.Count(kind); n != 0 {
			t.Errorf("%d events %q on a healthy day", n, kind)
		}
	}
}
