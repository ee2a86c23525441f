package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck"
)

// defaultFresh is how old the login of an operator may be who ends sessions.
const defaultFresh = 5 * time.Minute

// maxFresh is a working day.
const maxFresh = 12 * time.Hour

// storeTimeout bounds what a page waits for the store; then it says so and shows
// the rest.
const storeTimeout = 3 * time.Second

// Config sets what a console is. Authorize and Recorder must be given.
type Config struct {
	// Authorize reports whether whoever sends the request may look at everybody's
	// sessions. It is asked for each request, and again every 15 seconds while a
	// stream of events is open. It may use the session of the request, by From: an
	// operator's role is the usual answer. Whoever it refuses gets NotFound. Nil is an
	// error: there is no default that lets anybody in.
	Authorize func(*http.Request) bool

	// Recorder is what the manager's events and its store's calls were given to.
	Recorder *Recorder

	// Operators manages the sessions of who looks, whose User names them in the
	// events of what they end. Nil means the manager whose sessions are shown. With
	// one of its own, in cookies for one (coatcheck.NewInCookie), operators can look
	// while the store of the others is away.
	Operators *coatcheck.Manager

	// Fresh is how long after a login, or Session.Reauthenticate, an operator may end
	// sessions; then they are asked again. Zero means 5 minutes; at most 12 hours.
	// (ASVS 7.5.1)
	Fresh time.Duration

	// Login is the path of the page on which operators log in again. The console
	// leads there with its own path as next in the query, for SafeReturn. Empty means
	// that the page only says what to do.
	Login string

	// ShowValues reports whether this operator may see a value of a user's session:
	// the request is the operator's, the user is "" for an anonymous session. It is
	// asked for each value. Nil means that names and sizes are all that is shown.
	ShowValues func(r *http.Request, user, name string) bool

	// Name is what the application is called, in the title of the pages. Empty means
	// the Host of the request.
	Name string

	// NotFound answers who is not authorised, and what is no page. It should be what
	// answers unknown paths of the application, so that nobody sees that there is a
	// console. Nil means http.NotFound, as in http.ServeMux.
	NotFound http.Handler
}

// A Console is the pages. It is made by New, safe for concurrent use, and starts no
// goroutine.
type Console struct {
	cfg      Config
	sessions *coatcheck.Manager
	handler  http.Handler
	act      func(http.Handler) http.Handler // RequireFresh
	stats    stats
	closing  chan struct{}
	close    sync.Once
}

// New returns the console of the sessions of a manager. Mount it under a path that
// ends in a slash, with the path itself beside it, since ServeMux would lead from
// there to the slash and so tell that there is something:
//
//	mux.Handle("/console/", page)
//	mux.Handle("/console", page)
//
// Within Manager.Handler of [Config.Operators] or outside of it is the same. It answers
// by the last part of the path, whatever is before that.
func New(sessions *coatcheck.Manager, cfg Config) (*Console, error) {
	switch {
	case sessions == nil:
		return nil, errors.New("console: New: the manager is nil")
	case cfg.Authorize == nil:
		return nil, errors.New("console: Config.Authorize is nil; want a function that says who may see everybody's sessions")
	case cfg.Recorder == nil:
		return nil, errors.New("console: Config.Recorder is nil; want the one whose Events and Store the manager was made with")
	case cfg.Fresh < 0 || cfg.Fresh > maxFresh:
		return nil, fmt.Errorf("console: Config.Fresh is %v; want 0 (%v) to %v", cfg.Fresh, defaultFresh, maxFresh)
	case cfg.Login != "" && coatcheck.SafeReturn(cfg.Login) != cfg.Login:
		return nil, fmt.Errorf("console: Config.Login is %q; want a path of this site", cfg.Login)
	}
	if cfg.Fresh == 0 {
		cfg.Fresh = defaultFresh
	}
	if cfg.Operators == nil {
		cfg.Operators = sessions
	}
	if cfg.NotFound == nil {
		cfg.NotFound = http.NotFoundHandler()
	}
	cfg.Recorder.start()
	c := &Console{cfg: cfg, sessions: sessions, closing: make(chan struct{})}
	c.act = cfg.Operators.RequireFresh(cfg.Fresh)
	// A second time this does nothing; without it there is no session to ask, and no
	// cross-origin check.
	c.handler = cfg.Operators.Handler(http.HandlerFunc(c.serve))
	return c, nil
}

// ServeHTTP answers a request for one of the pages.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// Format prints whose sessions these are, whatever the verb.
func (c *Console) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "{console of %v}", c.sessions) }

// Close ends the streams of events that are open, which would hold up
// http.Server.Shutdown: give it to RegisterOnShutdown.
func (c *Console) Close() { c.close.Do(func() { close(c.closing) }) }

// A route is one page, by the last part of its path.
type route struct {
	method string
	serve  func(*Console, http.ResponseWriter, *http.Request)
}

var routes = map[string]route{
	"":        {http.MethodGet, (*Console).overview},
	"user":    {http.MethodGet, (*Console).user},
	"session": {http.MethodGet, (*Console).session},
	"why":     {http.MethodGet, (*Console).why},
	"events":  {http.MethodGet, (*Console).events},
	"stream":  {http.MethodGet, (*Console).stream},
	"icon":    {http.MethodGet, (*Console).icon},
	"end":     {http.MethodPost, (*Console).end},
	"end-all": {http.MethodPost, (*Console).endAll},
}

// serve lets in who is authorised. Nobody else learns anything: not whether there is
// a page of that name, nor which methods it has.
func (c *Console) serve(w http.ResponseWriter, r *http.Request) {
	_, name := path.Split(r.URL.Path)
	page, ok := routes[name]
	bare := name != "" && strings.HasSuffix(r.Pattern, "/"+name)
	if !c.cfg.Authorize(r) || !ok && !bare {
		c.cfg.NotFound.ServeHTTP(w, r)
		return
	}
	switch {
	case bare: // mounted at /console, and asked for that
		w.Header().Set("Location", name+"/")
		w.WriteHeader(http.StatusSeeOther)
		return
	case r.Method == page.method || page.method == http.MethodGet && r.Method == http.MethodHead:
	default:
		w.Header().Set("Allow", page.method)
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	if page.method == http.MethodGet {
		page.serve(c, w, r)
		return
	}
	// An origin that the application trusts, for its API, may post to that and not
	// here. What ends sessions comes from these pages.
	if err := ownOrigin.Check(r); err != nil {
		c.say(w, r, http.StatusForbidden, "Nothing was ended", "The request came from another origin.")
		return
	}
	if !c.fresh(r) {
		c.askAgain(w, r)
		return
	}
	c.act(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { page.serve(c, w, r) })).ServeHTTP(w, r)
}

var ownOrigin = http.NewCrossOriginProtection()

// who is the operator's name.
func (c *Console) who(r *http.Request) string { return c.cfg.Operators.From(r.Context()).User() }

// fresh reports whether the operator may end sessions now.
func (c *Console) fresh(r *http.Request) bool {
	s := c.cfg.Operators.From(r.Context())
	return s.User() != "" && time.Since(s.AuthTime()) <= c.cfg.Fresh
}

// limited is the context of one call of the store.
func limited(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), storeTimeout)
}
