package cli

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/wire"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

// An inspector reports on cookies. keys is nil where there is no secret.
type inspector struct {
	keys        *cookie.Keys
	application string
	now         time.Time
	fromSecret  string // of another system
	fromBlock   string // and what it encrypts with, if that is another
	all         []given
}

// Sizes of docs/spec/cookie.md (C6 to C9) and docs/spec/record.md (T1).
const (
	tokenSize  = 39
	handleSize = 9
	headerSize = 14
	signedSize = headerSize + 32
	sealedSize = headerSize + 12 + 16

	versionSigned = 1
	versionSealed = 2

	// A cookie's longest life, and so the longest that a frame is valid.
	maxAge = 400 * 24 * time.Hour

	// tokenText is how many characters a token has in a cookie, and minPart how
	// many are surely some of it.
	tokenText = 52
	minPart   = 16

	// sessionName is what the session cookie is called by default.
	sessionName = "__Host-Http-sid"
)

// report prints what the cookie is and returns whether a server would accept
// it, as far as that can be told.
func (i inspector) report(w io.Writer, c given) bool {
	p := &printer{w: w, accepted: true}
	if c.name != "" {
		fmt.Fprintln(w, printable(c.name))
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(c.value)
	frame := err == nil && !strings.ContainsAny(c.value, "\r\n")
	switch {
	case c.set && c.deletes(i.now):
		p.line("kind", "a cookie that is deleted")
	case strings.HasSuffix(c.name, "-lax") && err == nil && len(b) == handleSize:
		p.line("kind", "marker beside the session cookie %s: tells that the browser has one and held it back; worth nothing", strconv.Quote(strings.TrimSuffix(c.name, "-lax")))
		p.line("handle", "%s", c.value)
	case strings.HasSuffix(c.name, "-over") && err == nil && len(b) == handleSize:
		p.line("kind", "note beside the session cookie %s: tells that this session is over, so that the next request begins anew; lasts a minute, worth nothing", strconv.Quote(strings.TrimSuffix(c.name, "-over")))
		p.line("handle", "%s", c.value)
	case frame && len(b) == tokenSize && b[0] == 1:
		i.token(p, c, b)
	case frame && len(b) >= signedSize && b[0] == versionSigned:
		i.frame(p, c, b, "signed: readable by anybody, made only with the secret", "cookie-sign")
	case frame && len(b) >= sealedSize && b[0] == versionSealed:
		i.frame(p, c, b, "sealed: readable and made only with the secret", "cookie-encrypt")
	case shortened(c):
		p.line("kind", "what is left of a cookie that was shortened, as logs and pages show it")
		p.refused("every server refuses it: it is not whole")
	default:
		p.line("kind", "plain: readable and changeable by anybody, or of another program")
		p.line("value", "%s", strconv.Quote(c.value))
		i.foreign(p, c)
	}
	if c.set && c.name == "" {
		p.refused("it has no name, and what it is sent back as can be taken for another cookie (RFC 6265bis §4.1.1)")
	}
	if !shortened(c) {
		i.received(p, c)
	}
	explain(p, c, i.now)
	return p.accepted
}

// shortened reports whether the value is a part of one: it begins as a
// token does and is too short for one, where the name is that of a session or
// there is none, or ends with dots.
func shortened(c given) bool {
	if strings.HasSuffix(c.value, "…") {
		return true // no cookie of anybody's ends so
	}
	if part, dots := strings.CutSuffix(c.value, "..."); dots {
		return framePart.MatchString(part)
	}
	ofSession := c.name == "" && len(c.value) >= minPart || c.name == sessionName || c.name == "sid"
	return ofSession && len(c.value) < tokenText && tokenPart.MatchString(c.value)
}

// received applies what is refused whatever the cookie is (C15), and must not be
// set either.
func (i inspector) received(p *printer, c given) {
	switch {
	case c.twice:
		p.refused("the name occurs more than once in the header")
	case strings.HasPrefix(c.value, `"`):
		p.refused("the value is quoted")
	case strings.ContainsFunc(c.name+c.value, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`",;\`, r) }):
		p.refused("it has bytes that no cookie can carry; want printable ASCII without space and \",;\\")
	case len(c.name)+len(c.value) > 4096:
		p.refused("name and value are %d bytes; want at most 4096", len(c.name)+len(c.value))
	}
}

// token reports on the token of a session, of which it shows no byte.
func (i inspector) token(p *printer, c given, b []byte) {
	p.line("kind", "token of a session, which is kept in a store")
	p.line("key id", "%s", i.keyID(b, "session-token"))
	id := store.ID(sha256.Sum256(append([]byte("coatcheck/session-id/v1\x00"), b[5:23]...)))
	p.line("id", "%s", hex.EncodeToString(id[:]))
	p.line("handle", "%s", id.Handle())
	name := c.name
	if name == "" {
		name = sessionName
	}
	switch {
	case i.keys == nil:
		p.line("checked", "no: SECRET_KEY is not set")
	case i.authentic(b, name):
		p.line("checked", "valid, if the store has the session")
	default:
		p.refused("not made with this secret for the name %s", strconv.Quote(name))
	}
}

// authentic checks a token (T2).
func (i inspector) authentic(b []byte, name string) bool {
	for _, key := range i.keys.Derive("session-token:" + name) {
		mac := hmac.New(sha256.New, key.Key[:])
		mac.Write(b[:23])
		if key.ID == [4]byte(b[1:5]) && hmac.Equal(mac.Sum(nil)[:16], b[23:]) {
			return true
		}
	}
	return false
}

// frame reports on a signed or sealed cookie.
func (i inspector) frame(p *printer, c given, b []byte, kind, purpose string) {
	issued, ttl := wire.Frame(b)
	p.line("kind", "%s", kind)
	p.line("key id", "%s", i.keyID(b, purpose))
	p.line("issued", "%s", moment(issued))
	p.line("expires", "%s, or sooner if the declaration says so", moment(issued.Add(ttl)))
	switch {
	case i.keys == nil:
		p.line("checked", "no: SECRET_KEY is not set")
		return
	case c.name == "":
		p.line("checked", "no: what is signed includes the name; give it with --name")
		return
	}
	value, err := i.open(c, b[0])
	switch {
	case errors.Is(err, cookie.ErrExpired):
		p.refused("expired")
	case err != nil:
		why := "not made with this secret for this name, or changed"
		if forged := new(cookie.ForgedError); errors.As(err, &forged) && forged.Reason == cookie.ReasonFuture {
			why = "issued in the future"
		}
		p.refused("%s", why)
	case value == nil:
		p.line("checked", "valid; made by a Sealer of the program, such as a session that lives in its cookie: not shown")
	default:
		p.line("checked", "valid")
		p.line("value", "%s", printable(string(value)))
	}
}

// open returns the JSON in a frame, or nil for what a Sealer made.
func (i inspector) open(c given, version byte) (json.RawMessage, error) {
	policy := cookie.Policy{MaxAge: maxAge}
	declared := cookie.NewSigned[json.RawMessage](c.name, i.keys, policy)
	if version == versionSealed {
		declared = cookie.NewSealed[json.RawMessage](c.name, i.keys, policy)
	}
	value, err := declared.Get(&http.Request{Header: http.Header{"Cookie": {c.name + "=" + c.value}}})
	if err == nil || version != versionSealed || errors.Is(err, cookie.ErrExpired) {
		return value, err
	}
	sealer, failed := cookie.NewSealer(c.name, i.keys, maxAge)
	if failed != nil {
		return nil, err
	}
	_, err = sealer.Open(c.value)
	return nil, err
}

// keyID says whose key a cookie was made with, by its own claim.
func (i inspector) keyID(b []byte, purpose string) string {
	id := [4]byte(b[1:5])
	text := hex.EncodeToString(id[:])
	if i.keys == nil {
		return text
	}
	for n, key := range i.keys.Derive(purpose) {
		switch {
		case key.ID == id && n == 0:
			return text + ", the first secret"
		case key.ID == id:
			return fmt.Sprintf("%s, fallback %d", text, n)
		}
	}
	return text + ", of no secret here"
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// A printer prints lines below a cookie's name.
type printer struct {
	w        io.Writer
	accepted bool
}

func (p *printer) line(label, format string, args ...any) {
	fmt.Fprintf(p.w, "  %-11s  %s\n", label, fmt.Sprintf(format, args...))
}

func (p *printer) refused(format string, args ...any) {
	p.accepted = false
	p.line("REFUSED", format, args...)
}
