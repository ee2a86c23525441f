//go:build linux

package e2e_test

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"

	"github.com/coatcheck/coatcheck"
)

// runShop starts examples/shop with all that it has, for app.test, and returns its
// origin and the OpenID provider's. What it lacks skips the test, or fails it if
// COATCHECK_REQUIRE_ALL is set.
func runShop(t *testing.T, partner string) (origin string) {
	t.Helper()
	dir := t.TempDir()
	program := build(t, "../examples/shop")
	cert, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, "key": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	origin = "https://app.test:" + port
	cmd := exec.Command(program, "-all", "-addr", "127.0.0.1:"+port, "-origin", origin, "-partner", partner,
		"-cert", filepath.Join(dir, "cert"), "-key", filepath.Join(dir, "key"))
	var log lockedBuffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, origin) {
		cmd.Wait()
		if said := log.String(); strings.Contains(said, "-all needs") && os.Getenv("COATCHECK_REQUIRE_ALL") == "" {
			t.Skip(said)
		}
		t.Fatalf("the shop did not start: %q, %v\n%s", line, err, log.String())
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		hung := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer hung.Stop()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("the shop ended with %v and said:\n%s", err, log.String())
		}
	})
	return origin
}

// A lockedBuffer is written by a process while the test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A customer is a browser at the shop.
type customer struct {
	*tab
	shop string
}

// in is the same customer for a part of the test.
func (c customer) in(t *testing.T) customer { return customer{&tab{t, c.e, c.p}, c.shop} }

// at waits until a page of the shop is there, and whose it is.
func (c customer) at(path, name string) {
	c.t.Helper()
	c.until("document.readyState == 'complete' && location.origin + location.pathname == " + quote(c.shop+path) + " && document.body.dataset.user == " + quote(name))
}

func (c customer) fill(form, field, value string) {
	c.t.Helper()
	eval[bool](c.tab, fmt.Sprintf("document.querySelector(%s).value = %s, true", quote(form+" [name="+field+"]"), quote(value)))
}

// says waits for a flash or notice.
func (c customer) says(text string) {
	c.t.Helper()
	c.until("document.querySelector('main')?.innerText.includes(" + quote(text) + ")")
}

// connected waits for the websocket.
func (c customer) connected() { c.t.Helper(); c.until("document.body.dataset.listening == 'yes'") }

// openID signs in at the provider, which is another site, and comes back. It
// returns the provider's origin.
func (c customer) openID(name, password, next string) (provider string) {
	c.t.Helper()
	c.open(c.shop + "/signin?next=" + url.QueryEscape(next))
	c.click("#openid")
	c.until("document.readyState == 'complete' && document.querySelector('[name=user]')")
	provider = eval[string](c.tab, "location.origin")
	c.fill("form", "user", name)
	c.fill("form", "password", password)
	c.click("form button")
	c.at(next, name)
	return provider
}

// The shop in every browser: two instances behind nginx, PostgreSQL behind
// PgBouncer, an OpenID provider.
func TestShop(t *testing.T) {
	others := serve(t, coatcheck.Config{})
	shop := runShop(t, others.sub)
	people := map[*engine][2]string{chromiumEngine: {"alice", "wonder"}, firefoxEngine: {"bob", "builder"}, webkitEngine: {"carol", "singer"}}
	engines(t, func(t *testing.T, e *engine) {
		c, name, password := customer{e.newTab(t), shop}, people[e][0], people[e][1]
		ok := t.Run("OpenID and an order", func(t *testing.T) { shopOpenID(c.in(t), name, password) }) &&
			t.Run("other sites", func(t *testing.T) { shopFromElsewhere(c.in(t), others, name) }) &&
			t.Run("devices and the provider's logout", func(t *testing.T) { shopEnds(c.in(t), customer{e.newTab(t), shop}, name, password) }) &&
			t.Run("remember me", func(t *testing.T) { shopRemembers(c.in(t), name+" at home") })
		if ok && e == chromiumEngine { // which can be told that it has a key
			t.Run("passkey", func(t *testing.T) { shopPasskey(c.in(t), name+" at home") })
		}
	})
}

