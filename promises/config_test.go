package promises_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/sealedstore"
)

// G6: What cannot work ... is an error at construction. It names the field and
// says what is wanted.
func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field string
		cfg   coatcheck.Config
	}{
		{"Config.Idle is -1s", coatcheck.Config{Idle: -time.Second}},
		{"Config.Idle is 1ms", coatcheck.Config{Idle: time.Millisecond}},
		{"Config.Idle is 9601h0m0s", coatcheck.Config{Idle: 400*day + time.Hour}},
		{"Config.Lifetime is -1ns", coatcheck.Config{Lifetime: -1}},
		{"Config.Lifetime is 9600h0m1s", coatcheck.Config{Lifetime: 400*day + time.Second}},
		{"Config.AnonymousIdle is 999ms", coatcheck.Config{AnonymousIdle: 999 * time.Millisecond}},
		{"Config.AnonymousLifetime is -1h0m0s", coatcheck.Config{AnonymousLifetime: -time.Hour}},
		{"Config.MaxRemember is -1h0m0s", coatcheck.Config{MaxRemember: -time.Hour}},
		{"Config.MaxRemember is 9624h0m0s", coatcheck.Config{MaxRemember: 401 * day}},
		{"Config.MaxPerUser is -1", coatcheck.Config{MaxPerUser: -1}},
		{"Config.AtLimit is 2", coatcheck.Config{AtLimit: 2}},
		{"Config.AtLimit is -1", coatcheck.Config{AtLimit: -1}},
		{"Config.MaxCookie is 3500; want 0", coatcheck.Config{MaxCookie: 3500}},
		{"Config.Proxies has invalid Prefix", coatcheck.Config{Proxies: make([]netip.Prefix, 1)}},
		{"Config.Proxies has 10.1.2.3/8; want 10.0.0.0/8", coatcheck.Config{Proxies: prefixes("10.1.2.3/8")}},
		{"Config.Proxies has ::ffff:10.0.0.0/104", coatcheck.Config{Proxies: prefixes("::ffff:10.0.0.0/104")}},
		{"Config.Proxies has 0.0.0.0/0", coatcheck.Config{Proxies: prefixes("127.0.0.1/32", "0.0.0.0/0")}},
		{"Config.Proxies has ::/0", coatcheck.Config{Proxies: prefixes("::/0")}},
		{"Config.ProxyHeader is \"X-Real-IP\"", coatcheck.Config{ProxyHeader: "X-Real-IP", Proxies: prefixes("127.0.0.1/32")}},
		{"Config.ProxyHeader is \"Forwarded\" without Config.Proxies", coatcheck.Config{ProxyHeader: "Forwarded"}},
		{"Config.Cookie.MaxAge is 1h0m0s", coatcheck.Config{Cookie: cookie.Policy{MaxAge: time.Hour}}},

		{"Config.Name", coatcheck.Config{Name: "two words"}},
		{"Config.Name", coatcheck.Config{Name: "sid\r\nX: y"}},
		{"Config.Name", coatcheck.Config{Name: "__host-sid"}},
		{"Policy.SameSite", coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteNoneMode, AllowInsecureHTTP: true}}},
		{"Policy.SameSite", coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteDefaultMode}}},
		{"Policy.Domain", coatcheck.Config{Name: "__Host-sid", Cookie: cookie.Policy{Domain: "app.example"}}},
		{"Policy.Domain", coatcheck.Config{Cookie: cookie.Policy{Domain: "localhost"}}},
		{"Policy.Path", coatcheck.Config{Name: "__Host-sid", Cookie: cookie.Policy{Path: "/app"}}},
		{"Policy.Path", coatcheck.Config{Cookie: cookie.Policy{Path: "app"}}},
		{"Policy.Path", coatcheck.Config{Cookie: cookie.Policy{Path: "/" + strings.Repeat("a", 1024)}}},
		{"Policy.AllowInsecureHTTP", coatcheck.Config{Name: "__Host-sid", Cookie: cookie.Policy{AllowInsecureHTTP: true}}},
		{"Policy.AllowInsecureHTTP", coatcheck.Config{Name: "__Secure-sid", Cookie: cookie.Policy{AllowInsecureHTTP: true}}},
		{"Policy.AllowScripts", coatcheck.Config{Name: "__Host-Http-sid", Cookie: cookie.Policy{AllowScripts: true}}},
		{"Policy.Partitioned", coatcheck.Config{Cookie: cookie.Policy{Partitioned: true, AllowInsecureHTTP: true}}},
	} {
		m, err := coatcheck.New(memstore.New(memstore.Config{}), keys(t), c.cfg)
		if err == nil || m != nil {
			t.Errorf("New accepts what should name %s", c.field)
			continue
		}
		if !strings.HasPrefix(err.Error(), "coatcheck: ") || strings.Count(err.Error(), "coatcheck: ") != 1 || !strings.Contains(err.Error(), c.field) {
			t.Errorf("got %q, want one prefix and %q", err, c.field)
		}
	}
}

