// Package scs reads and writes the sessions of github.com/alexedwards/scs: its cookie
// holds a random token, its store a record in gob or JSON. Nothing protects a record
// against lost updates there: the last of two requests that run at once wins.
package scs

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/cookie"
)

// Config says what the scs application is configured to. Fields have the names that
// they have there.
type Config struct {
	// Store is where it keeps sessions: Redis or SQL. Required.
	Store bridge.KV

	// Codec is how it writes them. Nil is Gob{}, as in scs.
	Codec Codec

	// HashTokenInStore says that the store has the tokens' hashes.
	HashTokenInStore bool

	// UserKey is the key under which it keeps who is logged in. Required.
	UserKey string

	// Cookie is the cookie's name. Empty is "session".
	Cookie string

	// Policy is the cookie's. To replace that of the application, Path and Domain
	// must be as there. MaxAge must be zero: it follows from Lifetime.
	Policy cookie.Policy

	// Lifetime is that of a session that Issue makes. Zero is 24 hours, as in scs.
	Lifetime time.Duration

	// IdleTimeout ends a session earlier if it is not used. Zero is none, as in scs.
	IdleTimeout time.Duration

	// NotPersistent makes a cookie that goes when the browser is closed, as scs does
	// where Cookie.Persist is false.
	NotPersistent bool
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Config) Format(f fmt.State, _ rune) { io.WriteString(f, "{scs.Config}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (c Config) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// A Source is the sessions of one scs application, made by New. It is a bridge.Source,
// a bridge.Identifier, a bridge.Opener and, where the store can list its keys, a bridge.Walker.
type Source struct {
	cfg    Config
	cookie *cookie.Raw
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Source) Format(f fmt.State, _ rune) { io.WriteString(f, "{scs.Source}") }

// New checks cfg, whose errors name the field.
func New(cfg Config) (*Source, error) {
	if cfg.Codec == nil {
		cfg.Codec = Gob{}
	}
	if cfg.Cookie == "" {
		cfg.Cookie = "session"
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = 24 * time.Hour
	}
	switch {
	case cfg.Store == nil:
		return nil, errors.New("bridge: scs.Config.Store is nil; want scs.Redis or scs.SQL")
	case cfg.UserKey == "":
		return nil, errors.New("bridge: scs.Config.UserKey is empty; want the key of the user")
	case cfg.Lifetime < 0:
		return nil, fmt.Errorf("bridge: scs.Config.Lifetime is %v; want >= 0", cfg.Lifetime)
	case cfg.IdleTimeout < 0:
		return nil, fmt.Errorf("bridge: scs.Config.IdleTimeout is %v; want >= 0", cfg.IdleTimeout)
	}
	raw, err := cookie.NewRaw(cfg.Cookie, cfg.Policy)
	if err != nil {
		return nil, fmt.Errorf("bridge: scs.Config.Policy: %w", err)
	}
	return &Source{cfg, raw}, nil
}

// tokenSize is that of scs's tokens: 32 random bytes in base64url.
const tokenSize = 43

// Recognize reports whether value has the form of a token of scs.
func Recognize(value string) bool {
	if len(value) != tokenSize {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(value)
	return err == nil && !strings.ContainsAny(value, "\r\n")
}

// key is what the store has for a token.
func (s *Source) key(token string) string {
	if s.cfg.HashTokenInStore {
		return hashOf(token)
	}
	return token
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Read implements bridge.Source.
func (s *Source) Read(r *http.Request) (bridge.Session, error) {
	value, err := foreign.Cookie(r, s.cfg.Cookie)
	if err != nil {
		return bridge.Session{}, err
	}
	return s.Open(r.Context(), value)
}

// Open implements bridge.Opener. value is the token.
func (s *Source) Open(ctx context.Context, value string) (bridge.Session, error) {
	if !Recognize(value) {
		return bridge.Session{}, bridge.ErrForged
	}
	session, err := s.load(ctx, s.key(value))
	if errors.Is(err, bridge.ErrEnded) {
		return bridge.Session{}, s.misconfigured(ctx, value)
	}
	return session, err
}

// Identity implements bridge.Identifier: what Read would give as Session.ID, without
// the store.
func (s *Source) Identity(r *http.Request) (string, error) {
	value, err := foreign.Cookie(r, s.cfg.Cookie)
	if err != nil {
		return "", err
	}
	if !Recognize(value) {
		return "", bridge.ErrForged
	}
	return identity(s.key(value)), nil
}

func identity(key string) string { return "scs:" + key }

// misconfigured tells a session that the store has under another name from one that it
// has not. A hash that was taken from the store opens nothing either way.
func (s *Source) misconfigured(ctx context.Context, token string) error {
	other, want := hashOf(token), "true"
	if s.cfg.HashTokenInStore {
		other, want = token, "false"
	}
	if _, _, err := s.cfg.Store.Get(ctx, other); err == nil {
		return &bridge.SettingError{Setting: "scs.Config.HashTokenInStore", Want: want}
	}
	return bridge.ErrEnded
}

func (s *Source) load(ctx context.Context, key string) (bridge.Session, error) {
	data, left, err := s.cfg.Store.Get(ctx, key)
	if err != nil {
		return bridge.Session{}, err
	}
	deadline, values, refused, err := s.cfg.Codec.Decode(data)
	if err != nil {
		return bridge.Session{}, s.otherCodec(data, err)
	}
	expires := deadline
	if end := time.Now().Add(left); left >= 0 && end.Before(expires) {
		expires = end
	}
	if !time.Now().Before(expires) {
		return bridge.Session{}, bridge.ErrExpired
	}
	if what, ok := refused[s.cfg.UserKey]; ok {
		return bridge.Session{}, bridge.Refused("a user that cannot be read: %s", what)
	}
	user, err := foreign.User(values[s.cfg.UserKey])
	return bridge.Session{ID: identity(key), User: user, Values: values, Refused: refused, Stored: true, Expires: expires}, err
}

// otherCodec names the codec that would have read the record.
func (s *Source) otherCodec(data []byte, err error) error {
	if !errors.Is(err, errCodec) {
		return err
	}
	for _, other := range []Codec{Gob{}, JSON{}} {
		if _, _, _, err := other.Decode(data); err == nil {
			return &bridge.SettingError{Setting: "scs.Config.Codec", Want: fmt.Sprintf("%T", other)}
		}
	}
	return &bridge.SettingError{Setting: "scs.Config.Codec"}
}

// Issue implements bridge.Source.
func (s *Source) Issue(w http.ResponseWriter, r *http.Request, session bridge.Session) error {
	now := time.Now()
	deadline := session.Expires
	if deadline.IsZero() {
		deadline = now.Add(s.cfg.Lifetime)
	}
	expires := deadline
	if idle := now.Add(s.cfg.IdleTimeout); s.cfg.IdleTimeout > 0 && idle.Before(expires) {
		expires = idle
	}
	if !now.Before(expires) {
		return bridge.ErrExpired
	}
	values := maps.Clone(session.Values)
	delete(values, s.cfg.UserKey)
	data, err := s.cfg.Codec.Encode(deadline, values, s.cfg.UserKey, session.User)
	if err != nil {
		return fmt.Errorf("bridge: cannot write the session for scs: %w", err)
	}
	token := newToken()
	if err := s.cfg.Store.Set(r.Context(), s.key(token), data, expires.Sub(now)); err != nil {
		return err
	}
	if err := s.end(r); err != nil {
		return err
	}
	lifetime := expires.Sub(now)
	if s.cfg.NotPersistent {
		lifetime = 0
	}
	return foreign.Write(w, s.cookie, token, lifetime)
}

func newToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// End implements bridge.Source.
func (s *Source) End(w http.ResponseWriter, r *http.Request) error {
	if err := s.end(r); err != nil {
		return err
	}
	foreign.Clear(w, s.cookie)
	return nil
}

// end ends the session of the request in the store.
func (s *Source) end(r *http.Request) error {
	value, err := foreign.Cookie(r, s.cfg.Cookie)
	if err != nil || !Recognize(value) {
		return nil
	}
	return s.cfg.Store.Del(r.Context(), s.key(value))
}

// All implements bridge.Walker.
func (s *Source) All(ctx context.Context) iter.Seq2[bridge.Session, error] {
	return foreign.Walk(ctx, s.cfg.Store, "", s.load)
}

// A Codec is how an scs application writes a record: its deadline and its values. Gob
// and JSON are; a program whose application has a codec of its own writes these two.
type Codec interface {
	// Decode reads a record. Refused names values that were left out. The bytes
	// are hostile. What this codec did not write is any error but a
	// *bridge.RefusedError.
	Decode(data []byte) (deadline time.Time, values map[string]json.RawMessage, refused map[string]string, err error)

	// Encode writes one, with user under userKey beside the values, unless it is empty.
	Encode(deadline time.Time, values map[string]json.RawMessage, userKey, user string) ([]byte, error)
}
