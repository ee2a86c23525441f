package django

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/cookie"
)

// A Source is the sessions of one Django application: a bridge.Source,
// a bridge.Identifier, a bridge.Opener and, but for the engine SignedCookies, bridge.Walker.
type Source struct {
	config  Config
	cookie  *cookie.Raw
	csrfs   *cookie.Raw
	secrets [][]byte
	records records // nil with SignedCookies
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Source) Format(f fmt.State, _ rune) { io.WriteString(f, "{django.Source}") }

// New returns the sessions that the Config describes, or an error that names a
// field. It reaches no server.
func New(c Config) (*Source, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	own, err := cookie.NewRaw(c.Cookie, c.Policy)
	if err != nil {
		return nil, fmt.Errorf("bridge: django.Config.Policy: %w", err)
	}
	csrf := c.Policy
	csrf.AllowScripts = true // as CSRF_COOKIE_HTTPONLY = False has it
	csrfs, err := cookie.NewRaw(c.CSRFCookie, csrf)
	if err != nil {
		return nil, fmt.Errorf("bridge: django.Config.CSRFCookie: %w", err)
	}
	s := &Source{config: c, cookie: own, csrfs: csrfs, secrets: [][]byte{[]byte(c.SecretKey)}}
	for _, secret := range c.SecretKeyFallbacks {
		s.secrets = append(s.secrets, []byte(secret))
	}
	switch c.Engine {
	case DB:
		s.records = s.table()
	case Cache:
		s.records = s.cache("django.contrib.sessions.cache")
	case CachedDB:
		s.records = both{s.table(), s.cache("django.contrib.sessions.cached_db")}
	}
	return s, nil
}

// records are sessions in a store.
type records interface {
	load(ctx context.Context, key string) (record, error) // ErrEnded, ErrExpired
	save(ctx context.Context, key string, r record) error // a new key
	drop(ctx context.Context, key string) error
}

// A record is a session without its key.
type record struct {
	values  values
	refused map[string]string
	expires time.Time // zero: never
}

func (s *Source) signer(salt string) signer { return signer{s.secrets, salt} }

// Read is of bridge.Source. A session whose user has another password now, or is
// no more, is bridge.ErrEnded.
func (s *Source) Read(r *http.Request) (bridge.Session, error) {
	value, err := foreign.Cookie(r, s.config.Cookie)
	if err != nil {
		return bridge.Session{}, err
	}
	found, err := s.Open(r.Context(), value)
	if err == nil && found.CSRF == "" {
		found.CSRF = s.csrf(r)
	}
	return found, err
}

// Open is of bridge.Opener.
func (s *Source) Open(ctx context.Context, value string) (bridge.Session, error) {
	switch {
	case value == "":
		return bridge.Session{}, bridge.ErrAbsent
	case len(value) > bridge.MaxCookie:
		return bridge.Session{}, bridge.ErrForged
	case s.records == nil:
		return s.openCookie(ctx, value)
	}
	if err := isKey(value); err != nil {
		return bridge.Session{}, err
	}
	found, err := s.records.load(ctx, value)
	if err != nil {
		return bridge.Session{}, err
	}
	return s.session(ctx, identity(value), found, time.Time{})
}

// Identity implements bridge.Identifier: what Read would give as Session.ID, without
// the store.
func (s *Source) Identity(r *http.Request) (string, error) {
	value, err := foreign.Cookie(r, s.config.Cookie)
	if err != nil {
		return "", err
	}
	if s.records == nil {
		session, err := s.Open(r.Context(), value)
		return session.ID, err
	}
	return identity(value), isKey(value)
}

func identity(key string) string { return "django:" + key }

// isKey says why a cookie's value cannot be the key of a record.
func isKey(value string) error {
	switch {
	case keyLike(value):
		return nil
	case len(value) <= bridge.MaxCookie && shape(value):
		return &bridge.SettingError{Setting: "django.Config.Engine", Want: "SignedCookies"}
	}
	return bridge.ErrForged
}

