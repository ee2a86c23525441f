package main

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"regexp"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/coatcheck/coatcheck"
)

// A begun login is what must still be known when the visitor comes back.
type begun struct{ State, Nonce, Verifier, Next string }

// ours is how rand.Text writes.
var ours = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// pending is where the code flow keeps it: a key for each login, so that two tabs
// can log in at once.
func pending(state string) coatcheck.Key[begun] {
	return coatcheck.NewKey[begun]("begun:" + state)
}

// login sends the visitor to the provider.
func (a *app) login(w http.ResponseWriter, r *http.Request) {
	b := begun{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), r.PostFormValue("next")}
	options := []oauth2.AuthCodeOption{oidc.Nonce(b.Nonce), oauth2.S256ChallengeOption(b.Verifier)}
	if r.PostFormValue("by") == "form_post" {
		options = append(options, oauth2.SetAuthURLParam("response_mode", "form_post"))
		if err := a.begun.Set(w, b); err != nil {
			http.Error(w, "no cookie", http.StatusInternalServerError)
			return
		}
	} else {
		pending(b.State).SetFor(coatcheck.From(r.Context()), b, patience)
	}
	http.Redirect(w, r, a.oauth.AuthCodeURL(b.State, options...), http.StatusSeeOther)
}

// landed is the way back of the code flow: a GET that comes from the provider.
// Config.Landing makes it one that comes from our own origin, with the session.
func (a *app) landed(w http.ResponseWriter, r *http.Request) {
	s := coatcheck.From(r.Context())
	var b begun
	var ok bool
	if state := r.FormValue("state"); ours.MatchString(state) {
		b, ok = pending(state).Pop(s) // good for one try
	}
	switch {
	case ok:
		a.finish(w, r, b)
	case s.Withheld(): // no Landing, or it did not help: the page has a link to itself
		coatcheck.AnswerError(w, r, coatcheck.ErrHeldBack)
	default:
		notBegun(w, r)
	}
}

// notBegun answers where no login waits. Whoever presses Back, or loads the way back
// twice, has used it up and is logged in: that is no failure.
func notBegun(w http.ResponseWriter, r *http.Request) {
	if coatcheck.From(r.Context()).User() != "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	again(w, "This login was not begun in this browser, or took too long.")
}

// posted is the way back of form_post. No cookie of the session comes with it, so
// the state is in one of its own.
func (a *app) posted(w http.ResponseWriter, r *http.Request) {
	// A login here would be a new session, without what the visitor has kept in
	// the one that is not shown, nor is it known who is logged in already. So the
	// form is sent once more, by a page of ours.
	if s := coatcheck.From(r.Context()); s.Withheld() && r.PostFormValue("again") == "" {
		repost(w, r)
		return
	}
	b, err := a.begun.Get(r)
	if err != nil || subtle.ConstantTimeCompare([]byte(b.State), []byte(r.PostFormValue("state"))) != 1 {
		notBegun(w, r)
		return
	}
	if err := a.begun.Clear(w); err != nil {
		http.Error(w, "no cookie", http.StatusInternalServerError)
		return
	}
	a.finish(w, r, b)
}

// finish exchanges the code and logs in whom the provider names.
func (a *app) finish(w http.ResponseWriter, r *http.Request, b begun) {
	user, sid, raw, err := a.exchange(r, b)
	if err != nil {
		again(w, "The provider did not log you in.")
		return
	}
	s := coatcheck.From(r.Context())
	s.Login(user)
	if sid != "" {
		s.SetLabel(byProvider, sid)
	}
	idToken.Set(s, raw)
	http.Redirect(w, r, coatcheck.SafeReturn(b.Next), http.StatusSeeOther)
}

func (a *app) exchange(r *http.Request, b begun) (user, sid, raw string, err error) {
	ctx := oidc.ClientContext(r.Context(), a.http)
	token, err := a.oauth.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(b.Verifier))
	if err != nil {
		return "", "", "", err
	}
	raw, _ = token.Extra("id_token").(string)
	id, err := a.tokens.Verify(ctx, raw)
	if err != nil {
		return "", "", "", err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(b.Nonce)) != 1 {
		return "", "", "", fmt.Errorf("the nonce is of another login")
	}
	var claims struct {
		SID string `json:"sid"`
	}
	return id.Subject, claims.SID, raw, id.Claims(&claims)
}
