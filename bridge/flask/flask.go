package flask

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/cookie"
)

// A Source is the sessions of one Flask application: a bridge.Source,
// a bridge.Identifier, a bridge.Opener and, with Flask-Session, bridge.Walker.
type Source struct {
	config Config
	signer *signer // nil with Flask-Session that signs nothing
	cookie *cookie.Raw
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (Source) Format(f fmt.State, _ rune) { io.WriteString(f, "{flask.Source}") }

// New returns the sessions that the Config describes, or an error that names a
// field. It reaches no server.
func New(c Config) (*Source, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &Source{config: c}
	secrets := append([]string{c.SecretKey}, c.Fallbacks...)
	switch {
	case c.KV == nil:
		s.signer = newSigner(c.Salt, c.Digest, c.Derivation, secrets)
	case c.Signed:
		s.signer = newSigner(serverSalt, "sha1", "hmac", secrets)
	}
	var err error
	if s.cookie, err = cookie.NewRaw(c.CookieName, c.Policy); err != nil {
		return nil, fmt.Errorf("flask: Config.CookieName, Config.Policy: %w", err)
	}
	return s, nil
}

// Recognize reports whether a cookie's value looks like one of Flask: a payload, a
// time and a signature, or an id of Flask-Session, perhaps signed.
func Recognize(value string) bool {
	parts := strings.Split(strings.TrimPrefix(value, "."), ".")
	switch len(parts) {
	case 3:
		sig, err := encoding.DecodeString(parts[2])
		at, atErr := encoding.DecodeString(parts[1])
		return err == nil && atErr == nil && len(sig) >= 20 && len(at) >= 4 && len(at) <= 8 && parts[0] != ""
	case 1, 2:
		return len(value) >= 36 && len(parts[0]) == 36 && strings.Count(parts[0], "-") == 4
	}
	return false
}

// Read is of bridge.Source.
func (s *Source) Read(r *http.Request) (bridge.Session, error) {
	value, err := foreign.Cookie(r, s.config.CookieName)
	if err != nil {
		return bridge.Session{}, err
	}
	return s.Open(r.Context(), value)
}

// Open is of bridge.Opener.
func (s *Source) Open(ctx context.Context, value string) (bridge.Session, error) {
	switch {
	case value == "":
		return bridge.Session{}, bridge.ErrAbsent
	case len(value) > bridge.MaxCookie:
		return bridge.Session{}, bridge.Refused("a cookie of more than %d bytes", bridge.MaxCookie)
	case s.config.KV == nil:
		return s.openCookie(value)
	}
	sid, err := s.sid(value)
	if err != nil {
		return bridge.Session{}, err
	}
	return s.load(ctx, sid)
}

// Identity returns the Session.ID that a cookie of Flask-Session belongs to, without
// its store, as Move needs it for what was imported when the store is gone.
func (s *Source) Identity(r *http.Request) (string, error) {
	value, err := foreign.Cookie(r, s.config.CookieName)
	if err != nil {
		return "", err
	}
	if s.config.KV == nil {
		found, err := s.openCookie(value)
		return found.ID, err
	}
	sid, err := s.sid(value)
	return idOf("sid", sid), err
}

// sid is the session id in a cookie of Flask-Session.
func (s *Source) sid(value string) (string, error) {
	if s.signer == nil {
		if len(value) > 256 {
			return "", bridge.ErrForged
		}
		return value, nil
	}
	sid, err := s.signer.open(value)
	if err == nil && sid == "" {
		err = bridge.ErrForged
	}
	return sid, err
}

// openCookie verifies, then looks at the time, then decodes.
func (s *Source) openCookie(value string) (bridge.Session, error) {
	text, err := s.signer.open(value)
	if err != nil {
		return bridge.Session{}, err
	}
	at := strings.LastIndexByte(text, '.')
	if at < 0 {
		return bridge.Session{}, bridge.ErrForged
	}
	made, ok := timestamp(text[at+1:])
	if !ok {
		return bridge.Session{}, bridge.Refused("a time that is none")
	}
	// Flask counts in whole seconds and refuses when the age is more than it may be.
	end := made.Add(s.config.Lifetime.Truncate(time.Second) + time.Second)
	if now := time.Now(); !now.Before(end) || made.After(now.Add(time.Minute)) {
		return bridge.Session{}, bridge.ErrExpired
	}
	b, err := payload(text[:at])
	if err != nil {
		return bridge.Session{}, err
	}
	values, tagged, err := object(b)
	if err != nil {
		return bridge.Session{}, err
	}
	for _, name := range tagged {
		if values[name], err = untag(values[name]); err != nil {
			return bridge.Session{}, err
		}
	}
	// All of text was signed, and nothing else: no two texts are one cookie.
	found, err := s.session(idOf("cookie", text), values, end)
	found.Written, found.Fixed = made, true
	return found, err
}

// idOf is what identifies a session; kind keeps cookies and records apart.
func idOf(kind, id string) string {
	var room [512]byte
	sum := sha256.Sum256(append(append(room[:0], kind+":"...), id...))
	return "flask:" + hex.EncodeToString(sum[:])
}

func timestamp(text string) (time.Time, bool) {
	b, err := encoding.DecodeString(text)
	if err != nil || len(b) > 7 {
		return time.Time{}, false
	}
	var n int64
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	return time.Unix(n, 0).UTC(), n < 1<<40
}

// payload is the JSON in the first part of a cookie.
func payload(text string) ([]byte, error) {
	rest, compressed := strings.CutPrefix(text, ".")
	b := make([]byte, encoding.DecodedLen(len(rest)))
	n, err := encoding.Decode(b, []byte(rest))
	if err != nil {
		return nil, bridge.Refused("a payload that is not base64")
	}
	if compressed {
		return bridge.Inflate(b[:n], bridge.MaxRecord)
	}
	return b[:n], nil
}

// session makes a Session of what was verified.
func (s *Source) session(id string, values map[string]json.RawMessage, end time.Time) (bridge.Session, error) {
	user, err := userOf(values[s.config.UserKey])
	if err != nil {
		return bridge.Session{}, err
	}
	var csrf string
	if raw, ok := values["csrf_token"]; ok {
		_ = json.Unmarshal(raw, &csrf) // of Flask-WTF; another type is another's
	}
	return bridge.Session{ID: id, User: user, Values: values, Expires: end, CSRF: csrf}, nil
}

// userOf is foreign.User without a decoder for the usual text.
func userOf(raw json.RawMessage) (string, error) {
	if n := len(raw); n >= 2 && raw[0] == '"' && !bytes.ContainsAny(raw, "\\") {
		return string(raw[1 : n-1]), nil
	}
	return foreign.User(raw)
}

// Issue is of bridge.Source. Expires may be earlier than what the lifetime gives.
// The cookie lasts until the browser closes unless the value "_permanent" is true.
// Where UserKey is that of Flask-Login its "_id" and "_fresh" are written as well,
// from the request's address and User-Agent, unless Values have them.
func (s *Source) Issue(w http.ResponseWriter, r *http.Request, session bridge.Session) error {
	now := time.Now()
	left := s.config.Lifetime.Truncate(time.Second)
	if !session.Expires.IsZero() {
		if left = session.Expires.Sub(now); left <= 0 || left > s.config.Lifetime+time.Second {
			return errors.New("flask: issue: Session.Expires is past, or later than Config.Lifetime allows")
		}
	}
	values, err := s.contents(r, session)
	if err != nil {
		return fmt.Errorf("flask: issue: %w", err)
	}
	var age time.Duration
	if string(values["_permanent"]) == "true" {
		age = left
	}
	value, err := s.keep(r, values, now, left)
	if err != nil {
		return fmt.Errorf("flask: issue: %w", err)
	}
	return foreign.Write(w, s.cookie, value, age)
}

// contents are the values to be written.
func (s *Source) contents(r *http.Request, session bridge.Session) (map[string]json.RawMessage, error) {
	values := maps.Clone(session.Values)
	if values == nil {
		values = make(map[string]json.RawMessage)
	}
	delete(values, s.config.UserKey)
	if session.User != "" {
		raw, err := foreign.UserValue(session.User, s.config.NumericUser)
		if err != nil {
			return nil, err
		}
		values[s.config.UserKey] = raw
		if s.config.UserKey == "_user_id" {
			login(values, r)
		}
	}
	for name, raw := range values {
		if len(raw) > bridge.MaxRecord || !json.Valid(raw) {
			return nil, fmt.Errorf("the value %q is no JSON", name)
		}
	}
	return values, nil
}

// login adds what Flask-Login keeps beside the user.
func login(values map[string]json.RawMessage, r *http.Request) {
	if _, ok := values["_fresh"]; !ok {
		values["_fresh"] = json.RawMessage("true")
	}
	if _, ok := values["_id"]; ok {
		return
	}
	address, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ",")
	if address = strings.TrimSpace(address); address == "" {
		address, _, _ = net.SplitHostPort(r.RemoteAddr)
	}
	agent := "None"
	if lines := r.Header["User-Agent"]; len(lines) > 0 {
		agent = pythonBytes(lines[0])
	}
	sum := sha512.Sum512([]byte(pythonBytes(address) + "|" + agent))
	values["_id"] = json.RawMessage(`"` + hex.EncodeToString(sum[:]) + `"`)
}

