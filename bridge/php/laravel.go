package php

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/bridge/internal/phpdata"
	"github.com/coatcheck/coatcheck/cookie"
)

// LaravelConfig says what a Laravel application is configured to. The comments name
// the settings there.
type LaravelConfig struct {
	// Keys are APP_KEY and then those of APP_PREVIOUS_KEYS, each as it stands there.
	// The first writes. Required.
	Keys []string

	// Cipher is app.cipher.
	Cipher Cipher

	// Store is session.driver: LaravelRedis, LaravelSQL or LaravelFiles. Required.
	Store bridge.KV

	// Encrypt is session.encrypt: the records are encrypted too.
	Encrypt bool

	// Guard is the guard that logs in. Empty is "web".
	Guard string

	// NumericUser writes the user as a number, as Laravel does where a user's key is
	// one. Numbers are read either way.
	NumericUser bool

	// Name is session.cookie. Empty is "laravel_session"; a new application has its own
	// name in it.
	Name string

	// Policy is the cookie's. To replace that of the application, Path and Domain
	// must be as there. MaxAge must be zero.
	Policy cookie.Policy

	// Lifetime is session.lifetime. Zero is 120 minutes, as there.
	Lifetime time.Duration

	// ExpireOnClose is session.expire_on_close.
	ExpireOnClose bool
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (LaravelConfig) Format(f fmt.State, _ rune) { io.WriteString(f, "{php.LaravelConfig}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (l LaravelConfig) MarshalText() ([]byte, error) { return fmt.Append(nil, l), nil }

// A LaravelSource is the sessions of one Laravel application, made by NewLaravel. It is
// a bridge.Source,
// a bridge.Identifier, a bridge.Opener and, where the store can list its keys, a
// bridge.Walker.
type LaravelSource struct {
	cfg    LaravelConfig
	keys   [][]byte
	cookie *cookie.Raw
	user   foreign.Path
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (LaravelSource) Format(f fmt.State, _ rune) { io.WriteString(f, "{php.LaravelSource}") }

// NewLaravel checks cfg, whose errors name the field.
func NewLaravel(cfg LaravelConfig) (*LaravelSource, error) {
	if cfg.Guard == "" {
		cfg.Guard = "web"
	}
	if cfg.Name == "" {
		cfg.Name = "laravel_session"
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = 2 * time.Hour
	}
	switch {
	case len(cfg.Keys) == 0:
		return nil, errors.New("bridge: php.LaravelConfig.Keys is empty; want APP_KEY")
	case !cfg.Cipher.valid():
		return nil, fmt.Errorf("bridge: php.LaravelConfig.Cipher is %v; want AES256CBC or another", cfg.Cipher)
	case cfg.Store == nil:
		return nil, errors.New("bridge: php.LaravelConfig.Store is nil; want LaravelRedis, LaravelSQL or LaravelFiles")
	case cfg.Lifetime < 0:
		return nil, fmt.Errorf("bridge: php.LaravelConfig.Lifetime is %v; want >= 0", cfg.Lifetime)
	}
	s := &LaravelSource{cfg: cfg}
	for i, text := range cfg.Keys {
		key, err := appKey(text, cfg.Cipher)
		if err != nil {
			return nil, fmt.Errorf("bridge: php.LaravelConfig.Keys[%d]: %w", i, err)
		}
		s.keys = append(s.keys, key)
	}
	s.cfg.Store = during(cfg.Store, cfg.Lifetime)
	// A guard's name has no dots that would be a path here: it is one name.
	sum := sha1.Sum([]byte(`Illuminate\Auth\SessionGuard`))
	s.user = foreign.Path{"login_" + cfg.Guard + "_" + hex.EncodeToString(sum[:])}
	var err error
	if s.cookie, err = cookie.NewRaw(cfg.Name, cfg.Policy); err != nil {
		return nil, fmt.Errorf("bridge: php.LaravelConfig.Name or Policy: %w", err)
	}
	return s, nil
}

const (
	tokenKey = "_token"
	idSize   = 40
	alnum    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

func recognizeLaravel(value string) bool {
	text, err := url.PathUnescape(value)
	if err != nil {
		return false
	}
	_, err = parseEnvelope(text)
	return err == nil
}

// Read implements bridge.Source.
func (s *LaravelSource) Read(r *http.Request) (bridge.Session, error) {
	value, err := foreign.Cookie(r, s.cfg.Name)
	if err != nil {
		return bridge.Session{}, err
	}
	return s.Open(r.Context(), value)
}

// Open implements bridge.Opener.
func (s *LaravelSource) Open(ctx context.Context, value string) (bridge.Session, error) {
	id, err := s.id(value)
	if err != nil {
		return bridge.Session{}, err
	}
	return s.load(ctx, id)
}

// Identity implements bridge.Identifier: what Read would give as Session.ID, without
// the store.
func (s *LaravelSource) Identity(r *http.Request) (string, error) {
	value, err := foreign.Cookie(r, s.cfg.Name)
	if err != nil {
		return "", err
	}
	id, err := s.id(value)
	return laravelIdentity(id), err
}

func laravelIdentity(id string) string { return "php:laravel:" + id }

// id decrypts the cookie.
func (s *LaravelSource) id(value string) (string, error) {
	text, err := url.PathUnescape(value)
	if err != nil {
		return "", bridge.ErrForged
	}
	plain, key, err := s.decrypt(text)
	if err != nil {
		return "", err
	}
	id, ok := strings.CutPrefix(string(plain), prefix(s.cfg.Name, key))
	switch {
	case !ok:
		return "", &bridge.SettingError{Setting: "php.LaravelConfig.Name"}
	case len(id) != idSize || strings.Trim(id, alnum) != "":
		return "", bridge.Refused("an id that is none of Laravel's")
	}
	return id, nil
}

// decrypt tries all keys, and gives the one that it was.
func (s *LaravelSource) decrypt(text string) (plain, key []byte, err error) {
	for _, key := range s.keys {
		plain, err := s.cfg.Cipher.decrypt(key, text)
		switch {
		case err == nil:
			return plain, key, nil
		case errors.Is(err, errCipher):
			return nil, nil, &bridge.SettingError{Setting: "php.LaravelConfig.Cipher", Want: s.cfg.Cipher.other().String()}
		case !errors.Is(err, errKey):
			return nil, nil, bridge.ErrForged
		}
	}
	return nil, nil, &bridge.SettingError{Setting: "php.LaravelConfig.Keys"}
}

func (s *LaravelSource) load(ctx context.Context, id string) (bridge.Session, error) {
	data, left, err := s.cfg.Store.Get(ctx, id)
	if err != nil {
		return bridge.Session{}, err
	}
	vars, err := s.variables(data)
	if err != nil {
		return bridge.Session{}, err
	}
	session, err := open(vars, s.user, tokenKey)
	session.ID, session.Stored = laravelIdentity(id), true
	if left >= 0 {
		session.Expires = time.Now().Add(left)
	}
	return session, err
}

// variables reads a record: an array that serialize wrote, perhaps encrypted.
func (s *LaravelSource) variables(data []byte) (phpdata.Array, error) {
	if s.cfg.Encrypt {
		plain, _, err := s.decrypt(string(data))
		if errors.Is(err, bridge.ErrForged) {
			return nil, &bridge.SettingError{Setting: "php.LaravelConfig.Encrypt", Want: "false"}
		}
		if err != nil {
			return nil, err
		}
		if data, err = unwrap(plain); err != nil {
			return nil, err
		}
	}
	vars, err := decodeArray(data)
	if err == nil {
		return vars, nil
	}
	if beyond := (*bridge.RefusedError)(nil); errors.As(err, &beyond) {
		return nil, err
	}
	if _, err := parseEnvelope(string(data)); err == nil {
		return nil, &bridge.SettingError{Setting: "php.LaravelConfig.Encrypt", Want: "true"}
	}
	return nil, bridge.Refused("a record that is not what PHP's serialize writes")
}

// unwrap reads a text that was serialized once more.
func unwrap(data []byte) ([]byte, error) {
	v, rest, err := phpdata.Decode(data)
	text, ok := v.(string)
	if err != nil || !ok || len(rest) > 0 {
		return nil, bridge.Refused("a record that is not what Laravel writes")
	}
	return []byte(text), nil
}

// Issue implements bridge.Source. Expires is not written: Laravel counts from the last
// use. A session without a CSRF token gets one there.
func (s *LaravelSource) Issue(w http.ResponseWriter, r *http.Request, session bridge.Session) error {
	if !session.Expires.IsZero() && !time.Now().Before(session.Expires) {
		return bridge.ErrExpired
	}
	vars, err := variables(session, s.user, s.cfg.NumericUser, tokenKey)
	if err != nil {
		return err
	}
	data := phpdata.Append(nil, vars)
	if s.cfg.Encrypt {
		text, err := s.cfg.Cipher.encrypt(s.keys[0], phpdata.Append(nil, string(data)))
		if err != nil {
			return err
		}
		data = []byte(text)
	}
	id := newLaravelID()
	value, err := s.cfg.Cipher.encrypt(s.keys[0], []byte(prefix(s.cfg.Name, s.keys[0])+id))
	if err != nil {
		return err
	}
	if err := s.cfg.Store.Set(r.Context(), id, data, s.cfg.Lifetime); err != nil {
		return err
	}
	if err := s.drop(r); err != nil {
		return err
	}
	lifetime := s.cfg.Lifetime
	if s.cfg.ExpireOnClose {
		lifetime = 0
	}
	return foreign.Write(w, s.cookie, url.QueryEscape(value), lifetime)
}

// newLaravelID is one as Str::random(40) makes it.
func newLaravelID() string {
	id := make([]byte, 0, idSize)
	for len(id) < idSize {
		for _, b := range random(idSize) {
			if int(b) < 4*len(alnum) && len(id) < idSize { // each as often as the others
				id = append(id, alnum[int(b)%len(alnum)])
			}
		}
	}
	return string(id)
}

// End implements bridge.Source.
func (s *LaravelSource) End(w http.ResponseWriter, r *http.Request) error {
	if err := s.drop(r); err != nil {
		return err
	}
	foreign.Clear(w, s.cookie)
	return nil
}

// drop ends the session of the request in the store.
func (s *LaravelSource) drop(r *http.Request) error {
	value, err := foreign.Cookie(r, s.cfg.Name)
	if err != nil {
		return nil
	}
	id, err := s.id(value)
	if err != nil {
		return nil
	}
	return s.cfg.Store.Del(r.Context(), id)
}

// All implements bridge.Walker.
func (s *LaravelSource) All(ctx context.Context) iter.Seq2[bridge.Session, error] {
	return foreign.Walk(ctx, s.cfg.Store, "", s.load)
}
