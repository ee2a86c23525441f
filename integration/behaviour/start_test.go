//go:build linux

package behaviour_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// A refusedStart is a configuration with which no server comes up, so that
// nothing of it is ever seen over HTTP.
type refusedStart struct {
	name, from, ours string
	secrets          []string // nil is a good one
	cfg              coatcheck.Config
	says             string // part of the error
}

var starts = []refusedStart{
	{"without a secret", "express-session, Flask, iron-session, gorilla, rack-session (warns)", "", []string{}, coatcheck.Config{}, "secret"},
	{"with an empty secret", "express-session (an empty list), gorilla (no key)", "", []string{""}, coatcheck.Config{}, "want at least 32"},
	{"with a short secret", "iron-session, rack-session", "", []string{"123456789012345678901234567890"}, coatcheck.Config{}, "want at least 32"},
	{"with a secret from a tutorial", "express-session (its own tests use one)", "stricter: placeholders are known", []string{"keyboard cat keyboard cat keyboard cat"}, coatcheck.Config{}, "secret"},
	{"with a name that no cookie can have", "gorilla, iron-session (an empty one), Spring Session", "", nil, coatcheck.Config{Name: "session:key"}, "name"},
	{"with an unknown SameSite", "Flask", "", nil, coatcheck.Config{Cookie: cookie.Policy{SameSite: 99}}, "SameSite"},
	{"with SameSite=None and without Secure", "Fiber (adds Secure), express-session (lets it pass)", "stricter: an error, not a guess", nil,
		coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteNoneMode, AllowInsecureHTTP: true}}, "SameSite"},
	{"with Partitioned and without Secure", "express-session (lets it pass)", "stricter", nil,
		coatcheck.Config{Cookie: cookie.Policy{Partitioned: true, AllowInsecureHTTP: true}}, "Partitioned"},
	{"with a time out of range", "express-session (an invalid expires), Fiber (an impossible AbsoluteTimeout)", "", nil, coatcheck.Config{Lifetime: -time.Hour}, "Lifetime"},
	{"with a lifetime that no browser keeps", "iron-session (ttl 0 is 68 years)", "stricter: 400 days at most", nil, coatcheck.Config{Lifetime: 500 * 24 * time.Hour}, "Lifetime"},
	{"without a store", "Spring Session (null arguments)", "", nil, coatcheck.Config{Name: "no store"}, "store"},
}

func TestBehaviourStarts(t *testing.T) {
	t.Parallel()
	for _, c := range starts {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.secrets == nil {
				c.secrets = []string{secretOf("A")}
			}
			keys, err := cookie.NewKeys(c.secrets...)
			if err == nil && c.name == "without a store" {
				_, err = coatcheck.New(nil, keys, coatcheck.Config{})
			} else if err == nil {
				_, err = coatcheck.New(memstore.New(memstore.Config{}), keys, c.cfg)
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error about %q", err, c.says)
			}
			for _, secret := range c.secrets {
				if err != nil && len(secret) > 0 && strings.Contains(err.Error(), secret) {
					t.Error("the error has the secret in it")
				}
			}
		})
	}
}
