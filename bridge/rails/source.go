package rails

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/cookie"
)

// The entries that Rails itself writes.
const (
	keySession = "session_id"
	keyCSRF    = "_csrf_token"
)

// A Source is the sessions of one Rails application, made by New: a bridge.Source,
// a bridge.Identifier, a bridge.Opener and, with a Redis that can list its keys, a bridge.Walker.
type Source struct {
	config     Config
	cookie     *cookie.Raw
	encryptors []*encryptor
	diagnoses  func() []diagnosis
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Source) Format(f fmt.State, _ rune) { io.WriteString(f, "{rails.Source}") }

// New checks the Config, whose errors name the field, and derives its keys.
func New(c Config) (*Source, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Policy.SameSite == 0 {
		c.Policy.SameSite = http.SameSiteLaxMode
	}
	raw, err := cookie.NewRaw(c.Cookie, c.Policy)
	if err != nil {
		return nil, fmt.Errorf("bridge: rails.Config.Policy: %w", err)
	}
	s := &Source{config: c, cookie: raw}
	if c.Redis != nil {
		return s, nil
	}
	secrets := append([]Secret{{c.SecretKeyBase, c.Digest, c.CBC}}, c.Rotated...)
	s.diagnoses = sync.OnceValue(func() []diagnosis { return diagnoses(secrets) })
	for _, secret := range secrets {
		e, err := newEncryptor(secret)
		if err != nil {
			return nil, fmt.Errorf("bridge: rails: derive a key: %w", err)
		}
		s.encryptors = append(s.encryptors, e)
	}
	return s, nil
}

// Read is of bridge.Source.
func (s *Source) Read(r *http.Request) (bridge.Session, error) {
	value, err := foreign.Cookie(r, s.config.Cookie)
	if err != nil {
		return bridge.Session{}, err
	}
	return s.Open(r.Context(), value)
}

// Open is of bridge.Opener. The value is as it is on the wire, or with its percent
// signs decoded.
func (s *Source) Open(ctx context.Context, value string) (bridge.Session, error) {
	if len(value) > bridge.MaxCookie {
		return bridge.Session{}, bridge.Refused("a cookie of more than %d bytes", bridge.MaxCookie)
	}
	if s.config.Redis != nil {
		return s.openRecord(ctx, value)
	}
	message := unescape(value)
	for _, e := range s.encryptors {
		if plain, ok := e.open(message); ok {
			return s.session(ctx, plain)
		}
	}
	if sessionID(value) {
		return bridge.Session{}, &bridge.SettingError{Setting: "rails.Config.Redis", Want: "a store of sessions"}
	}
	return bridge.Session{}, s.why(message)
}

// Identity implements bridge.Identifier: what Read would give as Session.ID, without
// the store.
func (s *Source) Identity(r *http.Request) (string, error) {
	value, err := foreign.Cookie(r, s.config.Cookie)
	if err != nil {
		return "", err
	}
	if s.config.Redis == nil {
		session, err := s.Open(r.Context(), value)
		return session.ID, err
	}
	return identity(private(value)), isRecord(value)
}

func identity(id string) string { return "rails:" + id }

// unescape decodes percent signs, as Rack does. A value without is left alone.
func unescape(value string) string {
	if !strings.Contains(value, "%") {
		return value
	}
	if plain, err := url.QueryUnescape(value); err == nil {
		return plain
	}
	return value
}

// session makes a Session of what was decrypted.
func (s *Source) session(ctx context.Context, plain []byte) (bridge.Session, error) {
	message, expires, err := unwrap(plain, s.config.Cookie)
	if err != nil {
		return bridge.Session{}, err
	}
	values, err := decodeJSON(message)
	if err != nil {
		return bridge.Session{}, err
	}
	// The id of a session lasts from its start to reset_session, and the cookie is
	// another at every request.
	id := text(values[keySession])
	if id == "" {
		sum := sha256.Sum256(plain)
		id = "cookie:" + hex.EncodeToString(sum[:])
	}
	found, err := s.found(ctx, identity(id), values, nil, expires)
	found.IDStays = text(values[keySession]) != ""
	found.Fixed = !found.IDStays && !expires.IsZero()
	return found, err
}

