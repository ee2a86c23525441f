package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
)

// openIDDone is where the way back from the provider ends. The browser still counts
// the request as the provider's and keeps the Strict cookie back; as a landing
// (Config.Landing) it is made again from here, and what follows is ours.
const openIDDone = "/openid/done"

// clientID is who the shop is at the provider.
const clientID = "shop"

// openID is the shop as a client of an OpenID provider.
type openID struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	userinfo func(context.Context, oauth2.TokenSource) (*oidc.UserInfo, error)
	trip     cookie.Cookie[trip]
}

// A trip is what must come back from the provider together with the answer. That
// is a POST from another site, without the session's cookie: so it travels in a
// sealed cookie with SameSite=None, and the visitor's cart with it.
type trip struct {
	State, Nonce, Verifier, Next string

	Goods map[string]int
}

func newOpenID(ctx context.Context, c config, keys *cookie.Keys) (*openID, error) {
	provider, err := oidc.NewProvider(ctx, c.issuer)
	if err != nil {
		return nil, err
	}
	o := &openID{
		oauth: oauth2.Config{
			ClientID: clientID, ClientSecret: c.secret, Endpoint: provider.Endpoint(), RedirectURL: c.origin + "/openid/callback",
			Scopes: []string{oidc.ScopeOpenID, "profile", oidc.ScopeOfflineAccess},
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: clientID}),
		userinfo: provider.UserInfo,
		trip:     cookie.NewSealed[trip]("__Host-Http-trip", keys, cookie.Policy{SameSite: http.SameSiteNoneMode, MaxAge: 10 * time.Minute}),
	}
	return o, o.trip.Err()
}

func (s *shop) openIDStart(w http.ResponseWriter, r *http.Request) error {
	b, _ := cart.Get(coatcheck.From(r.Context()))
	t := trip{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: coatcheck.SafeReturn(r.FormValue("next")), Goods: b.Goods}
	if err := s.openid.trip.Set(w, t); err != nil {
		return err
	}
	http.Redirect(w, r, s.openid.oauth.AuthCodeURL(t.State, oidc.Nonce(t.Nonce), oauth2.S256ChallengeOption(t.Verifier),
		oauth2.SetAuthURLParam("response_mode", "form_post")), http.StatusSeeOther)
	return nil
}

// openIDCallback gets the provider's answer. Of all that a request from another
// site may write, a login is the only thing that is kept.
func (s *shop) openIDCallback(w http.ResponseWriter, r *http.Request) error {
	t, err := s.openid.trip.Get(r)
	s.openid.trip.Clear(w)
	if err != nil || subtle.ConstantTimeCompare([]byte(t.State), []byte(r.PostFormValue("state"))) != 1 {
		return goTo(w, r, openIDDone) // which sees the session: perhaps this answer was used already
	}
	token, id, err := s.openid.exchange(r.Context(), r.PostFormValue("code"), t)
	if err != nil {
		s.log.Warn("OpenID", "error", err)
		return refusal{http.StatusUnauthorized, "Not signed in"}
	}
	var claims struct {
		SID  string `json:"sid"`
		Name string `json:"name"`
	}
	if err := id.Claims(&claims); err != nil {
		return err
	}
	user := openIDUser(id.Subject)
	if err := s.db.noteOpenID(r.Context(), user, claims.Name); err != nil {
		return err
	}
	sess := coatcheck.From(r.Context())
	sess.Login(user)
	sess.SetLabel(sidLabel, claims.SID)
	granted.Set(sess, grantOf(token))
	if len(t.Goods) > 0 {
		cart.Update(sess, add(t.Goods))
	}
	sess.Flash("Welcome!")
	return goTo(w, r, openIDDone+"?"+url.Values{"next": {t.Next}}.Encode())
}

func (o *openID) exchange(ctx context.Context, code string, t trip) (*oauth2.Token, *oidc.IDToken, error) {
	token, err := o.oauth.Exchange(ctx, code, oauth2.VerifierOption(t.Verifier))
	if err != nil {
		return nil, nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := o.verifier.Verify(ctx, raw)
	if err == nil && id.Nonce != t.Nonce {
		err = errors.New("the nonce is another one")
	}
	return token, id, err
}

// openIDDone leads on whoever is signed in, also by an answer that came twice (Back,
// or a second click): that is no failure.
func (s *shop) openIDDone(w http.ResponseWriter, r *http.Request) error {
	if sess := coatcheck.From(r.Context()); sess.User() == "" && !sess.Withheld() {
		return refusal{http.StatusBadRequest, "This sign-in was not begun here, or took too long. Please begin again."}
	}
	return goTo(w, r, coatcheck.SafeReturn(r.FormValue("next")))
}

// openIDLogout is told by the provider, and not by a browser, that a session there
// has ended, perhaps days after it began. The shop's sessions have its name, sid,
// as a label.
func (s *shop) openIDLogout(w http.ResponseWriter, r *http.Request) error {
	token, err := s.openid.verifier.VerifyLogout(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		s.log.Warn("OpenID", "error", err)
		return refusal{http.StatusBadRequest, "not a logout token for us"}
	}
	w.Header().Set("Cache-Control", "no-store")
	if token.SessionID == "" {
		_, err = s.sessions.RevokeAll(r.Context(), openIDUser(token.Subject))
	} else {
		_, err = s.sessions.RevokeLabel(r.Context(), openIDUser(token.Subject), sidLabel, token.SessionID)
	}
	return err // the provider tries again
}

// sidLabel is the provider's name of its session.
const sidLabel = "openid-sid"

// openIDUser is the account of a subject: no subject can be another account's id.
func openIDUser(subject string) string { return "openid:" + subject }
