package openid_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/coatcheck/coatcheck/examples/internal/openid"
	"github.com/coatcheck/coatcheck/examples/internal/openid/openidtest"
)

const back = "https://app.test/back"

// A party is an application, and the browser of its visitor.
type party struct {
	t       *testing.T
	p       *openid.Provider
	ctx     context.Context
	browser *http.Client
	oauth   oauth2.Config
	checks  *oidc.IDTokenVerifier
	told    chan string // the logout tokens that came
}

func begin(t *testing.T) *party {
	t.Helper()
	a := &party{t: t, told: make(chan string, 3)}
	app := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.told <- r.PostFormValue("logout_token") }))
	t.Cleanup(app.Close)
	var client *http.Client
	a.p, client = openidtest.Start(t, openid.Config{
		Users:   map[string]string{"alice": "wonder"},
		Clients: []openid.Client{{ID: "app", Secret: "s3cret", Redirects: []string{back}, BackChannel: app.URL}},
	})
	a.ctx = oidc.ClientContext(t.Context(), client)
	discovered, err := oidc.NewProvider(a.ctx, a.p.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	a.oauth = oauth2.Config{ClientID: "app", ClientSecret: "s3cret", Endpoint: discovered.Endpoint(), RedirectURL: back,
		Scopes: []string{oidc.ScopeOpenID, "profile", oidc.ScopeOfflineAccess}}
	a.checks = discovered.Verifier(&oidc.Config{ClientID: "app"})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	a.browser = &http.Client{Transport: client.Transport, Timeout: time.Minute, Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), back) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return a
}

func read(t *testing.T, res *http.Response, err error) (*http.Response, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// goes sends the browser to log in, and types the password where it is asked for.
func (a *party) goes(password string, options ...oauth2.AuthCodeOption) (*http.Response, string) {
	a.t.Helper()
	res, err := a.browser.Get(a.oauth.AuthCodeURL("the state", options...))
	res, body := read(a.t, res, err)
	if res.Request.URL.Path != "/login" || res.StatusCode != http.StatusOK {
		return res, body
	}
	res, err = a.browser.PostForm(a.p.Issuer()+"/login", url.Values{"id": {res.Request.URL.Query().Get("id")}, "user": {"alice"}, "password": {password}})
	return read(a.t, res, err)
}

func (a *party) exchange(code, verifier string) (*oauth2.Token, *oidc.IDToken, string) {
	a.t.Helper()
	token, err := a.oauth.Exchange(a.ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		a.t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := a.checks.Verify(a.ctx, raw)
	if err != nil {
		a.t.Fatal(err)
	}
	var claims struct {
		SID string `json:"sid"`
	}
	if err := id.Claims(&claims); err != nil {
		a.t.Fatal(err)
	}
	return token, id, claims.SID
}

// The code flow with PKCE, single sign-on by form_post, a refresh token that is
// good once, and a logout token with the sid of the login.
func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	a := begin(t)
	verifier := oauth2.GenerateVerifier()
	res, _ := a.goes("wonder", oauth2.S256ChallengeOption(verifier), oidc.Nonce("n1"))
	to, err := res.Location()
	if err != nil {
		t.Fatalf("%v: %d", err, res.StatusCode)
	}
	if to.Query().Get("state") != "the state" || !strings.HasPrefix(to.String(), back+"?") {
		t.Fatalf("sent to %v", to)
	}
	token, id, sid := a.exchange(to.Query().Get("code"), verifier)
	if id.Subject != "alice" || id.Nonce != "n1" || sid == "" {
		t.Errorf("got subject %q, nonce %q, sid %q", id.Subject, id.Nonce, sid)
	}

	verifier = oauth2.GenerateVerifier() // signed in already: no question is asked
	_, page := a.goes("never asked", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("response_mode", "form_post"))
	field := regexp.MustCompile(`action="([^"]*)"[\s\S]*name="state" value="([^"]*)"[\s\S]*name="code" value="([^"]*)"`).FindStringSubmatch(page)
	if field == nil || html.UnescapeString(field[1]) != back || field[2] != "the state" {
		t.Fatalf("no form to post to the application: %s", page)
	}
	if _, _, again := a.exchange(html.UnescapeString(field[3]), verifier); again != sid {
		t.Errorf("another sid within one session: %q and %q", again, sid)
	}

	old := &oauth2.Token{RefreshToken: token.RefreshToken}
	fresh, err := a.oauth.TokenSource(a.ctx, old).Token()
	if err != nil || fresh.RefreshToken == "" || fresh.RefreshToken == token.RefreshToken {
		t.Errorf("refresh: got %v", err)
	}
	if _, err := a.oauth.TokenSource(a.ctx, old).Token(); err == nil {
		t.Error("a refresh token was good twice")
	}

	res, err = a.browser.Post(a.p.Issuer()+"/logout", "", nil)
	if _, page := read(t, res, err); !strings.Contains(page, "Logged out") {
		t.Fatalf("logout: %s", page)
	}
	logout, err := a.checks.VerifyLogout(a.ctx, <-a.told)
	if err != nil || logout.SessionID != sid || logout.Subject != "alice" {
		t.Errorf("logout token: got %+v, %v; want sid %q", logout, err, sid)
	}
	if _, err := a.oauth.TokenSource(a.ctx, &oauth2.Token{RefreshToken: fresh.RefreshToken}).Token(); err == nil {
		t.Error("a refresh token outlives the session")
	}
}

// What must not lead to a code.
func TestRefused(t *testing.T) {
	t.Parallel()
	a := begin(t)
	if res, _ := a.goes("wrong", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())); res.StatusCode != http.StatusForbidden {
		t.Errorf("a wrong password: got %d", res.StatusCode)
	}
	res, _ := a.goes("wonder")
	if to, err := res.Location(); err != nil || to.Query().Get("error") != "invalid_request" {
		t.Errorf("without PKCE: got %d %v", res.StatusCode, to)
	}
	verifier := oauth2.GenerateVerifier()
	res, _ = a.goes("wonder", oauth2.S256ChallengeOption(verifier))
	to, err := res.Location()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.oauth.Exchange(a.ctx, to.Query().Get("code"), oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		t.Error("a code without its verifier was good")
	}
	if _, err := a.oauth.Exchange(a.ctx, to.Query().Get("code"), oauth2.VerifierOption(verifier)); err == nil {
		t.Error("a code was good after a try that failed")
	}
}
