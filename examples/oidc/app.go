package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

// A login may take this long, at the provider or in the visitor's mail.
const patience = 10 * time.Minute

// What the session keeps.
var (
	cart    = coatcheck.NewKey[[]string]("cart") // also of visitors who have not logged in yet
	idToken = coatcheck.NewKey[string]("id_token")
)

// The label of a login that came from the provider: the provider's name of it.
const byProvider = "oidc"

type settings struct {
	site, issuer, client, secret string

	keys   *cookie.Keys
	http   *http.Client
	send   func(letter) error
	events func(coatcheck.Event)
}

type app struct {
	settings
	sessions *coatcheck.Manager
	oauth    oauth2.Config
	tokens   *oidc.IDTokenVerifier
	ends     string // where the provider ends its own session
	begun    cookie.Cookie[begun]
	links    links
}

// newApp asks the provider for its addresses and keys.
func newApp(ctx context.Context, s settings, st store.Store) (*app, error) {
	a := &app{settings: s}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, s.http), s.issuer)
	if err != nil {
		return nil, fmt.Errorf("the provider at %s: %w", s.issuer, err)
	}
	var more struct {
		Ends string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, fmt.Errorf("the provider at %s: %w", s.issuer, err)
	}
	a.ends = more.Ends
	a.tokens = provider.Verifier(&oidc.Config{ClientID: s.client})
	a.oauth = oauth2.Config{ClientID: s.client, ClientSecret: s.secret, Endpoint: provider.Endpoint(),
		RedirectURL: s.site + "/callback", Scopes: []string{oidc.ScopeOpenID}}

	// form_post comes from the provider's origin, as a POST.
	trusted := http.NewCrossOriginProtection()
	if err := trusted.AddTrustedOrigin(s.issuer); err != nil {
		return nil, err
	}
	a.sessions, err = coatcheck.New(st, s.keys, coatcheck.Config{
		CrossOrigin: trusted,
		// The code flow ends with a GET, which is safe for others to cause: the
		// state in it is good for this browser only, and only once.
		Landing: func(r *http.Request) bool { return r.URL.Path == "/callback" },
		Events:  s.events,
	})
	if err != nil {
		return nil, err
	}
	// Not even Lax would come with a form that the provider's page posts.
	a.begun = cookie.NewSealed[begun]("__Host-begun", s.keys, cookie.Policy{MaxAge: patience, SameSite: http.SameSiteNoneMode})
	return a, a.begun.Err()
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /keep", a.keep)
	mux.HandleFunc("POST /logout", a.logout)

	mux.HandleFunc("POST /login", a.login)
	mux.HandleFunc("GET /callback", a.landed)
	mux.HandleFunc("POST /callback", a.posted)
	mux.HandleFunc("POST /ended", a.ended)

	mux.HandleFunc("POST /mail", a.mail)
	mux.HandleFunc("GET /in", a.askIn)
	mux.HandleFunc("POST /in", a.in)
	return a.sessions.Handler(mux)
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	s := coatcheck.From(r.Context())
	items, _ := cart.Get(s)
	show(w, http.StatusOK, "home", map[string]any{"User": s.User(), "Cart": items})
}

func (a *app) keep(w http.ResponseWriter, r *http.Request) {
	coatcheck.Append(coatcheck.From(r.Context()), cart, r.PostFormValue("item"))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// logout ends the session here, and then the provider's, which tells the user's
// other applications.
func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	s := coatcheck.From(r.Context())
	hint, ok := idToken.Get(s)
	s.Logout()
	if !ok || a.ends == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	there := url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {a.site + "/"}}
	http.Redirect(w, r, a.ends+"?"+there.Encode(), http.StatusSeeOther)
}

// ended is where the provider's logout tokens come.
// https://openid.net/specs/openid-connect-backchannel-1_0.html
func (a *app) ended(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	token, err := a.tokens.VerifyLogout(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		http.Error(w, "not a logout token for us", http.StatusBadRequest)
		return
	}
	if err := a.end(r.Context(), token.Subject, token.SessionID); err != nil {
		http.Error(w, "not ended", http.StatusServiceUnavailable)
	}
}

// end ends the sessions that one login at the provider began, by its lasting name
// there (sid), or all that the user has.
func (a *app) end(ctx context.Context, user, sid string) error {
	if sid == "" {
		_, err := a.sessions.RevokeAll(ctx, user)
		return err
	}
	if user != "" {
		_, err := a.sessions.RevokeLabel(ctx, user, byProvider, sid)
		return err
	}
	// A provider need not say whose it was. This asks for everybody's; a note of
	// the application, made at login, would be faster.
	users := make(map[string]bool)
	for info, err := range a.sessions.All(ctx) {
		if err != nil {
			return err
		}
		if info.User != "" && info.Labels[byProvider] == sid {
			users[info.User] = true
		}
	}
	var errs []error
	for user := range users {
		_, err := a.sessions.RevokeLabel(ctx, user, byProvider, sid)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
