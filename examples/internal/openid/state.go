package openid

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// loginTime is how long a visitor may take to log in.
const loginTime = 10 * time.Minute

// errUnknown is what the library turns into the error of the protocol.
var errUnknown = errors.New("openid: unknown or expired")

// A session is a login here. Applications know it by its sid.
type session struct {
	user    string
	began   time.Time
	clients []string // where it went
}

// A state is what the provider keeps, as the library asks for it (op.Storage).
type state struct {
	p       *Provider
	key     signingKey
	clients map[string]client

	mu       sync.Mutex
	sessions map[string]*session // by sid
	requests map[string]*grant   // by id
	codes    map[string]*grant
	access   map[string]*grant
	refresh  map[string]*grant
}

var _ interface {
	op.Storage
	op.CanSetUserinfoFromRequest
	op.CanTerminateSessionFromRequest
} = (*state)(nil)

func newState(p *Provider) (*state, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	s := &state{
		p: p, key: signingKey{key, rand.Text()}, clients: make(map[string]client),
		sessions: make(map[string]*session), requests: make(map[string]*grant), codes: make(map[string]*grant),
		access: make(map[string]*grant), refresh: make(map[string]*grant),
	}
	for _, c := range p.cfg.Clients {
		s.clients[c.ID] = client{c}
	}
	return s, nil
}

// signIn begins a session of user.
func (s *state) signIn(user string) (sid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sid = rand.Text()
	s.sessions[sid] = &session{user: user, began: time.Now()}
	return sid
}

func (s *state) userOf(sid string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in, ok := s.sessions[sid]; ok {
		return in.user
	}
	return ""
}

func (s *state) sessionsOf(user string) (sids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sid := range slices.Sorted(maps.Keys(s.sessions)) {
		if s.sessions[sid].user == user {
			sids = append(sids, sid)
		}
	}
	return sids
}

// end forgets a session and what it granted.
func (s *state) end(sid string) (ended session, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, ok := s.sessions[sid]
	if !ok {
		return session{}, false
	}
	delete(s.sessions, sid)
	for _, kept := range []map[string]*grant{s.requests, s.codes, s.access, s.refresh} {
		maps.DeleteFunc(kept, func(_ string, g *grant) bool { return g.sid == sid })
	}
	return *in, true
}

// wants is what an application's request asks of the login page.
func (s *state) wants(id string) (prompt []string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := live(s.requests, id)
	if !ok {
		return nil, false
	}
	return g.asked.Prompt, true
}

// grantTo completes an application's request with the session's user.
func (s *state) grantTo(id, sid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := live(s.requests, id)
	in := s.sessions[sid]
	if !ok || in == nil {
		return false
	}
	g.user, g.sid, g.began = in.user, sid, in.began
	if !slices.Contains(in.clients, g.asked.ClientID) {
		in.clients = append(in.clients, g.asked.ClientID)
	}
	return true
}

// live returns what is kept under a name, unless it has expired.
func live(kept map[string]*grant, name string) (*grant, bool) {
	g, ok := kept[name]
	if !ok || time.Now().After(g.expires) {
		return nil, false
	}
	return g, true
}

// keep keeps a copy of g and forgets what has expired.
func keep(kept map[string]*grant, name string, g grant, lifetime time.Duration) time.Time {
	now := time.Now()
	maps.DeleteFunc(kept, func(_ string, g *grant) bool { return now.After(g.expires) })
	g.expires = now.Add(lifetime)
	kept[name] = &g
	return g.expires
}

func (s *state) CreateAuthRequest(_ context.Context, asked *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if asked.CodeChallenge == "" || asked.CodeChallengeMethod != oidc.CodeChallengeMethodS256 {
		return nil, oidc.ErrInvalidRequest().WithDescription("PKCE with S256 is required")
	}
	if slices.Contains(asked.Prompt, oidc.PromptNone) {
		return nil, oidc.ErrInteractionRequired()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := grant{id: rand.Text(), asked: *asked, scopes: asked.Scopes}
	keep(s.requests, g.id, g, loginTime)
	return &g, nil
}

func (s *state) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := live(s.requests, id); ok {
		copied := *g
		return &copied, nil
	}
	return nil, errUnknown
}

func (s *state) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := live(s.requests, id)
	if !ok {
		return errUnknown
	}
	keep(s.codes, code, *g, time.Minute)
	delete(s.requests, id) // its page cannot be sent twice
	return nil
}

// AuthRequestByCode takes the code: it is good for one try.
func (s *state) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := live(s.codes, code)
	delete(s.codes, code)
	if !ok {
		return nil, errUnknown
	}
	return g, nil
}

