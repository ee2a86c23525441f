package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/sqlstore"
)

// An Engine is a SESSION_ENGINE of Django. The zero value is none.
type Engine int

// The engines: where a session is.
const (
	SignedCookies Engine = iota + 1 // in the cookie itself
	DB                              // in the table django_session; Django's default
	Cache                           // in the cache, as a pickle
	CachedDB                        // in the table, and in the cache as a copy
)

// Config says how the Django application is configured: the comments name its
// settings. Engine and SecretKey are needed, and what the engine keeps sessions in.
type Config struct {
	Engine             Engine   // SESSION_ENGINE
	SecretKey          string   // SECRET_KEY: what is issued is signed with it
	SecretKeyFallbacks []string // SECRET_KEY_FALLBACKS

	// DB and Dialect are the database of the engines DB and CachedDB. The *sql.DB
	// stays the caller's.
	DB      *sql.DB
	Dialect sqlstore.Dialect
	// Table is the table of sessions. Empty means "django_session".
	Table string
	// Location is what TIME_ZONE names where USE_TZ is False and the database is
	// SQLite or MySQL, whose columns have no zone. Nil means UTC, as of USE_TZ.
	Location *time.Location

	// Cache is the Redis of the engines Cache and CachedDB: Django's own backend or
	// django-redis, with their serializer pickle and without a compressor.
	Cache bridge.KV
	// CachePrefix and CacheVersion are KEY_PREFIX and VERSION of CACHES. Zero means
	// none and 1.
	CachePrefix  string
	CacheVersion int

	// PasswordHash returns the column password of the user with this primary key, as
	// it is now; empty if there is none or is_active is False. A session whose
	// _auth_user_hash is of another has ended, as in Django: a change of the
	// password ends sessions. Nil means that this is not checked, and that Issue
	// refuses a user: Django takes no login without the hash.
	PasswordHash func(ctx context.Context, user string) (string, error)
	// Backend is what Issue writes as _auth_user_backend. Empty means
	// "django.contrib.auth.backends.ModelBackend".
	Backend string

	// Cookie is SESSION_COOKIE_NAME. Empty means "sessionid".
	Cookie string
	// Policy is the cookie's. To replace that of Django, Path and Domain must be
	// SESSION_COOKIE_PATH and SESSION_COOKIE_DOMAIN. Zero SameSite is Lax here, as it
	// is there. MaxAge must be zero: it follows from CookieAge.
	Policy cookie.Policy
	// CookieAge is SESSION_COOKIE_AGE. 0 means two weeks.
	CookieAge  time.Duration
	CSRFCookie string // CSRF_COOKIE_NAME; empty means "csrftoken"
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Config) Format(f fmt.State, _ rune) { io.WriteString(f, "{django.Config}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (c Config) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// withDefaults returns the Config as New uses it.
func (c Config) withDefaults() Config {
	text := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	text(&c.Table, "django_session")
	text(&c.Backend, "django.contrib.auth.backends.ModelBackend")
	text(&c.Cookie, "sessionid")
	text(&c.CSRFCookie, "csrftoken")
	if c.Location == nil {
		c.Location = time.UTC
	}
	if c.CookieAge == 0 {
		c.CookieAge = 14 * 24 * time.Hour
	}
	if c.Policy.SameSite == 0 {
		c.Policy.SameSite = http.SameSiteLaxMode
	}
	if c.CacheVersion == 0 {
		c.CacheVersion = 1
	}
	return c
}

// validate names the field that cannot work.
func (c Config) validate() error {
	switch {
	case c.Engine < SignedCookies || c.Engine > CachedDB:
		return errors.New("bridge: django.Config.Engine is none of SignedCookies, DB, Cache, CachedDB")
	case c.SecretKey == "":
		return errors.New("bridge: django.Config.SecretKey is empty; want Django's SECRET_KEY")
	case c.inDB() && c.DB == nil:
		return errors.New("bridge: django.Config.DB is nil; the engine keeps sessions there")
	case c.inDB() && (c.Dialect < sqlstore.SQLite || c.Dialect > sqlstore.MySQL):
		return errors.New("bridge: django.Config.Dialect is none of SQLite, PostgreSQL, MySQL")
	case c.inDB() && !identifier(c.Table):
		return errors.New("bridge: django.Config.Table is no name of letters, digits and _; schema.table is one, too")
	case c.inCache() && c.Cache == nil:
		return errors.New("bridge: django.Config.Cache is nil; the engine keeps sessions there")
	case c.CookieAge < time.Second:
		return fmt.Errorf("bridge: django.Config.CookieAge is %v; want at least a second", c.CookieAge)
	}
	for i, secret := range c.SecretKeyFallbacks {
		if secret == "" {
			return fmt.Errorf("bridge: django.Config.SecretKeyFallbacks[%d] is empty", i)
		}
	}
	return nil
}

func (c Config) inDB() bool    { return c.Engine == DB || c.Engine == CachedDB }
func (c Config) inCache() bool { return c.Engine == Cache || c.Engine == CachedDB }

// identifier reports whether a table's name can stand in a statement as it is.
func identifier(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || part[0] >= '0' && part[0] <= '9' {
			return false
		}
		for _, r := range part {
			if r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
				return false
			}
		}
	}
	return true
}
