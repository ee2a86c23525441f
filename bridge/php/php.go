// Package php reads and writes the sessions of PHP itself, by New, and those of
// Laravel, by NewLaravel. What serialize wrote is read as data: numbers, strings,
// arrays, booleans and null. A value with an object, an enumeration or a reference in
// it is left out and named.
//
// PHP's own files are locked by whoever uses a session, and so they are here. With
// phpredis a lock is an option there (redis.session.locking_enabled), which this
// package does not take; Laravel has none by default. Without a lock nothing protects
// against lost updates: the last of two requests that run at once wins.
package php

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/bridge/internal/phpdata"
	"github.com/coatcheck/coatcheck/cookie"
)

// Config says what PHP is configured to. The comments name the settings of php.ini.
type Config struct {
	// Store is session.save_handler and session.save_path: Files or Redis. Required.
	Store bridge.KV

	// Handler is session.serialize_handler.
	Handler Handler

	// UserKey is where the application keeps who is logged in: a name in $_SESSION, or
	// several with dots between them, for one within arrays. Required.
	UserKey string

	// NumericUser writes the user as a number. Numbers are read either way.
	NumericUser bool

	// CSRFKey is the name in $_SESSION of the application's CSRF token. Empty is none.
	CSRFKey string

	// Name is session.name, the cookie's. Empty is "PHPSESSID".
	Name string

	// Policy is the cookie's. To replace that of the application, Path and Domain
	// must be as there. MaxAge must be zero.
	Policy cookie.Policy

	// MaxLifetime is session.gc_maxlifetime, the time without use after which PHP may
	// take a session away. Zero is 24 minutes, as there. A file that is older is not
	// read, although PHP would read it until it clears away.
	MaxLifetime time.Duration

	// CookieLifetime is session.cookie_lifetime. Zero is until the browser closes.
	CookieLifetime time.Duration
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Config) Format(f fmt.State, _ rune) { io.WriteString(f, "{php.Config}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (c Config) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// A Source is the sessions of one PHP application, made by New. It is a bridge.Source,
// a bridge.Identifier, a bridge.Opener and, where the store can list its keys, a bridge.Walker.
type Source struct {
	cfg    Config
	cookie *cookie.Raw
	user   foreign.Path
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Source) Format(f fmt.State, _ rune) { io.WriteString(f, "{php.Source}") }

// New checks cfg, whose errors name the field.
func New(cfg Config) (*Source, error) {
	if cfg.Name == "" {
		cfg.Name = "PHPSESSID"
	}
	if cfg.MaxLifetime == 0 {
		cfg.MaxLifetime = 24 * time.Minute
	}
	switch {
	case cfg.Store == nil:
		return nil, errors.New("bridge: php.Config.Store is nil; want php.Files or php.Redis")
	case cfg.UserKey == "":
		return nil, errors.New("bridge: php.Config.UserKey is empty; want the name of the user")
	case cfg.Handler < HandlerPHP || cfg.Handler > HandlerSerialize:
		return nil, fmt.Errorf("bridge: php.Config.Handler is %v; want HandlerPHP, HandlerBinary or HandlerSerialize", cfg.Handler)
	case cfg.MaxLifetime < 0:
		return nil, fmt.Errorf("bridge: php.Config.MaxLifetime is %v; want >= 0", cfg.MaxLifetime)
	case cfg.CookieLifetime < 0:
		return nil, fmt.Errorf("bridge: php.Config.CookieLifetime is %v; want >= 0", cfg.CookieLifetime)
	}
	cfg.Store = during(cfg.Store, cfg.MaxLifetime)
	raw, err := cookie.NewRaw(cfg.Name, cfg.Policy)
	if err != nil {
		return nil, fmt.Errorf("bridge: php.Config.Name or Policy: %w", err)
	}
	return &Source{cfg, raw, foreign.NewPath(cfg.UserKey)}, nil
}

// Redis is the store of phpredis's session handler. The prefix is that of its keys, as
// in ?prefix= of session.save_path; empty is "PHPREDIS_SESSION:", as there.
func Redis(kv bridge.KV, prefix string) bridge.KV {
	if prefix == "" {
		prefix = "PHPREDIS_SESSION:"
	}
	return foreign.Prefixed(kv, prefix)
}

// aging is a store that knows when a session was used, and not for how long it is good.
type aging interface {
	during(lifetime time.Duration) bridge.KV
}

func during(kv bridge.KV, lifetime time.Duration) bridge.KV {
	if a, ok := kv.(aging); ok {
		return a.during(lifetime)
	}
	return kv
}

const idChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-,"

// validID reports what PHP takes for an id. It is safe as the name of a file.
func validID(id string) bool {
	return id != "" && len(id) <= 256 && strings.Trim(id, idChars) == ""
}

// Recognize reports whether value has the form of an id of PHP, or of a cookie of
// Laravel.
func Recognize(value string) bool {
	return len(value) >= 22 && validID(value) || recognizeLaravel(value)
}

// Read implements bridge.Source.
func (s *Source) Read(r *http.Request) (bridge.Session, error) {
	value, err := foreign.Cookie(r, s.cfg.Name)
	if err != nil {
		return bridge.Session{}, err
	}
	return s.Open(r.Context(), value)
}

// Open implements bridge.Opener. value is the id: PHP signs nothing, and that the store
// has it is all that makes it genuine.
func (s *Source) Open(ctx context.Context, value string) (bridge.Session, error) {
	if !validID(value) {
		return bridge.Session{}, bridge.ErrForged
	}
	return s.load(ctx, value)
}

// Identity implements bridge.Identifier: what Read would give as Session.ID, without
// the store.
func (s *Source) Identity(r *http.Request) (string, error) {
	value, err := foreign.Cookie(r, s.cfg.Name)
	if err != nil {
		return "", err
	}
	if !validID(value) {
		return "", bridge.ErrForged
	}
	return identity(value), nil
}

func identity(id string) string { return "php:" + id }

func (s *Source) load(ctx context.Context, id string) (bridge.Session, error) {
	data, left, err := s.cfg.Store.Get(ctx, id)
	if err != nil {
		return bridge.Session{}, err
	}
	vars, err := s.cfg.Handler.decode(data)
	if beyond := (*bridge.RefusedError)(nil); errors.As(err, &beyond) {
		return bridge.Session{}, err
	}
	if err != nil {
		return bridge.Session{}, s.otherHandler(data)
	}
	if other, ok := s.cfg.Handler.ambiguous(data); ok {
		return bridge.Session{}, &bridge.SettingError{Setting: "php.Config.Handler", Want: other.String()}
	}
	session, err := open(vars, s.user, s.cfg.CSRFKey)
	session.ID, session.Stored = identity(id), true
	if left >= 0 {
		session.Expires = time.Now().Add(left)
	}
	return session, err
}

// otherHandler names the handler that would have read the session.
func (s *Source) otherHandler(data []byte) error {
	for _, other := range []Handler{HandlerSerialize, HandlerBinary, HandlerPHP} {
		if _, err := other.decode(data); err == nil {
			return &bridge.SettingError{Setting: "php.Config.Handler", Want: other.String()}
		}
	}
	return bridge.Refused("a record that none of PHP's handlers writes")
}

// open makes a session of variables.
func open(vars phpdata.Array, user foreign.Path, csrf string) (s bridge.Session, err error) {
	tree := make(map[string]any, len(vars))
	for _, e := range vars {
		tree[phpdata.KeyText(e.Key)] = e.Value
	}
	s.Values, s.Refused = foreign.Values(tree, phpdata.JSON)
	if what, ok := s.Refused[user[0]]; ok {
		return bridge.Session{}, bridge.Refused("a user that cannot be read: %s", what)
	}
	if csrf != "" {
		_ = json.Unmarshal(s.Values[csrf], &s.CSRF) // what is no text is no token
	}
	s.User, err = user.Get(s.Values)
	return s, err
}

// variables is the way back.
func variables(s bridge.Session, user foreign.Path, number bool, csrf string) (phpdata.Array, error) {
	values, err := user.Set(s.Values, s.User, number)
	if err != nil {
		return nil, err
	}
	if csrf != "" && s.CSRF != "" {
		if values[csrf], err = json.Marshal(s.CSRF); err != nil {
			return nil, err
		}
	}
	out := make(phpdata.Array, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v, err := phpdata.FromJSON(values[name])
		if err != nil {
			return nil, fmt.Errorf("bridge: the value %q is %w", name, err)
		}
		out = append(out, phpdata.Entry{Key: phpdata.Key(name), Value: v})
	}
	return out, nil
}

// Issue implements bridge.Source. Expires is not written: PHP counts from the last use.
func (s *Source) Issue(w http.ResponseWriter, r *http.Request, session bridge.Session) error {
	if !session.Expires.IsZero() && !time.Now().Before(session.Expires) {
		return bridge.ErrExpired
	}
	vars, err := variables(session, s.user, s.cfg.NumericUser, s.cfg.CSRFKey)
	if err != nil {
		return err
	}
	data, err := s.cfg.Handler.encode(vars)
	if err != nil {
		return fmt.Errorf("bridge: cannot write the session for PHP: %w", err)
	}
	id := hex.EncodeToString(random(16))
	if err := s.cfg.Store.Set(r.Context(), id, data, s.cfg.MaxLifetime); err != nil {
		return err
	}
	if err := s.drop(r); err != nil {
		return err
	}
	return foreign.Write(w, s.cookie, id, s.cfg.CookieLifetime)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// End implements bridge.Source.
func (s *Source) End(w http.ResponseWriter, r *http.Request) error {
	if err := s.drop(r); err != nil {
		return err
	}
	foreign.Clear(w, s.cookie)
	return nil
}

// drop ends the session of the request in the store.
func (s *Source) drop(r *http.Request) error {
	value, err := foreign.Cookie(r, s.cfg.Name)
	if err != nil || !validID(value) {
		return nil
	}
	return s.cfg.Store.Del(r.Context(), value)
}

// All implements bridge.Walker.
func (s *Source) All(ctx context.Context) iter.Seq2[bridge.Session, error] {
	return foreign.Walk(ctx, s.cfg.Store, "", s.load)
}
