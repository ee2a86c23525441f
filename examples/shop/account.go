package main

import (
	"errors"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/coatcheck/coatcheck"
)

// account shows what the shop knows of a customer and, of one who came by the
// OpenID provider, what that says now: by a token that is refreshed if need be.
func (s *shop) account(w http.ResponseWriter, r *http.Request) error {
	sess := coatcheck.From(r.Context())
	a, err := s.db.accountByID(r.Context(), sess.User())
	if err != nil {
		return err
	}
	of := struct {
		Password bool
		Passkeys int
		Provider string
	}{a.password != "", len(a.passkeys), ""}
	if s.openid != nil {
		of.Provider, err = s.providerName(r, sess)
	}
	if err != nil && !errors.Is(err, errNoGrant) {
		s.log.Warn("the provider's userinfo", "error", err)
	}
	return s.page(w, r, http.StatusOK, "account", of)
}

func (s *shop) providerName(r *http.Request, sess *coatcheck.Session) (string, error) {
	token, err := s.openid.accessToken(r.Context(), sess)
	if err != nil {
		return "", err
	}
	info, err := s.openid.userinfo(r.Context(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}))
	if err != nil {
		return "", err
	}
	var claims struct {
		Name string `json:"name"`
	}
	err = info.Claims(&claims)
	return claims.Name, err
}