// DeleteAuthRequest has nothing to do: SaveAuthCode and AuthRequestByCode have
// taken it.
func (s *state) DeleteAuthRequest(context.Context, string) error { return nil }

func (s *state) CreateAccessToken(_ context.Context, r op.TokenRequest) (id string, expires time.Time, err error) {
	g, ok := r.(*grant)
	if !ok {
		return "", time.Time{}, oidc.ErrUnsupportedGrantType()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[g.sid] == nil {
		return "", time.Time{}, errUnknown
	}
	id = rand.Text()
	return id, keep(s.access, id, *g, s.p.cfg.Access), nil
}

func (s *state) CreateAccessAndRefreshTokens(ctx context.Context, r op.TokenRequest, old string) (id, refresh string, expires time.Time, err error) {
	if id, expires, err = s.CreateAccessToken(ctx, r); err != nil {
		return "", "", time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := live(s.refresh, old); old != "" && !ok { // another was faster
		return "", "", time.Time{}, oidc.ErrInvalidGrant()
	}
	delete(s.refresh, old)
	refresh = rand.Text()
	keep(s.refresh, refresh, *r.(*grant), 24*time.Hour)
	return id, refresh, expires, nil
}

func (s *state) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := live(s.refresh, token); ok {
		copied := *g
		return &copied, nil
	}
	return nil, op.ErrInvalidRefreshToken
}

// TerminateSession is not called: there is TerminateSessionFromRequest.
func (s *state) TerminateSession(context.Context, string, string) error { return errUnknown }

// TerminateSessionFromRequest ends the session that an application's id_token is
// of. Without one the visitor is asked, at DefaultLogoutRedirectURI.
func (s *state) TerminateSessionFromRequest(ctx context.Context, r *op.EndSessionRequest) (string, error) {
	if r.IDTokenHintClaims == nil {
		return s.p.issuer + "/logout", nil
	}
	return r.RedirectURI, s.p.End(ctx, r.IDTokenHintClaims.SessionID)
}

func (s *state) RevokeToken(_ context.Context, token, _, id string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kept := range []map[string]*grant{s.access, s.refresh} {
		if g, ok := kept[token]; ok {
			if g.asked.ClientID != id {
				return oidc.ErrInvalidClient()
			}
			delete(kept, token)
		}
	}
	return nil
}

func (s *state) GetRefreshTokenInfo(_ context.Context, _, token string) (user, id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := live(s.refresh, token); ok {
		return g.user, token, nil
	}
	return "", "", op.ErrInvalidRefreshToken
}

func (s *state) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if c, ok := s.clients[id]; ok {
		return c, nil
	}
	return nil, errUnknown
}

func (s *state) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	c, ok := s.clients[id]
	if !ok || c.Secret == "" || subtle.ConstantTimeCompare([]byte(c.Secret), []byte(secret)) != 1 {
		return errUnknown
	}
	return nil
}

// SetUserinfoFromScopes is empty, as the library asks: the next one does it.
func (s *state) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest says in the ID token which session it is of.
func (s *state) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, scopes []string) error {
	g, ok := r.(*grant)
	if !ok {
		return errUnknown
	}
	describe(info, g.user, scopes)
	info.AppendClaims("sid", g.sid)
	return nil
}

func (s *state) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, id, _, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := live(s.access, id)
	if !ok {
		return errUnknown
	}
	describe(info, g.user, g.scopes)
	return nil
}

func describe(info *oidc.UserInfo, user string, scopes []string) {
	info.Subject = user
	if slices.Contains(scopes, oidc.ScopeProfile) {
		info.Name, info.PreferredUsername = user, user
	}
}

func (s *state) SetIntrospectionFromToken(_ context.Context, info *oidc.IntrospectionResponse, id, _, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := live(s.access, id)
	if !ok {
		return errUnknown
	}
	info.Active, info.Subject, info.Scope = true, g.user, g.scopes
	return nil
}

func (s *state) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

// GetKeyByIDAndClientID and ValidateJWTProfileScopes are for clients with keys of
// their own, of which there are none.
func (s *state) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnknown
}

func (s *state) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnknown
}

func (s *state) Health(context.Context) error { return nil }

func (s *state) SigningKey(context.Context) (op.SigningKey, error) { return s.key, nil }

func (s *state) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{s.key.SignatureAlgorithm()}, nil
}

func (s *state) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{publicKey{s.key}}, nil
}

// A signingKey signs tokens.
type signingKey struct {
	private *ecdsa.PrivateKey
	id      string
}

func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k signingKey) Key() any                                    { return k.private }
func (k signingKey) ID() string                                  { return k.id }

// A publicKey is what the world may know of it.
type publicKey struct{ of signingKey }

func (k publicKey) ID() string                         { return k.of.id }
func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return k.of.private.Public() }