func (s *Source) openCookie(ctx context.Context, value string) (bridge.Session, error) {
	if keyLike(value) {
		return bridge.Session{}, &bridge.SettingError{Setting: "django.Config.Engine", Want: "DB, Cache or CachedDB"}
	}
	data, at, err := s.signer(saltCookies).open(value)
	if err != nil {
		return bridge.Session{}, err
	}
	end := at.Add(s.config.CookieAge)
	v, refused, err := decodeJSON(data)
	if err != nil {
		return bridge.Session{}, err
	}
	if own, ok := v.expiry(at); ok && own.Before(end) {
		end = own // Django leaves this one to the browser
	}
	if !time.Now().Before(end) {
		return bridge.Session{}, bridge.ErrExpired
	}
	id := sha256.Sum256([]byte(value))
	return s.session(ctx, "django:"+hex.EncodeToString(id[:]), record{v, refused, end}, at)
}

// session checks the login and makes a Session of what was verified.
func (s *Source) session(ctx context.Context, id string, r record, written time.Time) (bridge.Session, error) {
	user := r.values.text(keyUser)
	if err := s.sameLogin(ctx, user, r.values.text(keyHash)); err != nil {
		return bridge.Session{}, err
	}
	return bridge.Session{
		ID: id, User: user, Values: r.values, Refused: r.refused, Stored: s.records != nil, Written: written, Expires: r.expires,
		Fixed: s.records == nil,
		CSRF:  r.values.text(keyCSRF),
	}, nil
}

// sameLogin compares the hash in a session with that of the password as it is.
func (s *Source) sameLogin(ctx context.Context, user, hash string) error {
	if user == "" || s.config.PasswordHash == nil {
		return nil
	}
	password, err := s.config.PasswordHash(ctx, user)
	if err != nil {
		return fmt.Errorf("bridge: django: password hash: %w", err)
	}
	if password == "" {
		return fmt.Errorf("%w: there is no such user any more", bridge.ErrEnded)
	}
	for _, secret := range s.secrets { // since Django 4.2 with the fallbacks as well
		if hmac.Equal([]byte(hash), []byte(loginHash(secret, password))) {
			return nil
		}
	}
	return fmt.Errorf("%w: the password is another since the login, or django.Config.SecretKey", bridge.ErrEnded)
}

// loginHash is AbstractBaseUser.get_session_auth_hash.
func loginHash(secret []byte, password string) string {
	const salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
	return hex.EncodeToString(mac(sha256.New, salt, secret, []byte(password)))
}

// Issue is of bridge.Source. With a user it needs Config.PasswordHash. It also
// gives the browser a new CSRF cookie, as a login in Django does.
func (s *Source) Issue(w http.ResponseWriter, r *http.Request, session bridge.Session) error {
	now := time.Now()
	if !session.Expires.IsZero() && !session.Expires.After(now) {
		return errors.New("bridge: django: issue: Session.Expires is past")
	}
	v, err := s.contents(r.Context(), session)
	if err != nil {
		return err
	}
	age, end := s.lifetime(v, now)
	value, err := s.keep(r, record{values: v, expires: end}, now)
	if err != nil {
		return fmt.Errorf("bridge: django: issue: %w", err)
	}
	if err := foreign.Write(w, s.cookie, value, age); err != nil {
		return err
	}
	return s.rotateCSRF(w)
}

// maxCookie is what browsers keep of a name and a value.
const maxCookie = 4096

// keep writes a session and returns the cookie's value. In a store it takes the
// place of the one that the request brought.
func (s *Source) keep(r *http.Request, kept record, now time.Time) (value string, err error) {
	if s.records == nil {
		data, err := encodeJSON(kept.values)
		if err != nil {
			return "", err
		}
		value = s.signer(saltCookies).sign(data, now)
		if n := len(s.config.Cookie) + len(value); n > maxCookie {
			return "", fmt.Errorf("the cookie has %d bytes; browsers keep %d", n, maxCookie)
		}
		return value, nil
	}
	value = newKey()
	if err := s.records.save(r.Context(), value, kept); err != nil {
		return "", err
	}
	return value, s.dropBrought(r)
}