// What New requires are its arguments; it says which is missing.
func TestConfigRequiredArguments(t *testing.T) {
	t.Parallel()
	if _, err := coatcheck.New(nil, keys(t), coatcheck.Config{}); err == nil || !strings.Contains(err.Error(), "store") {
		t.Errorf("without a store: got %v", err)
	}
	if _, err := coatcheck.New(memstore.New(memstore.Config{}), nil, coatcheck.Config{}); err == nil || !strings.Contains(err.Error(), "SECRET_KEY") {
		t.Errorf("without keys: got %v, want how to get them", err)
	}
}

// The limits themselves are allowed.
func TestConfigLimits(t *testing.T) {
	t.Parallel()
	for _, cfg := range []coatcheck.Config{
		{},
		{Idle: time.Second, Lifetime: time.Second, AnonymousIdle: time.Second, AnonymousLifetime: time.Second, MaxRemember: time.Second},
		{Idle: 400 * day, Lifetime: 400 * day, AnonymousIdle: 400 * day, AnonymousLifetime: 400 * day, MaxRemember: 400 * day},
		{MaxPerUser: 1, AtLimit: coatcheck.Refuse},
		{Name: "app"},
		{Cookie: cookie.Policy{SameSite: http.SameSiteNoneMode}},
		{Cookie: cookie.Policy{SameSite: http.SameSiteNoneMode, Partitioned: true}},
		{Cookie: cookie.Policy{Domain: "app.example", Path: "/app"}},
	} {
		if _, err := coatcheck.New(memstore.New(memstore.Config{}), keys(t), cfg); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// Config is taken by value: nobody edits it later.
func TestConfigIsCopied(t *testing.T) {
	t.Parallel()
	cfg := coatcheck.Config{Name: "__Host-one"}
	m := manage(t, memstore.New(memstore.Config{}), cfg)
	cfg.Name = "two"
	b := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Login("alice") }))
	if b.Send("POST", "/"); b.Cookies()["__Host-one"] == "" {
		t.Errorf("got the cookies %v, want the name that New was given", b.Cookies())
	}
}

// G6: "What cannot work … is an error at construction": whatever takes a keyring
// refuses one without a secret, and says where to get another.
func TestG6KeyringWithoutSecret(t *testing.T) {
	t.Parallel()
	store := memstore.New(memstore.Config{})
	for name, keys := range map[string]*cookie.Keys{
		"nil": nil, "zero": {}, "zero of an application": (&cookie.Keys{}).Application("shop"),
	} {
		for what, err := range map[string]error{
			"New":             fails(coatcheck.New(store, keys, coatcheck.Config{})),
			"NewInCookie":     fails(coatcheck.NewInCookie(keys, coatcheck.IrrevocableSessions{}, coatcheck.Config{})),
			"sealedstore.New": fails(sealedstore.New(store, keys)),
			"NewSealer":       fails(cookie.NewSealer("a", keys, time.Hour)),
			"NewSigned":       cookie.NewSigned[string]("a", keys, cookie.Policy{}).Err(),
			"NewSealed":       cookie.NewSealed[string]("a", keys, cookie.Policy{}).Err(),
		} {
			if err == nil || !strings.Contains(err.Error(), "keys") || !strings.Contains(err.Error(), "KeysFromEnv") {
				t.Errorf("%s with a %s keyring: got %v; want an error that names the keys and KeysFromEnv", what, name, err)
			}
		}
	}
}

func fails[T any](_ T, err error) error { return err }
