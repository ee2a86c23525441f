package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience bounds every wait for something that must happen. It is long because
// a busy machine is no failure: only what never comes is one.
const patience = 5 * time.Minute

// pkg is the Debian package whose program the tests drive.
const pkg = "chromium"

// hosts are the names the browser may reach, all of them this machine.
var hosts = []string{"app.test", "sub.app.test", "evil.test"}

// One browser serves all tests; each test has a jar of its own.
var browser struct {
	once sync.Once
	ctx  context.Context
	err  error
	dir  string
	cert tls.Certificate
}

func TestMain(m *testing.M) {
	code := m.Run()
	if browser.ctx != nil {
		ctx, cancel := context.WithTimeout(browser.ctx, 10*time.Second)
		_ = chromedp.Cancel(ctx) // the process ends with us in any case
		cancel()
	}
	if browser.dir != "" {
		os.RemoveAll(browser.dir)
	}
	os.Exit(code)
}

// chromium returns the browser, started by whoever asks first.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath(pkg)
	if err != nil {
		if os.Getenv("COATCHECK_REQUIRE_ALL") == "1" {
			t.Fatalf("no %s: install the Debian package %s", pkg, pkg)
		}
		t.Skipf("no %s: install the Debian package %s", pkg, pkg)
	}
	browser.once.Do(func() { browser.err = start(path) })
	if browser.err != nil {
		t.Fatalf("start %s: %v", pkg, browser.err)
	}
	return browser.ctx
}

func start(path string) (err error) {
	if browser.cert, err = certificate(); err != nil {
		return err
	}
	if browser.dir, err = os.MkdirTemp("", "coatcheck-e2e-"); err != nil {
		return err
	}
	// In the profile that the browser begins with, third-party cookies are allowed.
	if err := os.MkdirAll(filepath.Join(browser.dir, "Default"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(browser.dir, "Default", "Preferences"), []byte(`{"profile":{"cookie_controls_mode":0,"block_third_party_cookies":false}}`), 0o600); err != nil {
		return err
	}
	trusted := sha256.Sum256(browser.cert.Leaf.RawSubjectPublicKeyInfo)
	rules := ""
	for _, host := range hosts {
		rules += "MAP " + host + " 127.0.0.1, "
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(browser.dir), chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("host-resolver-rules", rules+"MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(trusted[:])),
		// What is typed as http stays http: the tests look at what travels there.
		chromedp.Flag("disable-features", "HttpsUpgrades,HttpsFirstBalancedModeAutoEnable"),
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "no-proxy-server",
		"disable-background-timer-throttling", "disable-renderer-backgrounding", "disable-backgrounding-occluded-windows",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}), chromedp.WithLogf(func(string, ...any) {}))
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(ctx) }() // a limit on ctx would be the browser's life
	select {
	case err = <-started:
	case <-time.After(patience):
		err = errors.New("it did not come up")
	}
	if err != nil {
		cancel()
		return err
	}
	browser.ctx = ctx
	return nil
}

// certificate is one for hosts, which the browser is told to trust by its key.
func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), DNSNames: hosts}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