// contents returns the values of a session that is to be issued.
func (s *Source) contents(ctx context.Context, session bridge.Session) (values, error) {
	v := values{}
	maps.Copy(v, session.Values)
	for _, name := range []string{keyUser, keyBackend, keyHash} {
		delete(v, name)
	}
	if !session.Expires.IsZero() {
		left := math.Ceil(time.Until(session.Expires).Seconds())
		v[keyExpiry] = json.RawMessage(strconv.FormatInt(int64(left), 10))
	}
	if session.User == "" {
		return v, nil
	}
	if s.config.PasswordHash == nil {
		return nil, errors.New("bridge: django: issue: Config.PasswordHash is nil; Django takes no login without the hash")
	}
	password, err := s.config.PasswordHash(ctx, session.User)
	if err != nil {
		return nil, fmt.Errorf("bridge: django: password hash: %w", err)
	}
	if password == "" {
		return nil, errors.New("bridge: django: issue: PasswordHash knows no such user")
	}
	v.setText(keyUser, session.User)
	v.setText(keyBackend, s.config.Backend)
	v.setText(keyHash, loginHash(s.secrets[0], password))
	return v, nil
}

// lifetime returns the cookie's, 0 = until the browser closes, and when the record
// ends, as SessionBase.get_expiry_date has it.
func (s *Source) lifetime(v values, now time.Time) (age time.Duration, end time.Time) {
	if string(v[keyExpiry]) == "0" {
		return 0, now.Add(s.config.CookieAge)
	}
	end = now.Add(s.config.CookieAge)
	if own, ok := v.expiry(now); ok {
		end = own
	}
	return end.Sub(now), end
}

// End is of bridge.Source. With the engine SignedCookies it clears the cookie, as
// Django does: a copy of it stays valid until its time is over.
func (s *Source) End(w http.ResponseWriter, r *http.Request) error {
	if s.records != nil {
		if err := s.dropBrought(r); err != nil {
			return fmt.Errorf("bridge: django: end: %w", err)
		}
	}
	foreign.Clear(w, s.cookie)
	return nil
}

func (s *Source) dropBrought(r *http.Request) error {
	value, err := foreign.Cookie(r, s.config.Cookie)
	if err != nil || !keyLike(value) {
		return nil
	}
	return s.records.drop(r.Context(), value)
}

const keyChars = "abcdefghijklmnopqrstuvwxyz0123456789"

// newKey returns a session key as Django makes them: 32 of keyChars.
func newKey() string { return random(32, keyChars) }

func random(n int, chars string) string {
	out := make([]byte, 0, n)
	for buf := make([]byte, 64); len(out) < n; {
		_, _ = rand.Read(buf) // never fails
		for _, b := range buf {
			// A multiple of the alphabet, so that no character is likelier.
			if int(b) < 256/len(chars)*len(chars) && len(out) < n {
				out = append(out, chars[int(b)%len(chars)])
			}
		}
	}
	return string(out)
}

// keyLike reports whether a cookie's value can be a key of a store: Django takes
// eight characters or more, and its table has room for forty.
func keyLike(value string) bool {
	if len(value) < 8 || len(value) > 40 {
		return false
	}
	for _, c := range []byte(value) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// Recognize reports whether a cookie's value has the form of Django's: that of the
// engine signed_cookies, or a key of the others, which Django makes of 32 letters
// and digits. One that could be hexadecimal is somebody else's.
func Recognize(value string) bool {
	if len(value) > bridge.MaxCookie {
		return false
	}
	if len(value) != 32 || !keyLike(value) {
		return shape(value)
	}
	for _, c := range []byte(value) {
		if c > 'f' {
			return true
		}
	}
	return false
}
