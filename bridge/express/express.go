// Package express reads and writes the sessions of Express: those of express-session
// with connect-redis, by New, and those of cookie-session, by NewCookie. Passport keeps
// its user in either. Nothing protects either against lost updates: the last of two
// requests that run at once wins.
package express

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/cookie"
)

// Config says what express-session and connect-redis are configured to.
type Config struct {
	// Secrets are express-session's secret, or all of them. The first writes. Required.
	Secrets []string

	// Store is where the sessions are: Redis(…). Required.
	Store bridge.KV

	// UserKey is where the application keeps who is logged in: a name, or several with
	// dots between them. Empty is "passport.user".
	UserKey string

	// NumericUser writes the user as a number. Numbers are read either way.
	NumericUser bool

	// Name is the cookie's name. Empty is "connect.sid".
	Name string

	// Policy is the cookie's. To replace that of the application, Path and Domain
	// must be as there. MaxAge must be zero.
	Policy cookie.Policy

	// MaxAge is cookie.maxAge there, the lifetime of a session that Issue makes. Zero is
	// until the browser closes, as there: the record then lives for TTL.
	MaxAge time.Duration

	// TTL is connect-redis's ttl, for sessions without a MaxAge. Zero is 24 hours.
	TTL time.Duration
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Config) Format(f fmt.State, _ rune) { io.WriteString(f, "{express.Config}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (c Config) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// A Source is the sessions of express-session, made by New. It is a bridge.Source,
// a bridge.Identifier, a bridge.Opener and, where the store can list its keys, a bridge.Walker.
type Source struct {
	cfg    Config
	cookie *cookie.Raw
	user   foreign.Path
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Source) Format(f fmt.State, _ rune) { io.WriteString(f, "{express.Source}") }

// New checks cfg, whose errors name the field.
func New(cfg Config) (*Source, error) {
	if cfg.UserKey == "" {
		cfg.UserKey = passportUser
	}
	if cfg.Name == "" {
		cfg.Name = "connect.sid"
	}
	if cfg.TTL == 0 {
		cfg.TTL = 24 * time.Hour
	}
	switch {
	case cfg.Store == nil:
		return nil, errors.New("bridge: express.Config.Store is nil; want express.Redis")
	case cfg.MaxAge < 0:
		return nil, fmt.Errorf("bridge: express.Config.MaxAge is %v; want >= 0", cfg.MaxAge)
	case cfg.TTL < 0:
		return nil, fmt.Errorf("bridge: express.Config.TTL is %v; want >= 0", cfg.TTL)
	}
	if err := checkSecrets(cfg.Secrets); err != nil {
		return nil, fmt.Errorf("bridge: express.Config.Secrets: %w", err)
	}
	raw, err := cookie.NewRaw(cfg.Name, cfg.Policy)
	if err != nil {
		return nil, fmt.Errorf("bridge: express.Config.Policy: %w", err)
	}
	return &Source{cfg, raw, foreign.NewPath(cfg.UserKey)}, nil
}

const passportUser = "passport.user"

func checkSecrets(list []string) error {
	if len(list) == 0 {
		return errors.New("there is none")
	}
	for i, secret := range list {
		if secret == "" {
			return fmt.Errorf("that at index %d is empty", i)
		}
	}
	return nil
}

// Redis is the store of connect-redis. The prefix is that of its keys; empty is "sess:",
// as there.
func Redis(kv bridge.KV, prefix string) bridge.KV {
	if prefix == "" {
		prefix = "sess:"
	}
	return foreign.Prefixed(kv, prefix)
}

// Recognize reports whether value has the form of a cookie of express-session. One of
// cookie-session has no form of its own: it is base64.
func Recognize(value string) bool {
	_, err := unsign(value, nil)
	return !errors.Is(err, errShape)
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
	id, err := s.verify(value)
	if err != nil {
		return bridge.Session{}, err
	}
	return s.load(ctx, id)
}

// Identity implements bridge.Identifier: what Read would give as Session.ID, without
// the store.
func (s *Source) Identity(r *http.Request) (string, error) {
	value, err := foreign.Cookie(r, s.cfg.Name)
	if err != nil {
		return "", err
	}
	id, err := s.verify(value)
	return identity(id), err
}

func identity(id string) string { return "express:s:" + id }

// verify gives the id that a cookie was signed for.
func (s *Source) verify(value string) (string, error) {
	id, err := unsign(value, s.cfg.Secrets)
	switch {
	case errors.Is(err, errSigned):
		return "", &bridge.SettingError{Setting: "express.Config.Secrets"}
	case err != nil:
		return "", bridge.ErrForged
	}
	return id, nil
}

// load reads a record. When it ends its store says alone: connect-redis's touch moves
// that and leaves the cookie.expires within the record as it was.
func (s *Source) load(ctx context.Context, id string) (bridge.Session, error) {
	data, left, err := s.cfg.Store.Get(ctx, id)
	if err != nil {
		return bridge.Session{}, err
	}
	values, err := object(data)
	if err != nil {
		return bridge.Session{}, err
	}
	if _, ok := values["cookie"]; !ok {
		return bridge.Session{}, bridge.Refused("a record without express-session's cookie")
	}
	delete(values, "cookie")
	session := bridge.Session{ID: identity(id), Values: values, Stored: true}
	if left >= 0 {
		session.Expires = time.Now().Add(left)
	}
	session.User, err = s.user.Get(values)
	return session, err
}

// object reads what JSON.stringify made of a session.
func object(data []byte) (values map[string]json.RawMessage, _ error) {
	if err := foreign.Measure(data); err != nil {
		return nil, err
	}
	if json.Unmarshal(data, &values) != nil || values == nil {
		return nil, bridge.Refused("a record that is no JSON object")
	}
	return values, nil
}

// record is the cookie that express-session keeps in a record. It makes the next
// Set-Cookie from it.
type record struct {
	OriginalMaxAge *int64  `json:"originalMaxAge"`
	Expires        *string `json:"expires"`
	Secure         bool    `json:"secure"`
	HTTPOnly       bool    `json:"httpOnly"`
	Domain         string  `json:"domain,omitempty"`
	Path           string  `json:"path"`
	SameSite       string  `json:"sameSite"`
}

func (s *Source) record(expires time.Time, maxAge time.Duration) record {
	p := s.cfg.Policy
	rec := record{Secure: !p.AllowInsecureHTTP, HTTPOnly: !p.AllowScripts, Domain: p.Domain, Path: p.Path, SameSite: "strict"}
	if rec.Path == "" {
		rec.Path = "/"
	}
	switch p.SameSite {
	case http.SameSiteLaxMode:
		rec.SameSite = "lax"
	case http.SameSiteNoneMode:
		rec.SameSite = "none"
	}
	if maxAge > 0 {
		ms, text := maxAge.Milliseconds(), expires.UTC().Format("2006-01-02T15:04:05.000Z")
		rec.OriginalMaxAge, rec.Expires = &ms, &text
	}
	return rec
}

// Issue implements bridge.Source.
func (s *Source) Issue(w http.ResponseWriter, r *http.Request, session bridge.Session) error {
	now := time.Now()
	maxAge := s.cfg.MaxAge
	if !session.Expires.IsZero() {
		if maxAge = session.Expires.Sub(now); maxAge <= 0 {
			return bridge.ErrExpired
		}
	}
	if _, ok := session.Values["cookie"]; ok {
		return errors.New(`bridge: express-session cannot hold a value of the name "cookie"`)
	}
	values, err := s.user.Set(session.Values, session.User, s.cfg.NumericUser)
	if err != nil {
		return err
	}
	if values["cookie"], err = json.Marshal(s.record(now.Add(maxAge), maxAge)); err != nil {
		return err
	}
	data, err := json.Marshal(values)
	if err != nil {
		return fmt.Errorf("bridge: cannot write the session for Express: %w", err)
	}
	left := maxAge
	if left == 0 {
		left = s.cfg.TTL
	}
	id := newID()
	if err := s.cfg.Store.Set(r.Context(), id, data, left); err != nil {
		return err
	}
	if err := s.drop(r); err != nil {
		return err
	}
	return foreign.Write(w, s.cookie, sign(id, s.cfg.Secrets[0]), maxAge)
}

// newID is one as express-session makes it.
func newID() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
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
	if err != nil {
		return nil
	}
	id, err := unsign(value, s.cfg.Secrets)
	if err != nil {
		return nil
	}
	return s.cfg.Store.Del(r.Context(), id)
}

// All implements bridge.Walker.
func (s *Source) All(ctx context.Context) iter.Seq2[bridge.Session, error] {
	return foreign.Walk(ctx, s.cfg.Store, "", s.load)
}
