package express

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/cookie"
)

// CookieConfig says what cookie-session is configured to.
type CookieConfig struct {
	// Keys are cookie-session's keys, or its secret. The first writes. Required.
	Keys []string

	// UserKey is where the application keeps who is logged in: a name, or several with
	// dots between them. Empty is "passport.user".
	UserKey string

	// NumericUser writes the user as a number. Numbers are read either way.
	NumericUser bool

	// Name is the cookie's name. Empty is "session". Its signature is in another of
	// that name with ".sig" behind it.
	Name string

	// Policy is that of both cookies. To replace those of the application, Path and
	// Domain must be as there. MaxAge must be zero.
	Policy cookie.Policy

	// MaxAge is that of a session that Issue makes. Zero is until the browser closes.
	MaxAge time.Duration
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (CookieConfig) Format(f fmt.State, _ rune) { io.WriteString(f, "{express.CookieConfig}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (c CookieConfig) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }

// A CookieSource is the sessions of cookie-session, made by NewCookie. It is a
// bridge.Source and a bridge.Opener. These sessions have no end but that of the
// browser's cookie: a copy is good for ever, also after a logout, until the keys are
// changed. So adopt them for a limited time, and change the keys after it.
type CookieSource struct {
	cfg            CookieConfig
	cookie, signed *cookie.Raw
	user           foreign.Path
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (CookieSource) Format(f fmt.State, _ rune) { io.WriteString(f, "{express.CookieSource}") }

// NewCookie checks cfg, whose errors name the field.
func NewCookie(cfg CookieConfig) (*CookieSource, error) {
	if cfg.UserKey == "" {
		cfg.UserKey = passportUser
	}
	if cfg.Name == "" {
		cfg.Name = "session"
	}
	if cfg.MaxAge < 0 {
		return nil, fmt.Errorf("bridge: express.CookieConfig.MaxAge is %v; want >= 0", cfg.MaxAge)
	}
	if err := checkSecrets(cfg.Keys); err != nil {
		return nil, fmt.Errorf("bridge: express.CookieConfig.Keys: %w", err)
	}
	raw, err := cookie.NewRaw(cfg.Name, cfg.Policy)
	if err != nil {
		return nil, fmt.Errorf("bridge: express.CookieConfig.Policy: %w", err)
	}
	signed, err := cookie.NewRaw(cfg.Name+".sig", cfg.Policy)
	if err != nil {
		return nil, fmt.Errorf("bridge: express.CookieConfig.Policy: %w", err)
	}
	return &CookieSource{cfg, raw, signed, foreign.NewPath(cfg.UserKey)}, nil
}

// Read implements bridge.Source.
func (s *CookieSource) Read(r *http.Request) (bridge.Session, error) {
	value, err := foreign.Cookie(r, s.cfg.Name)
	if err != nil {
		return bridge.Session{}, err
	}
	signature, err := foreign.Cookie(r, s.cfg.Name+".sig")
	if err != nil {
		return bridge.Session{}, bridge.ErrForged
	}
	return s.open(value, signature)
}

// Open implements bridge.Opener. value is that of both cookies, with a semicolon
// between them: the session's, and that of its signature.
func (s *CookieSource) Open(_ context.Context, value string) (bridge.Session, error) {
	value, signature, ok := strings.Cut(value, ";")
	if !ok {
		return bridge.Session{}, bridge.ErrForged
	}
	return s.open(value, strings.TrimSpace(signature))
}

// signatureSize is that of keygrip's: HMAC-SHA-1 in base64.
const signatureSize = 27

func (s *CookieSource) open(value, signature string) (bridge.Session, error) {
	if len(signature) != signatureSize {
		return bridge.Session{}, bridge.Refused("a signature of another size than that of HMAC-SHA-1")
	}
	if !verified(s.cfg.Name, value, signature, s.cfg.Keys) {
		return bridge.Session{}, &bridge.SettingError{Setting: "express.CookieConfig.Keys"}
	}
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return bridge.Session{}, bridge.Refused("a payload that is not base64")
	}
	values, err := object(raw)
	if err != nil {
		return bridge.Session{}, err
	}
	sum := sha256.Sum256([]byte(value))
	session := bridge.Session{ID: "express:c:" + base64.RawURLEncoding.EncodeToString(sum[:]), Values: values}
	session.User, err = s.user.Get(values)
	return session, err
}

// Issue implements bridge.Source.
func (s *CookieSource) Issue(w http.ResponseWriter, _ *http.Request, session bridge.Session) error {
	maxAge := s.cfg.MaxAge
	if !session.Expires.IsZero() {
		if maxAge = time.Until(session.Expires); maxAge <= 0 {
			return bridge.ErrExpired
		}
	}
	values, err := s.user.Set(session.Values, session.User, s.cfg.NumericUser)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(values)
	if err != nil {
		return fmt.Errorf("bridge: cannot write the session for Express: %w", err)
	}
	value := base64.StdEncoding.EncodeToString(raw)
	if err := foreign.Write(w, s.cookie, value, maxAge); err != nil {
		return err
	}
	return foreign.Write(w, s.signed, keygrip(s.cfg.Name, value, s.cfg.Keys[0]), maxAge)
}

// End implements bridge.Source.
func (s *CookieSource) End(w http.ResponseWriter, _ *http.Request) error {
	foreign.Clear(w, s.cookie)
	foreign.Clear(w, s.signed)
	return nil
}
