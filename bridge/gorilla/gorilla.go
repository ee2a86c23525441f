// Package gorilla reads and writes the sessions of github.com/gorilla/sessions and of
// github.com/gin-contrib/sessions, which stands on it: all values in a cookie of
// securecookie, or an id in it and the values in the Redis of boj/redistore. Nothing
// protects either against lost updates: the last of two requests that run at once wins.
// A cookie that holds all values stays valid as a copy after a logout, here and there,
// until its MaxAge.
package gorilla

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/cookie"
)

// NoMaxAge is a Config.MaxAge for an application that has set its codecs' MaxAge to 0.
const NoMaxAge time.Duration = -1

// Config says what the gorilla application is configured to.
type Config struct {
	// Keys are what it passes to its store, two by two. The first pair writes, all
	// read. Required.
	Keys []KeyPair

	// Name is the session's, which is the cookie's too. Required.
	Name string

	// UserKey is the key under which it keeps who is logged in. Required.
	UserKey string

	// Store is where it keeps the values if not in the cookie: Redis(…). Nil is in
	// the cookie.
	Store bridge.KV

	// Serializer is that of the cookie. Nil is Gob{}, as in securecookie.
	Serializer Serializer

	// RecordSerializer is that of the records in Store. Nil is Gob{}, as in redistore.
	RecordSerializer Serializer

	// MaxAge is how old a cookie may be, as the application's codecs have it: what was
	// set by the store's MaxAge or SetMaxAge. Setting Options.MaxAge, as in
	// gin-contrib/sessions, changes the browser's cookie only. Zero is 30 days, the
	// default there; NoMaxAge is any age.
	MaxAge time.Duration

	// Lifetime is that of a session that Issue makes. Zero is MaxAge, or 30 days.
	Lifetime time.Duration

	// Policy is the cookie's. To replace that of the application, Path and Domain
	// must be as there. MaxAge must be zero: it follows from Lifetime.
	Policy cookie.Policy
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Config) Format(f fmt.State, _ rune) { io.WriteString(f, "{gorilla.Config}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (c Config) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// A Source is the sessions of one gorilla application, made by New. It is a
// bridge.Source, a bridge.Identifier, a bridge.Opener and, where Store can list its keys, a bridge.Walker.
type Source struct {
	cfg    Config
	cookie *cookie.Raw
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Source) Format(f fmt.State, _ rune) { io.WriteString(f, "{gorilla.Source}") }

const month = 30 * 24 * time.Hour

// New checks cfg, whose errors name the field.
func New(cfg Config) (*Source, error) {
	if cfg.Serializer == nil {
		cfg.Serializer = Gob{}
	}
	if cfg.RecordSerializer == nil {
		cfg.RecordSerializer = Gob{}
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = month
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = month
		if cfg.MaxAge > 0 {
			cfg.Lifetime = cfg.MaxAge
		}
	}
	switch {
	case len(cfg.Keys) == 0:
		return nil, errors.New("bridge: gorilla.Config.Keys is empty; want the keys of the application")
	case cfg.UserKey == "":
		return nil, errors.New("bridge: gorilla.Config.UserKey is empty; want the key of the user")
	case cfg.MaxAge < 0 && cfg.MaxAge != NoMaxAge:
		return nil, fmt.Errorf("bridge: gorilla.Config.MaxAge is %v; want >= 0, or NoMaxAge", cfg.MaxAge)
	case cfg.Lifetime < 0:
		return nil, fmt.Errorf("bridge: gorilla.Config.Lifetime is %v; want >= 0", cfg.Lifetime)
	}
	for i, pair := range cfg.Keys {
		if err := pair.check(); err != nil {
			return nil, fmt.Errorf("bridge: gorilla.Config.Keys[%d]: %w", i, err)
		}
	}
	raw, err := cookie.NewRaw(cfg.Name, cfg.Policy)
	if err != nil {
		return nil, fmt.Errorf("bridge: gorilla.Config.Name or Policy: %w", err)
	}
	return &Source{cfg, raw}, nil
}

// Redis is the store of boj/redistore. The prefix is that of its keys; empty is
// "session_", as there.
func Redis(kv bridge.KV, prefix string) bridge.KV {
	if prefix == "" {
		prefix = "session_"
	}
	return foreign.Prefixed(kv, prefix)
}

// Recognize reports whether value has the form of a securecookie.
func Recognize(value string) bool {
	_, _, _, err := parse(value)
	return err == nil
}

// Read implements bridge.Source.
func (s *Source) Read(r *http.Request) (bridge.Session, error) {
	value, err := foreign.Cookie(r, s.cfg.Name)
	if err != nil {
		return bridge.Session{}, err
	}
	return s.Open(r.Context(), value)
}

// Open implements bridge.Opener.
func (s *Source) Open(ctx context.Context, value string) (bridge.Session, error) {
	o, err := s.verify(value)
	if err != nil {
		return bridge.Session{}, err
	}
	if s.cfg.Store != nil {
		id, err := s.id(o.payload)
		if err != nil {
			return bridge.Session{}, err
		}
		session, err := s.load(ctx, id)
		if end := s.end(o.at); err == nil && !end.IsZero() && (session.Expires.IsZero() || end.Before(session.Expires)) {
			session.Expires = end
		}
		return session, err
	}
	session, err := s.decode("gorilla.Config.Serializer", s.cfg.Serializer, o.payload)
	sum := sha256.Sum256(o.signed)
	session.ID = "gorilla:" + base64.RawURLEncoding.EncodeToString(sum[:])
	session.Written, session.Expires, session.Fixed = o.at, s.end(o.at), s.cfg.MaxAge != NoMaxAge
	return session, err
}

// Identity implements bridge.Identifier: what Read would give as Session.ID, without
// the store.
func (s *Source) Identity(r *http.Request) (string, error) {
	value, err := foreign.Cookie(r, s.cfg.Name)
	if err != nil {
		return "", err
	}
	if s.cfg.Store == nil {
		session, err := s.Open(r.Context(), value)
		return session.ID, err
	}
	o, err := s.verify(value)
	if err != nil {
		return "", err
	}
	id, err := s.id(o.payload)
	return identity(id), err
}

func identity(id string) string { return "gorilla:" + id }

// end is when a cookie of that time is too old.
func (s *Source) end(at time.Time) time.Time {
	if s.cfg.MaxAge == NoMaxAge {
		return time.Time{}
	}
	return at.Add(s.cfg.MaxAge)
}

// verify opens the cookie with the first of the keys that has signed it.
func (s *Source) verify(value string) (opened, error) {
	for i, pair := range s.cfg.Keys {
		o, err := pair.open(s.cfg.Name, value)
		switch {
		case errors.Is(err, errMAC):
			continue
		case errors.Is(err, errHash):
			return opened{}, bridge.Refused("a signature of another size than that of HMAC-SHA-256")
		case errors.Is(err, errBlock):
			return opened{}, &bridge.SettingError{Setting: fmt.Sprintf("gorilla.Config.Keys[%d].Block", i)}
		case err != nil:
			return opened{}, bridge.ErrForged
		}
		if end := s.end(o.at); !end.IsZero() && time.Now().After(end.Add(time.Second)) {
			return opened{}, bridge.ErrExpired
		}
		return o, nil
	}
	return opened{}, &bridge.SettingError{Setting: "gorilla.Config.Keys"}
}

// id reads the id that a cookie holds where the values are in a store.
func (s *Source) id(payload []byte) (string, error) {
	id, err := s.cfg.Serializer.text(payload)
	if err == nil && id != "" {
		return id, nil
	}
	if _, _, err := s.cfg.Serializer.decode(payload); err == nil {
		return "", &bridge.SettingError{Setting: "gorilla.Config.Store", Want: "nil"}
	}
	for _, other := range []Serializer{Gob{}, JSON{}} {
		if _, err := other.text(payload); err == nil {
			return "", &bridge.SettingError{Setting: "gorilla.Config.Serializer", Want: fmt.Sprintf("%T", other)}
		}
	}
	return "", &bridge.SettingError{Setting: "gorilla.Config.Keys", Want: "another Block"}
}

// decode reads the values, or names the setting by which they would be read.
func (s *Source) decode(setting string, by Serializer, payload []byte) (bridge.Session, error) {
	values, refused, err := by.decode(payload)
	if tooMuch := (*bridge.RefusedError)(nil); errors.As(err, &tooMuch) {
		return bridge.Session{}, err
	}
	if err != nil {
		for _, other := range []Serializer{Gob{}, JSON{}} {
			if _, _, err := other.decode(payload); err == nil {
				return bridge.Session{}, &bridge.SettingError{Setting: setting, Want: fmt.Sprintf("%T", other)}
			}
		}
		if id, err := by.text(payload); err == nil && id != "" && s.cfg.Store == nil {
			return bridge.Session{}, &bridge.SettingError{Setting: "gorilla.Config.Store", Want: "a store, by its id,"}
		}
		// The signature is right: what is inside was encrypted, or is another format.
		return bridge.Session{}, &bridge.SettingError{Setting: "gorilla.Config.Keys", Want: "another Block"}
	}
	if what, ok := refused[s.cfg.UserKey]; ok {
		return bridge.Session{}, bridge.Refused("a user that cannot be read: %s", what)
	}
	user, err := foreign.User(values[s.cfg.UserKey])
	return bridge.Session{User: user, Values: values, Refused: refused}, err
}

// load reads a record of the store.
func (s *Source) load(ctx context.Context, id string) (bridge.Session, error) {
	data, left, err := s.cfg.Store.Get(ctx, id)
	if err != nil {
		return bridge.Session{}, err
	}
	session, err := s.decode("gorilla.Config.RecordSerializer", s.cfg.RecordSerializer, data)
	session.ID, session.Stored = identity(id), true
	if left >= 0 {
		session.Expires = time.Now().Add(left)
	}
	return session, err
}

// Issue implements bridge.Source. The format has no expiry of its own within MaxAge:
// where the values are in the cookie, an earlier end than that is the browser's alone.
func (s *Source) Issue(w http.ResponseWriter, r *http.Request, session bridge.Session) error {
	now := time.Now()
	lifetime := s.cfg.Lifetime
	if !session.Expires.IsZero() {
		lifetime = session.Expires.Sub(now)
	}
	if lifetime <= 0 {
		return bridge.ErrExpired
	}
	by := s.cfg.Serializer
	if s.cfg.Store != nil {
		by = s.cfg.RecordSerializer
	}
	values := maps.Clone(session.Values)
	delete(values, s.cfg.UserKey)
	payload, err := by.encode(values, s.cfg.UserKey, session.User)
	if err != nil {
		return fmt.Errorf("bridge: cannot write the session for gorilla: %w", err)
	}
	id := ""
	record := payload
	if s.cfg.Store != nil {
		id = newID()
		if payload, err = s.cfg.Serializer.encodeText(id); err != nil {
			return err
		}
	}
	value, err := s.cfg.Keys[0].seal(s.cfg.Name, payload, now)
	if err != nil {
		return err
	}
	if _, err := s.cookie.Line(value, 0); err != nil { // before anything is stored
		return fmt.Errorf("bridge: cannot write the session for gorilla: %w", err)
	}
	if id != "" {
		if err := s.cfg.Store.Set(r.Context(), id, record, lifetime); err != nil {
			return err
		}
		if err := s.drop(r); err != nil {
			return err
		}
	}
	return foreign.Write(w, s.cookie, value, lifetime)
}

// newID is one as redistore makes it.
func newID() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])
}

// End implements bridge.Source.
func (s *Source) End(w http.ResponseWriter, r *http.Request) error {
	if err := s.drop(r); err != nil {
		return err
	}
	foreign.Clear(w, s.cookie)
	return nil
}

// drop ends the session of the request in the store, if there is one.
func (s *Source) drop(r *http.Request) error {
	if s.cfg.Store == nil {
		return nil
	}
	value, err := foreign.Cookie(r, s.cfg.Name)
	if err != nil {
		return nil
	}
	o, err := s.verify(value)
	if err != nil {
		return nil
	}
	id, err := s.id(o.payload)
	if err != nil {
		return nil
	}
	return s.cfg.Store.Del(r.Context(), id)
}

// All implements bridge.Walker. Where the values are in cookies it is
// errors.ErrUnsupported.
func (s *Source) All(ctx context.Context) iter.Seq2[bridge.Session, error] {
	return foreign.Walk(ctx, s.cfg.Store, "", s.load)
}