// A visitor's cart comes along through the provider's site; what becomes of an
// order is told over the websocket.
func shopOpenID(c customer, name, password string) {
	c.open(c.shop + "/")
	c.click("[value=Hat]")
	c.says("Hat is in your cart.")
	c.openID(name, password, "/cart")
	c.says("1 × Hat")
	c.click("#pay")
	c.at("/orders", name)
	c.says("Thank you!")
	c.says("Packed: 1 × Hat")
}

// A link from another site arrives as the customer. The partner's page may call the
// API, another's may not.
func shopFromElsewhere(c customer, others *site, name string) {
	c.open(others.page(others.evil, `<a id=go href="`+c.shop+`/orders">go</a>`))
	c.click("#go")
	c.at("/orders", name)
	c.says("1 × Hat, packed")
	for origin, want := range map[string]string{others.sub: `200 {"Scarf":2}`, others.evil: "blocked"} {
		c.open(others.page(origin, ""))
		got := eval[string](c.tab, fmt.Sprintf(`fetch(%s, {method: "POST", credentials: "include", headers: {"Content-Type": "application/json"}, body: '{"Scarf": 2}'})
			.then(r => r.text().then(text => r.status + " " + text.trim()), () => "blocked")`, quote(c.shop+"/api/cart")))
		if got != want {
			c.t.Errorf("%s: got %s, want %s", origin, got, want)
		}
	}
	c.open(c.shop + "/cart")
	c.says("2 × Scarf")
}

// Another device is signed out from here, and then this one by the provider. Both
// say so at once.
func shopEnds(c, other customer, name, password string) {
	devices := func(want int) {
		c.t.Helper()
		if got := eval[int](c.tab, "document.querySelectorAll('#devices li').length"); got != want {
			c.t.Errorf("%d devices, want %d", got, want)
		}
	}
	provider := other.openID(name, password, "/devices")
	other.connected()
	c.open(c.shop + "/devices")
	devices(2)
	c.click("#end-others")
	c.says("Signed out there.")
	devices(1)
	other.says("You have been signed out.")

	c.connected()
	console := c.another()
	console.open(provider + "/logout")
	console.click("form button")
	console.until("document.body.innerText.includes('Logged out')")
	c.says("You have been signed out.")
	c.open(c.shop + "/orders")
	c.at("/signin", "")
}

// An account with a password, on a device that is to be remembered.
func shopRemembers(c customer, name string) {
	c.open(c.shop + "/signin?next=%2Fcart")
	c.fill("#register", "login", name)
	c.fill("#register", "password", "correct horse")
	eval[bool](c.tab, "document.querySelector('#register [name=remember]').checked = true")
	c.click("#register button")
	c.at("/cart", name)
	if held := c.cookies(c.shop)[sidName]; held.Session || !held.Secure || !held.HTTPOnly {
		c.t.Errorf("the cookie is %+v", held)
	}
	c.click("#signout")
	c.at("/", "")
	c.says("You are signed out.")
	c.open(c.shop + "/signin?next=%2Fcart")
	c.fill("#password", "login", name)
	c.fill("#password", "password", "correct horse")
	c.click("#password button")
	c.at("/cart", name)
}

// A passkey is made, and shown before each payment: under a new token (G3).
func shopPasskey(c customer, name string) {
	call(c.tab, webauthn.Enable, webauthn.EnableParams{})
	call(c.tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	c.open(c.shop + "/account")
	c.click("#new-passkey")
	c.says("Your passkey is kept.")
	for range 2 {
		c.open(c.shop + "/")
		c.click("[value=Coat]")
		c.says("Coat is in your cart.")
		c.open(c.shop + "/cart")
		c.click("#pay")
		c.at("/confirm", name)
		was := c.cookies(c.shop)[sidName].Value
		c.click("#show-passkey")
		c.at("/cart", name)
		if c.cookies(c.shop)[sidName].Value == was {
			c.t.Error("the token is still the old one")
		}
		c.click("#pay")
		c.at("/orders", name)
		c.says("Thank you!")
	}
}
