package coatcheck

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

// Config sets what New leaves open. The zero value is the safest setting, and
// most programs need only that. A zero duration means its default.
type Config struct {
	// Name of the session cookie. The default is the strictest name the Cookie
	// policy allows: "__Host-Http-sid", which browsers accept only with Secure
	// and without Domain, and current ones only out of the reach of scripts.
	Name string

	// Cookie holds the attributes of the session cookie. The zero value is
	// Secure, HttpOnly, SameSite=Strict, Path=/, no Domain. Its MaxAge must be
	// zero: the session's lifetime decides.
	Cookie cookie.Policy

	// FormerCookies are policies that Cookie had in earlier releases, of which
	// Domain and Path count: whenever the session cookie is set or cleared, the
	// ones that those left are deleted. A browser sends both, of which no
	// program can tell which is which, and after a logout the other remains; with
	// NewInCookie it is still a session. Take a policy out again when its cookies
	// are too old: after Lifetime, or MaxRemember. At most four.
	FormerCookies []cookie.Policy

	// Idle ends the session of a logged-in user who does nothing for so long:
	// never earlier, at most a tenth later. Default 30 minutes. With NewInCookie
	// only loading a page counts, and Session.Touch.
	Idle time.Duration

	// Lifetime ends it whatever happens. Login and Reauthenticate restart it.
	// Default 12 hours, at most 400 days. (ASVS 7.3.1, 7.3.2)
	Lifetime time.Duration

	// AnonymousIdle and AnonymousLifetime are the same for sessions without a
	// user. Defaults 30 minutes and 4 hours.
	AnonymousIdle, AnonymousLifetime time.Duration

	// MaxRemember is the longest that Remember and RememberSliding accept, and
	// beyond which after the login they prolong nothing. Default 30 days, at most
	// 400.
	MaxRemember time.Duration

	// MaxPerUser bounds the sessions of one user; AtLimit says how. Zero is
	// no bound. EndOldest holds once the logins in flight have returned, Refuse
	// may let those through; of a double click the second half takes the place of
	// the first. (ASVS 7.1.2)
	MaxPerUser int
	AtLimit    Limit

	// Proxies are the addresses of your own proxies before this server. Where a
	// request comes from one of them, the client's address in lists of devices is
	// the last in ProxyHeader that is not one of them; the header of anybody else
	// is ignored. A connection without an IP address, over a Unix socket, counts as
	// a proxy's. Nil means that there is none. The proxies must write the header:
	// nginx and HAProxy, unless told to, pass on what the client wrote. With the
	// PROXY protocol leave it nil: the listener then knows the client.
	// (ASVS 4.1.3)
	Proxies []netip.Prefix

	// ProxyHeader is the header that Proxies write: "X-Forwarded-For", which is
	// the default, or "Forwarded" (RFC 7239). The other one is ignored.
	ProxyHeader string

	// Device names the device or program that logs in, for lists of devices: a
	// library that knows User-Agents, or the name that a native client sends of
	// itself. It is asked once by each Login or adoption, must not use the session, and may
	// return what it likes: 64 bytes are kept, and of those only what can be
	// printed, without quotes, backslashes and what HTML begins with. Like a
	// User-Agent it proves nothing. Nil knows the usual browsers and systems, and
	// of another client the product, such as "curl".
	Device func(*http.Request) string

	// KeepSiteData stops Logout from asking the browser to clear what pages
	// kept of this site: its caches and script storage, by Clear-Site-Data.
	// Other cookies stay in any case. Without it a browser may show the last
	// page again on Back, from its memory and without asking us, although that
	// said no-store: WebKit does for pages that came over plain HTTP. (ASVS
	// 14.3.1)
	KeepSiteData bool

	// MaxCookie bounds the cookie of NewInCookie, name and value, in bytes: a
	// change that would make it larger is ErrTooLarge. Where it was lowered, a
	// cookie that is larger goes on as long as its values do not grow. Zero is
	// 4,096, the most that browsers keep; 3,500 gets through every proxy as it
	// comes. New refuses it: its cookies are small.
	MaxCookie int

	// CrossOrigin refuses requests with unsafe methods, and websocket
	// upgrades, that come from another origin. Nil means the defaults of
	// http.CrossOriginProtection. Its deny handler is not used; OnError is. An
	// Origin or Referer of another host is another origin, unless it is one
	// that CrossOrigin trusts, whatever Fetch Metadata says.
	CrossOrigin *http.CrossOriginProtection

	// Origins are those under which people reach this application, such as
	// "https://app.example". They count beside the Host of a request: behind a
	// proxy that writes a Host of its own, which nginx and Apache do unless told
	// otherwise, requests with an Origin are refused without it. It is not for
	// the sites of others; CrossOrigin is. X-Forwarded-Host is never asked.
	Origins []string

	// Landing names the pages that a visitor from another site may enter as
	// the logged-in user, although the browser withheld the Strict cookie: such
	// a GET is first answered by a tiny page that leads on from our own origin,
	// in two more requests: to the URL with coatcheck-landing in its query, which
	// is answered by a redirect to the URL itself. It gives up SameSite=Strict
	// for these GETs, so they must have no effects. Nil means nowhere.
	Landing func(*http.Request) bool

	// OnError answers in place of the handler when err ends a request: a
	// failed load or commit, ErrEnded, ErrHeldBack, ErrLoginRequired and so on.
	// What the handler answered is gone by then. Nil means AnswerError. One of
	// your own leaves to that what it does not answer itself, or Retry-After and
	// the page that leads on are lost. Where a Require… turned the request away
	// (ErrLoginRequired, ErrNotFresh) it may change the session, by a flash for the
	// login page; for other errors nothing is kept any more, and an event tells.
	OnError func(w http.ResponseWriter, r *http.Request, err error)

	// Events is told what happens to sessions; LogEvents is one. It is called
	// within the request, by several goroutines at once, and must not block.
	// Nil means nobody is told.
	Events func(Event)
}

