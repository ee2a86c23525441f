package main

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
)

// A config is what an instance of the shop is told.
type config struct {
	origin  string         // under which people reach it
	partner string         // a second origin, whose pages call the API; may be ""
	proxies []netip.Prefix // in front of it
	issuer  string         // the OpenID provider; may be ""
	secret  string         // of the shop there
	log     *slog.Logger
}

// A shop is what all handlers share.
type shop struct {
	config
	db       *database
	sessions *coatcheck.Manager
	passkeys *webauthn.WebAuthn
	openid   *openID // nil without a provider
}

func newShop(ctx context.Context, c config, db *database, keys *cookie.Keys) (*shop, error) {
	s := &shop{config: c, db: db}
	crossOrigin, err := c.crossOrigin()
	if err != nil {
		return nil, err
	}
	s.sessions, err = coatcheck.New(db.sessions, keys, coatcheck.Config{
		Origins:     []string{c.origin},
		Proxies:     c.proxies,
		CrossOrigin: crossOrigin,
		// Links of other sites lead to every page, as the user: no GET has effects.
		Landing:     func(*http.Request) bool { return true },
		MaxRemember: rememberMax,
		OnError:     s.onError,
		Device:      deviceName,
		Events:      coatcheck.LogEvents(c.log),
	})
	if err != nil {
		return nil, err
	}
	if s.passkeys, err = newPasskeys(c.origin); err != nil {
		return nil, err
	}
	if c.issuer != "" {
		s.openid, err = newOpenID(ctx, c, keys)
	}
	return s, err
}

// crossOrigin lets in two more origins: the provider's page posts to our callback,
// where nothing but a login is kept, and the partner's pages call the API.
func (c *config) crossOrigin() (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	for _, site := range []string{c.issuer, c.partner} {
		if site == "" {
			continue
		}
		u, err := url.Parse(site)
		if err == nil {
			err = p.AddTrustedOrigin(u.Scheme + "://" + u.Host)
		}
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// freshFor is how long after proving who they are people may change their account.
const freshFor = 5 * time.Minute

//go:embed static
var static embed.FS

func (s *shop) routes() http.Handler {
	r := chi.NewRouter()
	// Recoverer goes around the sessions: a panic then passes through them, and
	// they store nothing of what the request did.
	r.Use(middleware.Recoverer, middleware.GetHead, s.headers)
	r.Get("/livez", func(http.ResponseWriter, *http.Request) {})
	r.Get("/readyz", s.do(s.ready))
	r.Handle("/static/*", http.FileServerFS(static))
	r.Route("/api", s.api)
	if s.openid != nil {
		r.Post("/openid/logout", s.do(s.openIDLogout)) // by the provider, not by a browser
	}
	r.Group(func(r chi.Router) {
		r.Use(s.sessions.Handler, s.sessions.Require)
		r.Get("/", s.do(s.front))
		r.Get("/cart", s.do(s.showCart))
		r.Post("/cart", s.do(s.addToCart))
		r.Get("/signin", s.do(s.showSignIn))
		r.Post("/signin", s.do(s.signIn))
		r.Post("/register", s.do(s.register))
		r.Post("/signout", s.do(s.signOut))
		if s.openid != nil {
			r.Post("/openid/start", s.do(s.openIDStart))
			r.Post("/openid/callback", s.do(s.openIDCallback))
			r.Get(openIDDone, s.do(s.openIDDone))
		}
		r.Group(func(r chi.Router) {
			r.Use(s.sessions.RequireLogin)
			r.Post("/checkout", s.do(s.checkout))
			r.Get("/orders", s.do(s.orders))
			r.Get("/notices", s.notices)
			r.Get("/devices", s.do(s.devices))
			r.Post("/devices/name", s.do(s.nameDevice))
			r.Post("/devices/end", s.do(s.endDevice))
			r.Get("/confirm", s.do(s.showConfirm))
			r.Post("/confirm", s.do(s.confirmPassword))
			r.Post("/confirm/begin", s.do(s.beginPasskey))
			r.Post("/confirm/finish", s.do(s.finishPasskey))
		})
		r.Group(func(r chi.Router) {
			r.Use(s.sessions.RequireFresh(freshFor))
			r.Get("/account", s.do(s.account))
			r.Post("/account/password", s.do(s.changePassword))
			r.Post("/account/passkey/begin", s.do(s.beginNewPasskey))
			r.Post("/account/passkey/finish", s.do(s.finishNewPasskey))
		})
	})
	return r
}

// headers are those of every answer. Middleware that sets some belongs around the
// sessions' Handler, or an answer that is replaced lacks them. The form that leads
// to the provider is sent to us, and some browsers ask about the redirect, too.
func (s *shop) headers(next http.Handler) http.Handler {
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' " + s.issuer
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// onError sends people who must sign in, or prove again who they are, to where
// they can. Everything else is answered as it comes: the page for who comes from
// another site, Retry-After, and what scripts are told.
func (s *shop) onError(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, coatcheck.ErrLoginRequired) || !wantsPage(r) {
		coatcheck.AnswerError(w, r, err)
		return
	}
	to := "/signin"
	if errors.Is(err, coatcheck.ErrNotFresh) { // which is an ErrLoginRequired, too
		to = "/confirm"
	}
	http.Redirect(w, r, to+"?"+url.Values{"next": {cameFrom(r)}}.Encode(), http.StatusSeeOther)
}

func wantsPage(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/api/") && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// cameFrom is a page to go on from: this one or, for a form, the page it is on.
func cameFrom(r *http.Request) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return r.URL.RequestURI()
	}
	u, err := url.Parse(r.Referer())
	if err != nil {
		return "/"
	}
	return coatcheck.SafeReturn(u.RequestURI())
}

// do makes a handler of one that returns what failed.
func (s *shop) do(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if why, ok := errors.AsType[refusal](err); ok {
			http.Error(w, why.text, why.status)
		} else if err != nil {
			s.log.Error("request", "path", r.URL.Path, "error", err)
			w.Header().Set("Retry-After", "1")
			http.Error(w, "Something failed on our side. Please try again.", http.StatusServiceUnavailable)
		}
	}
}

// A refusal is an error that the client can do something about.
type refusal struct {
	status int
	text   string
}

func (e refusal) Error() string { return e.text }

func goTo(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// ready says whether requests can be answered: a load balancer asks. It looks at
// no session, and says the same to everybody.
func (s *shop) ready(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	return s.db.sessions.Ping(ctx)
}
