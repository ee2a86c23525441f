package main

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"github.com/coatcheck/coatcheck"
)

// The cost of a guess, as OWASP has it.
var cost = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// nobody's hash is compared where there is no account: that takes as long.
var nobody, _ = argon2id.CreateHash(rand.Text(), cost)

// "Stay signed in" lasts as long as its device is used once in rememberFor.
const (
	rememberFor = 30 * 24 * time.Hour
	rememberMax = 180 * 24 * time.Hour
)

// typed is the name in a form that was refused, for the same form to show it.
var typed = coatcheck.NewKey[string]("form:signin")

func (s *shop) showSignIn(w http.ResponseWriter, r *http.Request) error {
	name, _ := typed.Pop(coatcheck.From(r.Context()))
	return s.page(w, r, http.StatusOK, "signin", name)
}

// signIn binds the session to the account. The cart of the visitor stays.
func (s *shop) signIn(w http.ResponseWriter, r *http.Request) error {
	a, err := s.db.accountByLogin(r.Context(), r.FormValue("login"))
	if err != nil && !errors.Is(err, errNoAccount) {
		return err
	}
	if !a.hasPassword(r.FormValue("password")) {
		return again(w, r, "This name and password do not fit.")
	}
	return enter(w, r, a.ID)
}

func (a *account) hasPassword(password string) bool {
	hash := nobody
	if a != nil && a.password != "" {
		hash = a.password
	}
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	return ok && err == nil && hash != nobody
}

func (s *shop) register(w http.ResponseWriter, r *http.Request) error {
	login, password := strings.TrimSpace(r.FormValue("login")), r.FormValue("password")
	if login == "" || len(login) > 100 || !utf8.ValidString(login) || len(password) < 8 || len(password) > 200 {
		return again(w, r, "Please choose a name, and a password of at least 8 characters.")
	}
	hash, err := argon2id.CreateHash(password, cost)
	if err != nil {
		return err
	}
	id := rand.Text()
	ok, err := s.db.addAccount(r.Context(), id, login, hash)
	if err != nil {
		return err
	}
	if !ok {
		return again(w, r, "This name is taken.")
	}
	return enter(w, r, id)
}

// enter is the end of every way to sign in by a form.
func enter(w http.ResponseWriter, r *http.Request, id string) error {
	sess := coatcheck.From(r.Context())
	sess.Login(id)
	if r.FormValue("remember") != "" {
		sess.RememberSliding(rememberFor)
	}
	sess.Flash("Welcome!")
	return goTo(w, r, coatcheck.SafeReturn(r.FormValue("next")))
}

// again shows the form once more. Nobody is told which of the two was wrong.
func again(w http.ResponseWriter, r *http.Request, why string) error {
	sess := coatcheck.From(r.Context())
	sess.Flash(why)
	if name := r.FormValue("login"); len(name) <= 100 && utf8.ValidString(name) {
		typed.SetFor(sess, name, 10*time.Minute)
	}
	return goTo(w, r, "/signin?"+url.Values{"next": {r.FormValue("next")}}.Encode())
}

func (s *shop) signOut(w http.ResponseWriter, r *http.Request) error {
	sess := coatcheck.From(r.Context())
	sess.Logout()
	sess.Flash("You are signed out.") // in a new session, of nobody
	return goTo(w, r, "/")
}

// changePassword ends every other session: somebody may know the old one.
func (s *shop) changePassword(w http.ResponseWriter, r *http.Request) error {
	sess, password := coatcheck.From(r.Context()), r.FormValue("password")
	if len(password) < 8 || len(password) > 200 {
		sess.Flash("Please choose a password of at least 8 characters.")
		return goTo(w, r, "/account")
	}
	hash, err := argon2id.CreateHash(password, cost)
	if err == nil {
		err = s.db.setPassword(r.Context(), sess.User(), hash)
	}
	if err != nil {
		return err
	}
	if _, err := s.sessions.RevokeOthers(r.Context()); err != nil {
		return err
	}
	sess.Renew()
	sess.Flash("Your password is changed. All other devices are signed out.")
	return goTo(w, r, "/account")
}