// maxCookieAge is the longest life browsers give a cookie (RFC 6265bis §5.5).
const maxCookieAge = 400 * 24 * time.Hour

// A Limit says what a login does that would exceed [Config.MaxPerUser].
type Limit int

const (
	EndOldest Limit = iota // the user's oldest session ends
	Refuse                 // the login fails with ErrTooMany
)

// withDefaults checks the configuration and fills in what is zero.
func (c Config) withDefaults() (Config, error) {
	for _, d := range []struct {
		field     string
		value     *time.Duration
		otherwise time.Duration
		max       time.Duration
	}{
		{"Idle", &c.Idle, 30 * time.Minute, maxCookieAge},
		{"Lifetime", &c.Lifetime, 12 * time.Hour, maxCookieAge},
		{"AnonymousIdle", &c.AnonymousIdle, 30 * time.Minute, maxCookieAge},
		{"AnonymousLifetime", &c.AnonymousLifetime, 4 * time.Hour, maxCookieAge},
		{"MaxRemember", &c.MaxRemember, 30 * 24 * time.Hour, maxCookieAge},
	} {
		switch {
		case *d.value == 0:
			*d.value = d.otherwise
		case *d.value < time.Second || *d.value > d.max:
			return c, fmt.Errorf("coatcheck: Config.%s is %v; want 0 (%v) or 1s to %v", d.field, *d.value, d.otherwise, d.max)
		}
	}
	if c.MaxPerUser < 0 {
		return c, fmt.Errorf("coatcheck: Config.MaxPerUser is %d; want >= 0", c.MaxPerUser)
	}
	if c.AtLimit != EndOldest && c.AtLimit != Refuse {
		return c, fmt.Errorf("coatcheck: Config.AtLimit is %d; want EndOldest or Refuse", c.AtLimit)
	}
	if c.Cookie.MaxAge != 0 {
		return c, fmt.Errorf("coatcheck: Config.Cookie.MaxAge is %v; want 0: Lifetime decides", c.Cookie.MaxAge)
	}
	if err := c.checkSurroundings(); err != nil {
		return c, err
	}
	c.Origins, c.Proxies = slices.Clone(c.Origins), slices.Clone(c.Proxies)
	c.FormerCookies = slices.Clone(c.FormerCookies)
	c.ProxyHeader = cmp.Or(c.ProxyHeader, forwardedFor)
	if c.CrossOrigin == nil {
		c.CrossOrigin = http.NewCrossOriginProtection()
	}
	if c.OnError == nil {
		c.OnError = AnswerError
	}
	if c.Name == "" {
		c.Name = cookieName(c.Cookie)
	}
	return c, nil
}

// checkSurroundings checks what is said about who is before this server.
func (c *Config) checkSurroundings() error {
	for _, origin := range c.Origins {
		if err := checkOrigin(origin); err != nil {
			return fmt.Errorf("coatcheck: Config.Origins has %q; %w", origin, err)
		}
	}
	for _, proxy := range c.Proxies {
		if err := checkProxy(proxy); err != nil {
			return fmt.Errorf("coatcheck: Config.Proxies has %v; %w", proxy, err)
		}
	}
	switch {
	case c.ProxyHeader != "" && c.ProxyHeader != forwardedFor && c.ProxyHeader != forwarded:
		return fmt.Errorf("coatcheck: Config.ProxyHeader is %q; want %q or %q", c.ProxyHeader, forwardedFor, forwarded)
	case c.ProxyHeader != "" && len(c.Proxies) == 0:
		return fmt.Errorf("coatcheck: Config.ProxyHeader is %q without Config.Proxies; want the addresses of those who write it", c.ProxyHeader)
	}
	return nil
}

// cookieName is the strictest name whose prefix the policy allows.
func cookieName(p cookie.Policy) string {
	host := p.Domain == "" && (p.Path == "" || p.Path == "/")
	switch {
	case p.AllowInsecureHTTP:
		return "sid"
	case host && !p.AllowScripts:
		return "__Host-Http-sid"
	case host:
		return "__Host-sid"
	default:
		return "__Secure-sid"
	}
}

// Limits of what one session holds (G14); package record has those of all of it.
const (
	maxValue  = 32 << 10 // bytes of one value's JSON
	maxName   = 128      // bytes of a key's name
	maxUser   = 255      // bytes of a user
	maxDevice = 64       // bytes of a device label
)

// How long things may take (G2, G5). tombstoneLife less the two time-outs is
// cookieWindow: a request older than that could be answered with a cookie for
// a session whose end nobody remembers.
const (
	loadTimeout   = 5 * time.Second
	commitTimeout = 5 * time.Second
	lookTime      = time.Second // of which this is kept for the look after a call whose answer did not come
	tombstoneLife = 60 * time.Second
	cookieWindow  = tombstoneLife - loadTimeout - commitTimeout
)

// lockWait bounds how long a call waits for another of the same request: as long as
// a load and a commit may take. Waiting in vain are a function given to Update that
// uses the session, which it must not, and who waits for an adoption that takes longer.
const lockWait = loadTimeout + commitTimeout

// markerSuffix makes the marker's name of the session cookie's.
const markerSuffix = "-lax"

// noteSuffix makes the name of the note by which an answer tells a browser that
// its session is over (see Session.knowsOfEnd).
const noteSuffix = "-over"

// markerPolicy is that of the marker beside a Strict session cookie: the same
// but Lax, so that a link from another site brings the marker alone (G7).
func markerPolicy(p cookie.Policy) cookie.Policy {
	p.SameSite = http.SameSiteLaxMode
	return p
}
