package coatcheck

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/token"
	"github.com/coatcheck/coatcheck/store"
)

// A carrier brings a session from one request to the next. It turns the value
// of the session cookie into a record and a record into such a value: either a
// token whose record a Store keeps, or the sealed record itself.
type carrier interface {
	store.Store

	// open checks a cookie's value; it calls no store. Its error is a reason
	// for an event, never for the client.
	open(value string) (opened, error)

	// load returns the record of an opened cookie, as Store.Load does.
	load(ctx context.Context, o opened) (store.Record, error)

	// seal appends to b the cookie value for a record that is about to be stored.
	// A fresh record (Create, Replace) also gets its ID. For another commit
	// nothing says that the browser's cookie stays as it is.
	seal(b []byte, rec *snapshot, fresh bool) ([]byte, error)

	// inCookie reports whether the cookie holds the record, so that every
	// commit needs a Set-Cookie and nobody else knows of the session.
	inCookie() bool
}

// An opened is an opened session cookie.
type opened struct {
	id  store.ID
	rec *store.Record // what the cookie holds, if inCookie
}

// tokens is the carrier of sessions that a Store keeps: the cookie is a token,
// the token's hash the record's key.
type tokens struct {
	store.Store
	keys    token.Keys
	derived token.Derived // of adopted sessions
}

func newTokens(st store.Store, keys *cookie.Keys, purpose string) *tokens {
	own := token.New(keys, purpose)
	return &tokens{st, own, token.NewDerived(own, keys, purpose)}
}

func (t *tokens) open(value string) (opened, error) {
	id, err := t.keys.Open(value)
	return opened{id: id}, err
}

func (t *tokens) load(ctx context.Context, o opened) (store.Record, error) {
	return t.Load(ctx, o.id)
}

func (t *tokens) inCookie() bool { return false }

// seal gives a fresh record its id and appends the token; an update keeps the
// cookie that the browser has.
func (t *tokens) seal(b []byte, rec *snapshot, fresh bool) ([]byte, error) {
	if fresh {
		b, rec.ID = t.keys.Seal(b)
	}
	return b, nil
}

// direct is where calls of the carrier go that it has nothing to say to: each layer
// between copies what it hands on, and a record is large.
func (m *Manager) direct() store.Store {
	if t, ok := m.carrier.(*tokens); ok {
		return t.Store
	}
	return m.carrier
}

// Unwrap lets store.As find what the store offers.
func (t *tokens) Unwrap() store.Store { return t.Store }

// TokenHeader is the header of an answer in which a manager of NewBearer gives a
// client its token: a new one after Login, Reauthenticate, Renew, Remember and the
// first value that is kept, or "none" after Logout.
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
// What belongs to cookies is an error in cfg: Name, Cookie, FormerCookies, MaxCookie,
// Landing, KeepSiteData.
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
	m := &Manager{cfg: cfg, carrier: tokens, origins: cfg.Origins, bearer: true}
	m.findObserver()
	return m, nil
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

// what names, for events, what the request brings.
func (m *Manager) what() string {
	if m.bearer {
		return "bearer token: "
	}
	return "session cookie: "
}
