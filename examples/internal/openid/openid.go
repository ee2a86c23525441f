// Package openid is an OpenID provider to sign in at, for the examples and their
// tests: the well-known library github.com/zitadel/oidc with users and clients out
// of a configuration. It has the code flow with PKCE, form_post, single sign-on,
// refresh tokens that are good for one use, and logout with tokens to the
// applications (back-channel). All it knows is in memory.
package openid

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/coatcheck/coatcheck/cookie"
)

// A Config is who may sign in, and where. It can be written as JSON.
type Config struct {
	// Users has the password of each user. The name is the subject (sub).
	Users map[string]string

	// Clients are the applications.
	Clients []Client

	// Access is how long an access token is good for; zero is five minutes.
	Access time.Duration

	// HTTP sends the logout tokens. Nil is http.DefaultClient.
	HTTP *http.Client `json:"-"`
}

// A Client is an application that the provider knows.
type Client struct {
	ID     string
	Secret string // empty: none, PKCE alone

	Redirects   []string // where the browser may be sent with a code
	LoggedOut   []string // and after a logout that the application began
	BackChannel string   // where logout tokens go; empty: nowhere
}

// A Provider is an OpenID provider at one URL, its issuer.
type Provider struct {
	issuer string
	cfg    Config
	op     *op.Provider
	mux    *http.ServeMux
	state  *state
	cookie cookie.Cookie[string] // the sid of who is signed in here
}

// New returns the provider that the world reaches at issuer, a URL without a path.
func New(issuer string, cfg Config) (*Provider, error) {
	if cfg.Access == 0 {
		cfg.Access = 5 * time.Minute
	}
	if cfg.HTTP == nil {
		cfg.HTTP = http.DefaultClient
	}
	keys, err := cookie.NewKeys(rand.Text() + rand.Text())
	if err != nil {
		return nil, err
	}
	p := &Provider{issuer: issuer, cfg: cfg, mux: http.NewServeMux()}
	// Applications send their visitors here from other sites: Strict would ask
	// them for the password each time.
	p.cookie = cookie.NewSealed[string]("__Host-openid", keys, cookie.Policy{SameSite: http.SameSiteLaxMode})
	if err := p.cookie.Err(); err != nil {
		return nil, err
	}
	if p.state, err = newState(p); err != nil {
		return nil, err
	}
	options := &op.Config{
		CodeMethodS256:                    true,
		AuthMethodPost:                    true,
		GrantTypeRefreshToken:             true,
		DefaultLogoutRedirectURI:          issuer + "/logout",
		SupportedScopes:                   []string{"openid", "profile", "offline_access"},
		BackChannelLogoutSupported:        true,
		BackChannelLogoutSessionSupported: true,
	}
	rand.Read(options.CryptoKey[:])
	if p.op, err = op.NewProvider(options, p.state, op.StaticIssuer(issuer), op.WithAllowInsecure()); err != nil {
		return nil, fmt.Errorf("openid: %w", err)
	}
	own := http.NewCrossOriginProtection()
	p.mux.Handle("/", p.op)
	p.mux.HandleFunc("GET /login", p.askLogin)
	p.mux.Handle("POST /login", own.Handler(http.HandlerFunc(p.login)))
	p.mux.HandleFunc("GET /logout", p.askLogout)
	p.mux.Handle("POST /logout", own.Handler(http.HandlerFunc(p.logout)))
	return p, nil
}

// Issuer is the provider's URL.
func (p *Provider) Issuer() string { return p.issuer }

func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Sessions returns the sid of every session of a user.
func (p *Provider) Sessions(user string) []string { return p.state.sessionsOf(user) }

// End ends a session of the provider, as its console would, and sends a logout
// token to each application that the user went to from it.
func (p *Provider) End(ctx context.Context, sid string) error {
	ended, ok := p.state.end(sid)
	if !ok {
		return nil
	}
	var errs []error
	for _, id := range ended.clients {
		if c, ok := p.state.clients[id]; ok && c.BackChannel != "" {
			errs = append(errs, p.tell(ctx, c.Client, ended.user, sid))
		}
	}
	return errors.Join(errs...)
}
