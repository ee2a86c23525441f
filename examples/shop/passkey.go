package main

import (
	"net/http"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/coatcheck/coatcheck"
)

// What the library must know between the two requests of a ceremony. Each is good
// for one answer: Pop.
var (
	making  = coatcheck.NewKey[webauthn.SessionData]("passkey:new")
	showing = coatcheck.NewKey[webauthn.SessionData]("passkey:show")
)

const ceremony = 5 * time.Minute

func newPasskeys(origin string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(origin)
	if err != nil {
		return nil, err
	}
	return webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "The shop", RPOrigins: []string{origin},
		AuthenticatorSelection: protocol.AuthenticatorSelection{UserVerification: protocol.VerificationRequired},
	})
}

// An account is a webauthn.User.
func (a *account) WebAuthnID() []byte                         { return []byte(a.ID) }
func (a *account) WebAuthnName() string                       { return a.Name }
func (a *account) WebAuthnDisplayName() string                { return a.Name }
func (a *account) WebAuthnCredentials() []webauthn.Credential { return a.passkeys }

func (s *shop) beginNewPasskey(w http.ResponseWriter, r *http.Request) error {
	sess := coatcheck.From(r.Context())
	a, err := s.db.accountByID(r.Context(), sess.User())
	if err != nil {
		return err
	}
	options, data, err := s.passkeys.BeginRegistration(a, webauthn.WithExclusions(webauthn.Credentials(a.passkeys).CredentialDescriptors()))
	if err != nil {
		return err
	}
	making.SetFor(sess, *data, ceremony)
	return answer(w, options)
}

func (s *shop) finishNewPasskey(w http.ResponseWriter, r *http.Request) error {
	sess := coatcheck.From(r.Context())
	data, ok := making.Pop(sess)
	a, err := s.db.accountByID(r.Context(), sess.User())
	if err != nil {
		return err
	}
	if !ok {
		return refusal{http.StatusConflict, "Please begin again."}
	}
	key, err := s.passkeys.FinishRegistration(a, data, r)
	if err != nil {
		s.log.Warn("passkey refused", "error", err)
		return refusal{http.StatusBadRequest, "This passkey was not accepted."}
	}
	if err := s.db.keepPasskey(r.Context(), a.ID, key); err != nil {
		return err
	}
	sess.Flash("Your passkey is kept. From now on you show it before you pay.")
	return nil
}

// showConfirm is where people prove again who they are.
func (s *shop) showConfirm(w http.ResponseWriter, r *http.Request) error {
	a, err := s.db.accountByID(r.Context(), coatcheck.From(r.Context()).User())
	if err != nil {
		return err
	}
	return s.page(w, r, http.StatusOK, "confirm", map[string]bool{"Password": a.password != "", "Passkey": len(a.passkeys) > 0})
}

func (s *shop) confirmPassword(w http.ResponseWriter, r *http.Request) error {
	sess := coatcheck.From(r.Context())
	a, err := s.db.accountByID(r.Context(), sess.User())
	if err != nil {
		return err
	}
	if !a.hasPassword(r.FormValue("password")) {
		sess.Flash("This password does not fit.")
		return goTo(w, r, "/confirm?"+url.Values{"next": {r.FormValue("next")}}.Encode())
	}
	sess.Reauthenticate()
	return goTo(w, r, coatcheck.SafeReturn(r.FormValue("next")))
}

func (s *shop) beginPasskey(w http.ResponseWriter, r *http.Request) error {
	sess := coatcheck.From(r.Context())
	a, err := s.db.accountByID(r.Context(), sess.User())
	if err != nil {
		return err
	}
	options, data, err := s.passkeys.BeginLogin(a)
	if err != nil {
		return refusal{http.StatusBadRequest, "There is no passkey yet."}
	}
	showing.SetFor(sess, *data, ceremony)
	return answer(w, options)
}

// finishPasskey is the step up: a new token, AuthTime now, and one payment.
func (s *shop) finishPasskey(w http.ResponseWriter, r *http.Request) error {
	sess := coatcheck.From(r.Context())
	data, ok := showing.Pop(sess)
	a, err := s.db.accountByID(r.Context(), sess.User())
	if err != nil {
		return err
	}
	if !ok {
		return refusal{http.StatusConflict, "Please begin again."}
	}
	key, err := s.passkeys.FinishLogin(a, data, r)
	if err != nil || key.Authenticator.CloneWarning {
		s.log.Warn("passkey refused", "error", err)
		return refusal{http.StatusForbidden, "This passkey was not accepted."}
	}
	if err := s.db.keepPasskey(r.Context(), a.ID, key); err != nil {
		return err
	}
	sess.Reauthenticate()
	confirmed.SetFor(sess, true, confirmedFor)
	return nil
}
