package coatcheck

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/binding"
	"github.com/coatcheck/coatcheck/internal/token"
	"github.com/coatcheck/coatcheck/store"
)

// A Manager gives the requests of an application their sessions. It is made by New,
// NewInCookie or NewBearer, safe for concurrent use, and keeps no goroutine running
// (the timers of [Session.Ended] run in theirs). Several managers may
// serve one request, each with a cookie name and a store of its own.
type Manager struct {
	cfg        Config
	carrier    carrier
	sid        *cookie.Raw
	marker     *cookie.Raw                   // nil unless SameSite is Strict; nil with bearer
	bearer     bool                          // no cookies: see NewBearer
	note       *cookie.Raw                   // see Session.knowsOfEnd; nil with bearer
	scopes     []string                      // see putScopes
	keys       *cookie.Keys                  // for package dbsc; of New alone
	guard      atomic.Pointer[binding.Guard] // of package dbsc; nil without
	origins    origins
	commits    queue
	swept      atomic.Int64 // Unix microseconds of the last sweep
	plain      atomic.Int64 // and of the last event of tellPlainHTTP
	endWaiters endWaiters
	devices    deviceLabels
	adopts     atomic.Bool // Adopting was called
	moving     atomic.Bool // Moving knows of it

	observer store.Observer // nil = none
}

// New returns a manager of the sessions in store, whose cookies carry a token
// under keys. It checks all of cfg and names the field that is wrong.
func New(st store.Store, keys *cookie.Keys, cfg Config) (*Manager, error) {
	if st == nil {
		return nil, errors.New("coatcheck: New: store is nil")
	}
	if keys == nil {
		return nil, errors.New("coatcheck: New: keys is nil; cookie.KeysFromEnv reads SECRET_KEY")
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.MaxCookie != 0 {
		return nil, fmt.Errorf("coatcheck: Config.MaxCookie is %d; want 0: only NewInCookie has large cookies", cfg.MaxCookie)
	}
	tokens := newTokens(st, keys, token.Purpose+":"+cfg.Name)
	if tokens.keys.Empty() {
		return nil, errNoSecret("New")
	}
	m, err := newManager(tokens, cfg)
	if err == nil {
		m.keys = keys
	}
	return m, err
}

// errNoSecret is of a keyring that was not made by KeysFromEnv or NewKeys.
func errNoSecret(what string) error {
	return fmt.Errorf("coatcheck: %s: keys hold no secret; want those of cookie.KeysFromEnv or cookie.NewKeys", what)
}

// findObserver finds who in the store wants to know of commits and of those who wait.
func (m *Manager) findObserver() {
	m.observer, _ = store.As[store.Observer](m.carrier)
	m.endWaiters.observer = m.observer
}

func newManager(c carrier, cfg Config) (*Manager, error) {
	m := &Manager{cfg: cfg, carrier: c, origins: cfg.Origins}
	m.findObserver()
	var err error
	if m.sid, err = cookie.NewRaw(cfg.Name, cfg.Cookie); err != nil {
		return nil, fmt.Errorf("coatcheck: Config.Name, Config.Cookie: %w", err)
	}
	if strict := cfg.Cookie.SameSite; strict == 0 || strict == http.SameSiteStrictMode {
		if m.marker, err = cookie.NewRaw(cfg.Name+markerSuffix, markerPolicy(cfg.Cookie)); err != nil {
			return nil, fmt.Errorf("coatcheck: Config.Name, Config.Cookie: marker: %w", err)
		}
	}
	if m.note, err = cookie.NewRaw(cfg.Name+noteSuffix, cfg.Cookie); err != nil {
		return nil, fmt.Errorf("coatcheck: Config.Name, Config.Cookie: %w", err)
	}
	former, err := formerScopes(cfg, m.sid, m.marker)
	if err != nil {
		return nil, err
	}
	m.scopes = scopes(cfg.Cookie, m.sid, m.marker)
	m.scopes = append(m.scopes, slices.DeleteFunc(former, func(l string) bool { return slices.Contains(m.scopes, l) })...)
	if cfg.Cookie.AllowInsecureHTTP {
		m.event(context.Background(), Event{Kind: Insecure, Reason: reasonPlain})
	}
	return m, nil
}

// Format prints the name of the manager's cookie, whatever the verb.
func (m *Manager) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "{sessions in %s}", m.cfg.Name) }