func (s *Source) found(ctx context.Context, id string, values map[string]json.RawMessage, refused map[string]string, expires time.Time) (bridge.Session, error) {
	user, err := s.user(ctx, values[s.config.UserKey])
	if err != nil {
		return bridge.Session{}, err
	}
	return bridge.Session{
		ID: id, User: user, Values: values, Refused: refused, Expires: expires, CSRF: text(values[keyCSRF]),
	}, nil
}

func text(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s) // what is no text is none
	return s
}

// decodeJSON reads an object.
func decodeJSON(data []byte) (values map[string]json.RawMessage, err error) {
	if err := foreign.Measure(data); err != nil {
		return nil, err
	}
	if json.Unmarshal(data, &values) != nil || values == nil {
		return nil, bridge.Refused("contents that are no JSON object")
	}
	return values, nil
}

// Issue is of bridge.Source. Its session has an id of its own, and no CSRF token but
// Session.CSRF: Rails makes one when it needs one.
func (s *Source) Issue(w http.ResponseWriter, r *http.Request, session bridge.Session) error {
	left := s.config.ExpireAfter
	if !session.Expires.IsZero() {
		left = time.Until(session.Expires)
		if left <= 0 {
			return errors.New("bridge: rails: issue: Session.Expires is past")
		}
	}
	values, err := s.contents(r.Context(), session)
	if err != nil {
		return err
	}
	id := hex.EncodeToString(random(16))
	value := id
	if s.config.Redis != nil {
		if err := s.saveRecord(r.Context(), id, values, left); err != nil {
			return fmt.Errorf("bridge: rails: issue: %w", err)
		}
		if err := s.dropBrought(r); err != nil {
			return fmt.Errorf("bridge: rails: issue: the session before: %w", err)
		}
	} else {
		values[keySession], _ = json.Marshal(id) // text always marshals
		value, err = s.seal(values, left)
		if err != nil {
			return err
		}
	}
	return foreign.Write(w, s.cookie, value, left)
}

// maxCookie is what browsers keep of a name and a value; Rails keeps less.
const maxCookie = 4096

func (s *Source) seal(values map[string]json.RawMessage, left time.Duration) (string, error) {
	message, err := json.Marshal(values)
	if err != nil {
		return "", fmt.Errorf("bridge: rails: issue: a value is not JSON: %v", err)
	}
	var end time.Time
	if left > 0 {
		end = time.Now().Add(left)
	}
	value := url.QueryEscape(s.encryptors[0].seal(wrap(message, s.config.Cookie, end)))
	if n := len(s.config.Cookie) + len(value); n > maxCookie {
		return "", fmt.Errorf("bridge: rails: issue: the cookie has %d bytes; browsers keep %d", n, maxCookie)
	}
	return value, nil
}

func (s *Source) contents(ctx context.Context, session bridge.Session) (map[string]json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	maps.Copy(values, session.Values)
	for _, name := range []string{keySession, keyCSRF, s.config.UserKey} {
		delete(values, name)
	}
	if session.CSRF != "" {
		values[keyCSRF], _ = json.Marshal(session.CSRF) // text always marshals
	}
	if session.User == "" {
		return values, nil
	}
	user, err := s.userValue(ctx, session.User)
	values[s.config.UserKey] = user
	return values, err
}

// End is of bridge.Source. Where the cookie is the session, a copy of it stays valid
// in Rails: until ExpireAfter, or for ever where that is zero.
func (s *Source) End(w http.ResponseWriter, r *http.Request) error {
	if s.config.Redis != nil {
		if err := s.dropBrought(r); err != nil {
			return fmt.Errorf("bridge: rails: end: %w", err)
		}
	}
	foreign.Clear(w, s.cookie)
	return nil
}

// Recognize reports whether a cookie's value has the form of an encrypted cookie of
// Rails. An id of rack-session is 32 hexadecimal digits, as others have them, too.
func Recognize(value string) bool {
	return len(value) <= bridge.MaxCookie && (shape(unescape(value)) || sessionID(value))
}

// All is of bridge.Walker. Without a Redis that is a bridge.KeyWalker the error is
// errors.ErrUnsupported.
func (s *Source) All(ctx context.Context) iter.Seq2[bridge.Session, error] {
	keys, ok := s.config.Redis.(bridge.KeyWalker)
	if !ok {
		return func(yield func(bridge.Session, error) bool) {
			yield(bridge.Session{}, fmt.Errorf("bridge: rails: all sessions: %w", errors.ErrUnsupported))
		}
	}
	return s.walk(ctx, keys)
}
