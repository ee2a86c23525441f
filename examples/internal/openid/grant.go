package openid

import (
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// A grant is what a user granted to an application: an authorization request from
// its beginning on, and later what its tokens stand for.
type grant struct {
	id      string
	asked   oidc.AuthRequest
	scopes  []string
	user    string // "" until the login
	sid     string
	began   time.Time // of the login
	expires time.Time
}

func (g *grant) GetID() string                      { return g.id }
func (g *grant) GetACR() string                     { return "" }
func (g *grant) GetAMR() []string                   { return []string{"pwd"} }
func (g *grant) GetAudience() []string              { return []string{g.asked.ClientID} }
func (g *grant) GetAuthTime() time.Time             { return g.began }
func (g *grant) GetClientID() string                { return g.asked.ClientID }
func (g *grant) GetNonce() string                   { return g.asked.Nonce }
func (g *grant) GetRedirectURI() string             { return g.asked.RedirectURI }
func (g *grant) GetResponseType() oidc.ResponseType { return g.asked.ResponseType }
func (g *grant) GetResponseMode() oidc.ResponseMode { return g.asked.ResponseMode }
func (g *grant) GetScopes() []string                { return g.scopes }
func (g *grant) GetState() string                   { return g.asked.State }
func (g *grant) GetSubject() string                 { return g.user }
func (g *grant) Done() bool                         { return g.user != "" }
func (g *grant) SetCurrentScopes(scopes []string)   { g.scopes = scopes }

func (g *grant) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: g.asked.CodeChallenge, Method: g.asked.CodeChallengeMethod}
}