// session is From for a context that need not be a request's.
func (m *Manager) session(ctx context.Context) *Session {
	if x, ok := ctx.Value(m).(*exchange); ok {
		return x.session()
	}
	return nil
}

// handleOf is the handle, or "" where there is no session.
func handleOf(id store.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.Handle()
}

// Describe returns the policy in force as text, for a start-up log, a review,
// or the documentation that ASVS 7.1.1 to 7.1.3 ask for.
func (m *Manager) Describe() string {
	c := &m.cfg
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-18s %s\n", what, fmt.Sprintf(format, args...))
	}
	if m.bearer {
		line("token", "in %s: Bearer; a new one comes in %s", authorization, TokenHeader)
	} else {
		line("cookie", "%s", m.sid.Name())
		line("attributes", "%s", attributes(m))
	}
	line("user", "idle %v, lifetime %v, remembered at most %v", c.Idle, c.Lifetime, c.MaxRemember)
	line("anonymous", "idle %v, lifetime %v", c.AnonymousIdle, c.AnonymousLifetime)
	switch {
	case c.MaxPerUser == 0:
		line("sessions per user", "not limited")
	case c.AtLimit == Refuse:
		line("sessions per user", "%d, another login is refused", c.MaxPerUser)
	default:
		line("sessions per user", "%d, another login ends the oldest", c.MaxPerUser)
	}
	line("kept", "%s", map[bool]string{false: "in the store, by a hash of the token", true: "in the cookie, encrypted"}[m.carrier.inCookie()])
	line("after logout", "%s", afterLogout(m))
	line("from other sites", "%s", fromOtherSites(m))
	line("known as", "%s", map[bool]string{false: "what Host says", true: "what Host says, and " + strings.Join(c.Origins, ", ")}[len(c.Origins) > 0])
	line("client address", "%s", clientAddress(c))
	return b.String()
}

// clientAddress says which address stands in lists of devices.
func clientAddress(c *Config) string {
	if len(c.Proxies) == 0 {
		return "of the connection"
	}
	return fmt.Sprintf("by %s, of proxies at %s", c.ProxyHeader, strings.Trim(fmt.Sprint(c.Proxies), "[]"))
}

// afterLogout is what the client is told to forget.
func afterLogout(m *Manager) string {
	switch {
	case m.bearer:
		return "the client is told to forget the token"
	case m.cfg.KeepSiteData:
		return "the browser keeps caches and storage of the site"
	}
	return "the browser clears caches and storage of the site"
}

// fromOtherSites is what a request is that another site caused (G7).
func fromOtherSites(m *Manager) string {
	switch c := &m.cfg; {
	case m.bearer:
		return "nothing that browsers do by themselves; unsafe methods without a token are refused"
	case c.Cookie.SameSite == http.SameSiteNoneMode:
		return "logged in, whatever the request; unsafe methods are refused"
	case c.Cookie.SameSite == http.SameSiteLaxMode:
		return "logged in where a link leads here, otherwise anonymous"
	case c.Landing != nil:
		return "anonymous, but for the pages of Config.Landing"
	}
	return "anonymous, and nothing is written"
}

// attributes are those of a Set-Cookie line, as browsers will see them.
func attributes(m *Manager) string {
	c, err := http.ParseSetCookie(m.sid.Expired())
	if err != nil {
		return err.Error()
	}
	c.Name, c.Value, c.MaxAge, c.RawExpires = "x", "", 0, ""
	c.Expires = c.Expires.AddDate(-1000, 0, 0) // not valid, so not written
	return strings.TrimPrefix(c.String(), "x=; ")
}
