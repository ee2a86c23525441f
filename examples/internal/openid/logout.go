package openid

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/crypto"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// LogoutToken returns the signed token that tells a client that a session has
// ended. https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken
func (p *Provider) LogoutToken(client, user, sid string) (string, error) {
	signer, err := op.SignerFromKey(p.state.key)
	if err != nil {
		return "", err
	}
	expires := time.Now().Add(2 * time.Minute)
	return crypto.Sign(oidc.NewLogoutTokenClaims(p.issuer, user, oidc.Audience{client}, expires, rand.Text(), sid, 0), signer)
}

// tell sends a logout token.
func (p *Provider) tell(ctx context.Context, c Client, user, sid string) error {
	token, err := p.LogoutToken(c.ID, user, sid)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.BackChannel, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := p.cfg.HTTP.Do(r)
	if err != nil {
		return fmt.Errorf("openid: tell %s of a logout: %w", c.ID, err)
	}
	res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("openid: tell %s of a logout: %s", c.ID, res.Status)
	}
	return nil
}
