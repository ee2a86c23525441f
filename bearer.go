package coatcheck

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

// TokenHeader is the header of an answer in which a manager of NewBearer gives a
// client its token: a new one after Login, Reauthenticate, Renew and the first
// value that is kept, or "none" after Logout.
const TokenHeader = "Session-Token"

// noToken says that the client has none, or is to forget the one it has.
const noToken = "none"

// NewBearer returns a manager for native clients, which keep their token
// themselves: it comes in the header "Authorization: Bearer" and goes out in
// TokenHeader. No cookie is read or set. The sessions in store are like others: a
// user's list has those of New too, if the store is the same.
//
// A browser does not send such a header by itself, so another site cannot forge a
// request with one, and CrossOrigin is not asked about it; about a request without
// one it is. The token of a cookie is none here, and the other way round. A page's
// script that keeps such a token keeps what HttpOnly hides from scripts: for
// browsers use New.
//
// What belongs to cookies is an error in cfg: Name, Cookie, MaxCookie, Landing,
// KeepSiteData.
func NewBearer(st store.Store, keys *cookie.Keys, cfg Config) (*Manager, error) {
	if st == nil {
		return nil, errors.New("coatcheck: NewBearer: store is nil")
	}
	if keys == nil {
		return nil, errors.New("coatcheck: NewBearer: keys is nil; cookie.KeysFromEnv reads SECRET_KEY")
	}
	if field := cfg.ofCookies(); field != "" {
		return nil, fmt.Errorf("coatcheck: Config.%s is set; NewBearer has no cookie, want the zero value", field)
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	tokens := newTokens(st, keys, bearerPurpose)
	if tokens.keys.Empty() {
		return nil, errNoSecret("NewBearer")
	}
	cfg.Name = authorization
	return &Manager{cfg: cfg, carrier: tokens, origins: cfg.Origins, bearer: true}, nil
}

const (
	bearerPurpose = "bearer-token"
	authorization = "Authorization"
)

// ofCookies names a field that is set and says something about cookies.
func (c *Config) ofCookies() string {
	switch {
	case c.Name != "":
		return "Name"
	case c.Cookie != cookie.Policy{}:
		return "Cookie"
	case len(c.FormerCookies) > 0:
		return "FormerCookies"
	case c.MaxCookie != 0:
		return "MaxCookie"
	case c.Landing != nil:
		return "Landing"
	case c.KeepSiteData:
		return "KeepSiteData"
	}
	return ""
}

// comesIn is the header that brings the session, which caches must heed.
func (m *Manager) comesIn() string {
	if m.bearer {
		return authorization
	}
	return "Cookie"
}

// read returns what the request brings of a session: the cookie's value or the
// token. Its errors are those of a cookie.
func (m *Manager) read(h http.Header) (string, error) {
	if m.bearer {
		return bearerToken(h)
	}
	return m.sid.Read(h)
}

var errSeveralTokens = errors.New("several Authorization headers")

// bearerToken returns the token of the Authorization header. Another scheme is
// none of our business. RFC 9110 §11.6.2 allows one such line: of two nobody can
// tell which one a proxy before us has checked.
func bearerToken(h http.Header) (string, error) {
	lines := h[authorization]
	if len(lines) == 0 {
		return "", cookie.ErrAbsent
	}
	if len(lines) > 1 {
		return "", errSeveralTokens
	}
	scheme, token, _ := strings.Cut(lines[0], " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || token == noToken {
		return "", cookie.ErrAbsent
	}
	return token, nil
}

// brings reports whether the request has a bearer token, genuine or not: a page of
// another site cannot have caused it, but by CORS that the application allowed.
func (m *Manager) brings(r *http.Request) bool {
	if !m.bearer {
		return false
	}
	_, err := bearerToken(r.Header)
	return err == nil
}

// what names, for events, what the request brings.
func (m *Manager) what() string {
	if m.bearer {
		return "bearer token: "
	}
	return "session cookie: "
}

// put puts what brings the session to the client into an answer's header.
func (x *exchange) put(h http.Header) {
	out := &x.out
	switch {
	case x.m.bearer:
		h[TokenHeader] = []string{out.sid}
	case out.sid == "":
		cookie.Put(h, out.over)
	case out.sid == x.m.sid.Expired():
		// The session cookie last: of several cookies that one answer clears,
		// some versions of curl drop only the last.
		cookie.Put(h, out.marker)
		cookie.Put(h, out.sid)
	case out.marker != "" && len(h["Set-Cookie"]) == 0:
		h["Set-Cookie"] = []string{out.sid, out.marker}
	default:
		// First: of the cookies of an upgrade some libraries for websockets send
		// only the first.
		cookie.Put(h, out.sid)
		cookie.Put(h, out.marker)
		lines := h["Set-Cookie"] // made anew by Put
		i := slices.Index(lines, out.sid)
		copy(lines[1:], lines[:i])
		lines[0] = out.sid
	}
}

// stands reports whether what x.put has put is still in h.
func (x *exchange) stands(h http.Header) bool {
	name := "Set-Cookie"
	if x.m.bearer {
		name = TokenHeader
	}
	return x.out.sid != "" && slices.Contains(h[name], x.out.sid)
}

// dropForeignToken takes a TokenHeader that is not ours out of an answer, whatever
// the case of its name: a client would take it for its session (G4).
func (x *exchange) dropForeignToken(h http.Header) {
	for key, lines := range h {
		if len(key) != len(TokenHeader) || !strings.EqualFold(key, TokenHeader) {
			continue
		}
		if len(lines) == 1 && lines[0] == x.out.sid && key == TokenHeader {
			continue
		}
		delete(h, key)
		x.event(Event{Kind: Refused, Reason: reasonForeignToken})
	}
}

// challenge tells a client whose request was not let through for want of a login
// what would let it (RFC 9110 §15.5.2, RFC 6750 §3).
func (x *exchange) challenge(h http.Header, status int) {
	if !x.m.bearer || status != http.StatusUnauthorized || len(h["Www-Authenticate"]) > 0 {
		return
	}
	value := "Bearer"
	if x.m.brings(x.r) {
		value = `Bearer error="invalid_token"`
	}
	h["Www-Authenticate"] = []string{value}
}

// stripToken is StripCookies for a manager of NewBearer.
func stripToken(out *http.Request) {
	for key, lines := range out.Header {
		if !strings.EqualFold(key, authorization) {
			continue
		}
		lines = slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
			scheme, _, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
			return strings.EqualFold(scheme, "Bearer")
		})
		if out.Header[key] = lines; len(lines) == 0 {
			delete(out.Header, key)
		}
	}
}
