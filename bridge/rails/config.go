package rails

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/cookie"
)

// A Digest is what Rails derives keys with:
// config.active_support.key_generator_hash_digest_class.
type Digest int

// The digests. The zero value is Rails' own default since 7.0.
const (
	SHA256 Digest = iota
	SHA1          // before 7.0, and with load_defaults of before
)

// A Secret is what an encrypted cookie is made with. In FIPS 140-only mode SHA1 and
// CBC are errors of New.
type Secret struct {
	KeyBase string // secret_key_base
	Digest  Digest
	CBC     bool // AES-CBC with HMAC: use_authenticated_cookie_encryption is false, as before 5.2
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "{rails.Secret}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (s Secret) MarshalText() ([]byte, error) { return fmt.Append(nil, s), nil }

// Config says how the Rails application is configured. Cookie and UserKey are needed,
// and SecretKeyBase or Redis.
type Config struct {
	// SecretKeyBase, Digest and CBC are of the cookies that Rails writes now; Rotated
	// are those of before, as cookies_rotations has them.
	SecretKeyBase string
	Digest        Digest
	CBC           bool
	Rotated       []Secret

	// Redis has the sessions, if the cookie has not: the cookie is then an id in the
	// clear, as with :redis_store. Nil means that the cookie has them.
	Redis bridge.KV
	// RedisPrefix is what stands before "2::" in keys, such as "rack:session:".
	RedisPrefix string
	// Marshal says that Issue writes records as Marshal, as redis-store does by
	// default, and not as JSON. Both are read.
	Marshal bool

	// UserKey is the key under which the application keeps who is logged in, such as
	// "user_id". Required.
	UserKey string
	// UserIsNumber says that Issue writes the user as a number.
	UserIsNumber bool
	// EncryptedPassword is for Devise, with UserKey "warden.user.user.key", in whose
	// middle is Devise's scope. It returns the column encrypted_password of the user
	// with this primary key, as it is now; empty if there is none, or one that may not
	// log in. A session of another password has ended, as in Devise. Nil means that
	// the application does without Devise: its logins are an error that says so.
	EncryptedPassword func(ctx context.Context, user string) (string, error)

	// Cookie is the cookie's name: key of config.session_store. Required.
	Cookie string
	// Policy is the cookie's. To replace that of Rails, Path and Domain must be as
	// there. Zero SameSite is Lax here, as it is there. MaxAge must be zero.
	Policy cookie.Policy
	// ExpireAfter is expire_after of config.session_store. Zero, as by default in
	// Rails, is a cookie until the browser closes, which never expires by itself, and
	// a record in Redis that stays.
	ExpireAfter time.Duration
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Config) Format(f fmt.State, _ rune) { io.WriteString(f, "{rails.Config}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (c Config) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

func (c Config) validate() error {
	switch {
	case c.Cookie == "":
		return errors.New("bridge: rails.Config.Cookie is empty; want the key of config.session_store")
	case c.UserKey == "":
		return errors.New("bridge: rails.Config.UserKey is empty; want the key of the user")
	case c.Redis == nil && c.SecretKeyBase == "":
		return errors.New("bridge: rails.Config.SecretKeyBase is empty; want secret_key_base")
	case c.ExpireAfter < 0:
		return fmt.Errorf("bridge: rails.Config.ExpireAfter is %v; want >= 0", c.ExpireAfter)
	}
	for i, s := range append([]Secret{{KeyBase: "x", Digest: c.Digest}}, c.Rotated...) {
		if s.KeyBase == "" {
			return fmt.Errorf("bridge: rails.Config.Rotated[%d].KeyBase is empty", i-1)
		}
		if s.Digest != SHA256 && s.Digest != SHA1 {
			return errors.New("bridge: a Digest in rails.Config is neither SHA256 nor SHA1")
		}
	}
	return nil
}