// pythonBytes is how Python writes a header's bytes out, as Flask-Login puts them
// into the text that it hashes: b'curl/8.5'. What WSGI takes for Latin-1 has become
// UTF-8 by then.
func pythonBytes(header string) string {
	quote := byte('\'')
	if strings.Contains(header, "'") && !strings.Contains(header, `"`) {
		quote = '"'
	}
	b := []byte{'b', quote}
	for i := range len(header) {
		for _, c := range utf8.AppendRune(nil, rune(header[i])) {
			switch {
			case c == quote || c == '\\':
				b = append(b, '\\', c)
			case c == '\t':
				b = append(b, `\t`...)
			case c < ' ' || c >= 0x7f:
				b = fmt.Appendf(b, `\x%02x`, c)
			default:
				b = append(b, c)
			}
		}
	}
	return string(append(b, quote))
}

// keep writes the session and returns the cookie's value.
func (s *Source) keep(r *http.Request, values map[string]json.RawMessage, now time.Time, left time.Duration) (string, error) {
	if s.config.KV == nil {
		// The time is the one thing that ends it: an earlier end is an earlier time.
		// A later one Flask refuses, and Read gives the second that the age is cut to.
		made := now.Add(min(left-s.config.Lifetime.Truncate(time.Second), 0))
		text, err := cookieText(values, made)
		if err != nil {
			return "", err
		}
		return s.signer.sign(text), nil
	}
	b, err := s.config.RecordFormat.encode(values)
	if err != nil {
		return "", err
	}
	sid := uuid()
	if err := s.config.KV.Set(r.Context(), s.config.Prefix+sid, b, left); err != nil {
		return "", err
	}
	if err := s.drop(r); err != nil {
		return "", errors.Join(err, s.config.KV.Del(context.WithoutCancel(r.Context()), s.config.Prefix+sid))
	}
	if s.signer == nil {
		return sid, nil
	}
	return s.signer.sign(sid), nil
}

