package dbsc

import (
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/binding"
)

// Config sets what New leaves open. The zero value is the safest setting, and most
// programs need only that.
type Config struct {
	// Path is where the Handler is mounted, as browsers see it. The default is
	// "/dbsc/". It must not stand behind RequireLogin: a browser comes here when
	// it cannot show the session yet.
	Path string

	// MaxAge is the life of the bound cookie, and so the longest that a copied pair
	// of cookies opens anything. Default 10 minutes, at most 1 hour. With less than
	// 5 minutes Chromium proves the key more often than its quota allows, 6 times in
	// 9 minutes, and then sends requests without the cookie, which are refused: only
	// for trying it out.
	MaxAge time.Duration

	// ProofAge is how old the proof of the key may be where RequireProof asks for it.
	// Default and least is 2 minutes: a page that sends a browser to prove its key
	// more often than every 90 seconds uses up Chromium's quota by itself, and then
	// none of the application's pages gets a proof. At most 1 hour; a bound cookie is
	// never older than MaxAge.
	ProofAge time.Duration

	// Require names the requests to which a session must be bound, such as those to
	// administrators' pages: there a logged-in user whose session is not bound is
	// refused with coatcheck.ErrNotBound, and so is every browser that cannot bind,
	// and a request without bound cookie of a session that is being bound just now,
	// which other pages serve for a while.
	// It is asked where the session is first looked at, must not use it, and is
	// called by several goroutines at once. Nil means none.
	Require func(*http.Request) bool
}

const (
	defaultPath   = "/dbsc/"
	defaultMaxAge = 10 * time.Minute
	longestMaxAge = time.Hour

	boundSuffix = "-bound"
)

// Times of the protocol.
const (
	// registrationLife is how long after a login a registration is accepted. The
	// browser makes it at once.
	registrationLife = 5 * time.Minute

	// refreshAhead is how much longer than the cookie a challenge is valid that
	// came with it: the refresh follows the cookie's end, or comes before it.
	refreshAhead = 5 * time.Minute

	// usesWithin is how long after a refresh a challenge is accepted that is not
	// newer than its: several tabs prove the key at once, and the clock of another
	// server may be behind.
	usesWithin = skew

	// grace is how long after the first request with a bound cookie those without
	// one are still served, as long as the first cookie's life: they left the browser
	// before.
	grace = 30 * time.Second

	// inFlight is by how much the browser's life of a bound cookie is shorter than
	// ours: a request that brings it is on its way for a while.
	inFlight = 10 * time.Second
)

// A Handler binds the sessions of one Manager, and answers the registrations and
// refreshes of browsers. It is made by New and safe for concurrent use.
type Handler struct {
	maxAge   time.Duration
	proofAge time.Duration
	register string
	refresh  string
	require  func(*http.Request) bool

	manager    *coatcheck.Manager
	sessions   *binding.Sessions
	inner      http.Handler
	cookie     *cookie.Raw
	asked      *cookie.Raw // of RequireProof
	attributes string      // of the bound cookie, without its lifetime
	cookies    tagger
	genuine    genuine
	challenges tagger
}

// New makes sessions bind themselves to the browser's device. Call it before the
// manager serves requests, and mount the handler at [Config.Path], within
// Manager.Handler or beside it. A manager has at most one.
//
// The manager is one of coatcheck.New whose cookie has neither a Domain nor a Path:
// a bearer token is in no browser, a session that lives in its cookie could go back
// to before it was bound, and a device proves its key to one origin.
func New(sessions *coatcheck.Manager, cfg Config) (*Handler, error) {
	if sessions == nil {
		return nil, errors.New("dbsc: New: sessions is nil")
	}
	if cfg.Path == "" {
		cfg.Path = defaultPath
	}
	if err := checkPath(cfg.Path); err != nil {
		return nil, err
	}
	switch {
	case cfg.MaxAge == 0:
		cfg.MaxAge = defaultMaxAge
	case cfg.MaxAge < time.Second || cfg.MaxAge > longestMaxAge:
		return nil, fmt.Errorf("dbsc: Config.MaxAge is %v; want 0 (%v) or 1s to %v", cfg.MaxAge, defaultMaxAge, longestMaxAge)
	}
	switch {
	case cfg.ProofAge == 0:
		cfg.ProofAge = minProof
	case cfg.ProofAge < minProof || cfg.ProofAge > longestMaxAge:
		return nil, fmt.Errorf("dbsc: Config.ProofAge is %v; want 0 (%v) or %v to %v: browsers prove a key 6 times in 9 minutes", cfg.ProofAge, minProof, minProof, longestMaxAge)
	}
	h := &Handler{genuine: genuine{seed: maphash.MakeSeed()}, maxAge: cfg.MaxAge, proofAge: cfg.ProofAge, require: cfg.Require}
	h.register, h.refresh = cfg.Path+"register", cfg.Path+"refresh"
	s, err := binding.Attach(sessions, guard{h}, h.protect)
	if err != nil {
		return nil, fmt.Errorf("dbsc: New: %w", err)
	}
	h.manager, h.sessions = sessions, s
	h.inner = sessions.Handler(http.HandlerFunc(h.serve))
	return h, nil
}

// protect declares the bound cookie and derives the keys, once what the session's
// cookie is like is known.
func (h *Handler) protect(s *binding.Sessions) error {
	policy := s.Policy
	switch {
	case policy.Domain != "":
		return errors.New("the session cookie has a Domain; want one of a single host: a key is proven to one origin")
	case policy.Path != "" && policy.Path != "/":
		return errors.New("the session cookie has a Path; want \"/\": a key is proven for all of an origin")
	case policy.Partitioned:
		return errors.New("the session cookie is Partitioned, which browsers do not bind")
	}
	policy.AllowScripts, policy.AllowInsecureHTTP = false, false
	raw, err := cookie.NewRaw(boundName(s.Cookie), policy)
	if err != nil {
		return err
	}
	line, err := raw.Line("", 0)
	if err != nil {
		return err
	}
	if h.asked, err = cookie.NewRaw(raw.Name()+askedSuffix, policy); err != nil {
		return err
	}
	_, h.attributes, _ = strings.Cut(line, "; ")
	h.cookie = raw
	h.cookies = newTagger(s.Keys, "dbsc-cookie:"+s.Cookie)
	h.challenges = newTagger(s.Keys, "dbsc-challenge:"+s.Cookie)
	return nil
}

// boundName is that of the bound cookie: the session cookie's and a suffix, but
// without the prefix that keeps scripts out. Chromium 156 registers no session whose
// cookie has __Host-Http- ("InvalidCredentialsCookie"), though it keeps the cookie;
// findings/chromium-dbsc-http-prefix.sh shows it.
func boundName(session string) string {
	for prefix, known := range map[string]string{"__Host-Http-": "__Host-", "__Http-": "__Secure-"} {
		if name, has := strings.CutPrefix(session, prefix); has {
			return known + name + boundSuffix
		}
	}
	return session + boundSuffix
}

func checkPath(p string) error {
	bad := strings.IndexFunc(p, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("/-_.~", c))
	})
	if p[0] != '/' || p[len(p)-1] != '/' || bad >= 0 || strings.Contains(p, "//") || strings.Contains(p, "/.") {
		return fmt.Errorf("dbsc: Config.Path is %q; want a path that begins and ends with /, of letters, digits, - and _", p)
	}
	return nil
}

// Format prints where the handler is mounted, whatever the verb.
func (h *Handler) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{bound sessions at %s}", strings.TrimSuffix(h.register, "register"))
}
