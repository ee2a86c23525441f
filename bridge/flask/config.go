package flask

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/cookie"
)

// A Format is how Flask-Session writes a record. The zero value is Pickle.
type Format int

// The formats.
const (
	Pickle  Format = iota // Flask-Session before 0.6; read as data, never run
	MsgPack               // SESSION_SERIALIZATION_FORMAT = "msgpack", the default since 0.6
	JSON                  // "json"
)

// Config says how the Flask application is configured: the comments name its
// settings. Only SecretKey is needed.
type Config struct {
	SecretKey string   // SECRET_KEY: what is issued is signed with it
	Fallbacks []string // SECRET_KEY_FALLBACKS

	CookieName string        // SESSION_COOKIE_NAME; empty means "session"
	Lifetime   time.Duration // PERMANENT_SESSION_LIFETIME; 0 means 31 days

	// Policy has the attributes of the cookie that is issued. Domain and Path must
	// be those of Flask, or the browser has two. Zero means Path "/", Secure,
	// HttpOnly and SameSite=Lax.
	Policy cookie.Policy

	// UserKey is the value that says who is logged in. Empty means "_user_id", that
	// of Flask-Login. NumericUser issues it as a number.
	UserKey     string
	NumericUser bool

	// What a subclass of SecureCookieSessionInterface may have changed. Zero means
	// "cookie-session", "sha1" and "hmac".
	Salt       string // salt
	Digest     string // digest_method: sha1, sha256 or sha512
	Derivation string // key_derivation: hmac, django-concat, concat or none

	// KV is the Redis of Flask-Session. Nil means that sessions are in the cookie.
	KV           bridge.KV
	Prefix       string // SESSION_KEY_PREFIX; empty means "session:"
	RecordFormat Format
	Signed       bool // SESSION_USE_SIGNER
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Config) Format(f fmt.State, _ rune) { io.WriteString(f, "{flask.Config}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (c Config) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// withDefaults returns the Config as New uses it.
func (c Config) withDefaults() Config {
	text := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	text(&c.CookieName, "session")
	text(&c.UserKey, "_user_id")
	text(&c.Salt, defaultSalt)
	text(&c.Digest, "sha1")
	text(&c.Derivation, "hmac")
	text(&c.Prefix, "session:")
	if c.Lifetime == 0 {
		c.Lifetime = 31 * 24 * time.Hour
	}
	if c.Policy.SameSite == 0 {
		c.Policy.SameSite = http.SameSiteLaxMode
	}
	return c
}

// validate names the field that cannot work.
func (c Config) validate() error {
	switch {
	case c.SecretKey == "" && (c.KV == nil || c.Signed):
		return errors.New("flask: Config.SecretKey is empty; want Flask's SECRET_KEY")
	case digests[c.Digest] == nil:
		return fmt.Errorf("flask: Config.Digest is %q; want sha1, sha256 or sha512", c.Digest)
	case derivations[c.Derivation] == nil:
		return fmt.Errorf("flask: Config.Derivation is %q; want hmac, django-concat, concat or none", c.Derivation)
	case c.Lifetime < time.Second:
		return fmt.Errorf("flask: Config.Lifetime is %v; want at least a second", c.Lifetime)
	case c.RecordFormat < Pickle || c.RecordFormat > JSON:
		return errors.New("flask: Config.RecordFormat is none of Pickle, MsgPack, JSON")
	}
	for i, secret := range c.Fallbacks {
		if secret == "" {
			return fmt.Errorf("flask: Config.Fallbacks[%d] is empty", i)
		}
	}
	return nil
}