// uuid is a random one, as Flask-Session makes its ids.
func uuid() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: the runtime ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// drop ends the record that the request brought, if it did.
func (s *Source) drop(r *http.Request) error {
	value, err := foreign.Cookie(r, s.config.CookieName)
	if err != nil {
		return nil
	}
	sid, err := s.sid(value)
	if err != nil {
		return nil
	}
	return s.config.KV.Del(r.Context(), s.config.Prefix+sid)
}

// cookieText is payload and time, compressed where that makes it shorter.
func cookieText(values map[string]json.RawMessage, made time.Time) (string, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(values)) {
		raw, err := retag(values[name])
		if err != nil {
			return "", err
		}
		key, err := encode(name)
		if err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(raw)
	}
	b.WriteByte('}')
	text := encoding.EncodeToString(b.Bytes())
	var z bytes.Buffer
	zw := zlib.NewWriter(&z)
	if _, err := zw.Write(b.Bytes()); err == nil && zw.Close() == nil && z.Len() < b.Len()-1 {
		text = "." + encoding.EncodeToString(z.Bytes())
	}
	at := made.Unix()
	var seconds []byte
	for shift := 56; shift >= 0; shift -= 8 {
		if c := byte(at >> shift); c != 0 || len(seconds) > 0 {
			seconds = append(seconds, c)
		}
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(seconds), nil
}

// End is of bridge.Source. With a signed cookie there is no store: a copy of the
// cookie stays valid at Flask until it expires.
func (s *Source) End(w http.ResponseWriter, r *http.Request) error {
	if s.config.KV != nil {
		if err := s.drop(r); err != nil {
			return err
		}
	}
	foreign.Clear(w, s.cookie)
	return nil
}

// load reads a record of Flask-Session.
func (s *Source) load(ctx context.Context, sid string) (bridge.Session, error) {
	b, left, err := s.config.KV.Get(ctx, s.config.Prefix+sid)
	if err != nil {
		return bridge.Session{ID: idOf("sid", sid)}, err
	}
	values, refused, err := s.config.RecordFormat.decode(b)
	if err != nil {
		return bridge.Session{ID: idOf("sid", sid)}, err
	}
	var end time.Time
	if left >= 0 {
		end = time.Now().Add(left)
	}
	found, err := s.session(idOf("sid", sid), values, end)
	found.Refused, found.Stored = refused, true
	return found, err
}

// All is of bridge.Walker: the sessions of Flask-Session.
func (s *Source) All(ctx context.Context) iter.Seq2[bridge.Session, error] {
	if s.config.KV == nil {
		return func(yield func(bridge.Session, error) bool) {
			yield(bridge.Session{}, fmt.Errorf("flask: sessions are in their cookies: %w", errors.ErrUnsupported))
		}
	}
	return foreign.Walk(ctx, s.config.KV, s.config.Prefix, s.load)
}
