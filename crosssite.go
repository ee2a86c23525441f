package coatcheck

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/store"
)

// crossOrigin returns why the request must be refused as cross-origin, or nil. An
// upgrade to a websocket is a GET with effects, and is judged as a POST.
//
// Fetch Metadata is not the whole truth: what a service worker passes on says
// "same-origin", and its Origin and Referer still name the page that asked (G7).
func (m *Manager) crossOrigin(r *http.Request) error {
	if m.brings(r) {
		return nil
	}
	switch r.Method {
	case http.MethodGet:
		if len(r.Header["Upgrade"]) == 0 {
			return nil
		}
		post := *r
		post.Method = http.MethodPost
		r = &post
	case http.MethodHead, http.MethodOptions:
		return nil
	}
	site, origins := first(r.Header, "Sec-Fetch-Site"), r.Header["Origin"]
	origin := firstOf(origins)
	if site != "" || origin != "" && !m.origins.names(origin) {
		// Otherwise the origin is ours, whatever a proxy made of Host, or nobody says
		// which it is, which Check lets in.
		if err := m.cfg.CrossOrigin.Check(r); err != nil {
			if site == "" {
				return notHost(r, "Origin", origin)
			}
			return fromElsewhere(r, err)
		}
	}
	return m.otherHostThan(r, origins)
}

// otherHost returns an error that names both, if Origin or Referer are of
// another host than the request and Config.CrossOrigin does not trust them.
// "Origin: null" names no host: pages that send no Referer have that too.
func (m *Manager) otherHost(r *http.Request) error { return m.otherHostThan(r, r.Header["Origin"]) }

// otherHostThan is otherHost for who has looked for the origins.
func (m *Manager) otherHostThan(r *http.Request, origins []string) error {
	if err := m.otherHostIn(r, "Origin", origins); err != nil {
		return err
	}
	return m.otherHostIn(r, "Referer", r.Header["Referer"])
}

// otherHostIn is otherHost for the lines of one header.
func (m *Manager) otherHostIn(r *http.Request, name string, lines []string) error {
	for _, value := range lines {
		if origin, host := cutOrigin(value); host != "" && !m.own(r, origin, host) {
			return notHost(r, name, origin)
		}
	}
	return nil
}

// notHost is for whoever runs the application. Only the beginning of what a
// client wrote is told.
func notHost(r *http.Request, name, origin string) error {
	if origin == "null" {
		return fmt.Errorf("%s is null: the page hides where it comes from, as a sandbox does, or its own Referrer-Policy, for which same-origin is enough", name)
	}
	setting := "Config.Origins"
	if scheme, _, ok := strings.Cut(origin, "://"); ok && name == "Origin" && !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		setting = "Config.CrossOrigin.AddTrustedOrigin" // an application's own scheme: capacitor://localhost
	}
	return fmt.Errorf("%s %.100q is not Host %.100q: if both are this application's, name the origin in %s", name, origin, r.Host, setting)
}

// fromElsewhere adds to what Fetch Metadata says whose request it is, and where to
// let it in: a browser compares with the address that it asked for, so that a proxy
// is no reason for it.
func fromElsewhere(r *http.Request, err error) error {
	origin := first(r.Header, "Origin")
	if origin == "" {
		return err
	}
	if origin == "null" {
		return notHost(r, "Origin", origin)
	}
	return fmt.Errorf("%w: Sec-Fetch-Site is %.20q, Origin %.100q: if its requests are wanted, name it in Config.CrossOrigin.AddTrustedOrigin",
		err, first(r.Header, "Sec-Fetch-Site"), origin)
}

// contradicted reports whether Fetch Metadata says that the request is not
// another site's, and Origin or Referer that it is. A first write is then held
// back (G7).
func (m *Manager) contradicted(r *http.Request) bool {
	return m.marker != nil && first(r.Header, "Sec-Fetch-Site") != "" && m.otherHost(r) != nil
}

// own reports whether an origin is that of the request or one that the
// application trusts. The port does not count: it is no border between sites.
func (m *Manager) own(r *http.Request, origin, host string) bool {
	if strings.EqualFold(host, hostname(r.Host)) || m.origins.names(origin) {
		return true
	}
	// Ask as an old browser would: about this origin and nothing else.
	asked := *r
	asked.Method, asked.Header = http.MethodPost, http.Header{"Origin": {origin}}
	return m.cfg.CrossOrigin.Check(&asked) == nil
}

// cutOrigin returns the origin that a URL begins with and the host in it, both
// empty where there is none.
func cutOrigin(u string) (origin, host string) {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		return "", ""
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	origin = u[:len(scheme)+len("://")+len(rest)]
	return origin, hostname(rest[strings.LastIndexByte(rest, '@')+1:])
}

// hostname is a host without its port. "[::1]:80" has many colons.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return host
}

// origins are those of Config.Origins.
type origins []string

// names reports whether one of them is o, as browsers write it.
func (list origins) names(o string) bool {
	for _, own := range list {
		if strings.EqualFold(own, o) {
			return true
		}
	}
	return false
}

// checkOrigin wants an origin exactly as a browser sends it; any other form
// would never be met.
func checkOrigin(o string) error {
	u, err := url.Parse(o)
	switch {
	case err != nil:
		return errors.New("want a URL such as https://app.example")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("want it to begin with https:// or http://")
	case u.Hostname() == "" || strings.ContainsAny(u.Hostname(), "*% "):
		return errors.New("want the name of one host")
	case u.Scheme+"://"+u.Host != o:
		return errors.New("want scheme, host and port alone, without a path or / at the end")
	case u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" || strings.HasSuffix(u.Host, ":"):
		return errors.New("want it without the port that is the default: browsers leave it out")
	}
	for i := range len(o) {
		if o[i] <= ' ' || o[i] >= 0x7f {
			return errors.New("want an international name in its xn-- form")
		}
	}
	return nil
}

// withheldBy says whether the browser withheld a Strict session cookie, as far
// as a request without that cookie can tell: it did where the marker came in its
// place (G7). Firefox and WebKit withhold it also where no site caused the
// request: an address typed, or opened from a mail that redirects here. There
// only the marker tells. What a service worker passes on says "same-origin" in
// Firefox; there Origin and Referer tell. Without Fetch Metadata nothing was
// withheld.
func (m *Manager) withheldBy(r *http.Request) cookieState {
	site := first(r.Header, "Sec-Fetch-Site")
	if m.marker == nil || site == "" {
		return cookieAbsent
	}
	_, err := m.marker.Read(r.Header)
	switch marked := !isAbsent(err); {
	case site != "cross-site" && !(site == "none" && marked) && !m.contradicted(r):
		return cookieAbsent
	case marked:
		return cookieWithheld
	}
	return cookieMayBeWithheld
}

// navigates reports whether the request loads a page into a window or tab. One
// that a service worker passes on has lost its destination, and in Firefox its
// mode, but for what it accepts; with a Lax marker, or from our own pages, it is
// no less a navigation.
func navigates(r *http.Request) bool {
	switch mode, dest := first(r.Header, "Sec-Fetch-Mode"), first(r.Header, "Sec-Fetch-Dest"); mode {
	case "navigate":
		return dest == "document" || dest == "empty"
	case "same-origin":
		return dest == "empty" && strings.HasPrefix(first(r.Header, "Accept"), "text/html")
	}
	return false
}

// opensPage reports whether the request is a top-level GET navigation: with one
// from another site a Lax marker would have come, so its absence says something.
// What a service worker passes on may be a frame's.
func opensPage(r *http.Request) bool {
	return r.Method == http.MethodGet && navigates(r) && first(r.Header, "Sec-Fetch-Dest") == "document"
}

// lands answers the two requests of a landing (G7) and reports whether it did:
// a held-back navigation with a page that leads on from our own origin, to the
// same URL with landed in its query; and that, which brings the session cookie,
// with a redirect to the URL itself. One that is held back with landed in its
// query has been here before and is the handler's, so that nothing goes round,
// whatever proxies and browsers do to Host, Referer and the rest.
func (x *exchange) lands(r *http.Request) bool {
	m, w := x.m, x.w
	if r.Method != http.MethodGet || !navigates(r) || prefetch(r) {
		return false
	}
	withheld := m.withheldBy(r) == cookieWithheld && !m.cookiesAreAll(r)
	asked := r
	u := withoutLanded(r.URL)
	again := u != r.URL
	if again {
		clean := *r
		clean.URL, asked = u, &clean
	}
	if again == withheld || !m.cfg.Landing(asked) {
		return false
	}
	x.dropPosing(w.Header())
	if again {
		redirectLanded(w, r)
	} else {
		servePage(w, r, http.StatusOK, landingPage, leadingTo(requested(r)))
	}
	return true
}

// landsBound answers the second request of errLedHere, which our own page makes.
func (x *exchange) landsBound(r *http.Request) bool {
	if x.m.guard.Load() == nil || first(r.Header, "Sec-Fetch-Site") != "same-origin" || !opensPage(r) || withoutLanded(r.URL) == r.URL {
		return false
	}
	x.dropPosing(x.w.Header())
	redirectLanded(x.w, r)
	return true
}

// A cookie of our name beside a withheld one need not be ours: a sibling host or
// a program of another port plants one that is Lax, or SameSite=None, where the
// browser knows no prefixes, and that comes along. Nor is every cookie that comes
// on a cross-site request foreign: Chromium sends the Strict one where our own
// page led away and a redirect leads back, as each login at another place does.
// So the marker names its session (decision 58): a marker whose session cookie is
// not there tells of one that was withheld.

// markerOf is the value of the marker beside the cookie of that session: its
// public name, which opens nothing.
func markerOf(id store.ID) string { return string(appendMarker(nil, id)) }

func appendMarker(b []byte, id store.ID) []byte { return id.AppendHandle(b) }

// first is h.Get for a name in its usual spelling, which Get makes anew each time.
func first(h http.Header, name string) string { return firstOf(h[name]) }

// firstOf is first for who has looked for the lines.
func firstOf(lines []string) string {
	if len(lines) > 0 {
		return lines[0]
	}
	return ""
}

// mayWithhold reports whether a browser could have withheld a Strict cookie from
// this request.
func (m *Manager) mayWithhold(r *http.Request) bool {
	if m.marker == nil {
		return false
	}
	switch first(r.Header, "Sec-Fetch-Site") {
	case "":
		return false
	case "cross-site", "none":
		return true
	}
	return m.contradicted(r)
}

// cookiesAreAll reports whether the cookies of our names that such a request brings are
// all that the browser has, as far as can be told: each marker names a session
// whose genuine cookie is there, or cannot be one of ours beside one that does.
// Without a marker nothing was withheld, unless the request is one that Lax cookies
// do not come with either: then what came is neither, and not ours. It asks no store
// (G8).
func (m *Manager) cookiesAreAll(r *http.Request) bool {
	markers, err := m.marker.ReadAll(r.Header, maxNamesakes)
	if isAbsent(err) {
		return first(r.Header, "Sec-Fetch-Site") != "cross-site" || opensPage(r)
	}
	if err != nil || len(markers) == 0 { // too many, or none that we set
		return false
	}
	came := len(markers)
	values, _ := m.sid.ReadAll(r.Header, maxNamesakes)
	for _, value := range values {
		if t, err := m.carrier.open(value); err == nil {
			own := markerOf(t.id)
			markers = slices.DeleteFunc(markers, func(v string) bool { return v == own })
		}
	}
	if len(markers) < came { // beside one that is ours, what cannot be one is not
		markers = slices.DeleteFunc(markers, func(v string) bool { return !isHandle(v) })
	}
	return len(markers) == 0
}

// handleLength is that of a handle before it is text.
const handleLength = 9

// isHandle reports whether v could be the handle of a session.
func isHandle(v string) bool {
	b, err := base64.RawURLEncoding.DecodeString(v)
	return err == nil && len(b) == handleLength
}

// Withheld reports whether the browser kept the session cookie back, or may have,
// because another site leads here: by a link, a redirect, or the form that an
// OpenID provider posts. User and the values are then absent, which says nothing
// of the session. What looks like a forged state or a visitor who is not logged
// in may be neither:
//
//	v, ok := pending.Pop(s)
//	if !ok && s.Withheld() {
//		coatcheck.AnswerError(w, r, coatcheck.ErrHeldBack) // a page with a link to itself
//		return
//	}
//
// [Config.Landing] spares the visitor that page. A POST of another site brings no
// cookie of the session at all: what it needs belongs into a cookie of its own,
// sealed and with SameSite=None. After a Login it is false. For a browser that sends no
// Fetch Metadata it is true only where a proxy joined the cookie to another, or a bound
// session (package dbsc) was not proven; both count as withheld for every browser. It
// looks at the session, and believes what the request says: it protects from nothing.
func (s *Session) Withheld() bool {
	if !s.lock() {
		return false
	}
	defer s.unlock()
	s.ensureLoaded()
	return s.mayBeWithheld()
}

// mayBeWithheld reports whether there may be a session that this request does not show.
func (s *Session) mayBeWithheld() bool {
	switch {
	case s.life == live || s.tokenChange == logIn:
		return false
	case s.cookie.hidden():
		return s.mustNotBegin()
	}
	// A Lax cookie comes with what opens a page, and with nothing else.
	return s.cookie.absent() && s.x.m.cfg.Cookie.SameSite == http.SameSiteLaxMode &&
		first(s.x.r.Header, "Sec-Fetch-Site") == "cross-site" && !opensPage(&s.x.r)
}

// mustNotBegin reports whether a first write must not make a session: it could
// overwrite the cookie that the browser withheld (G7).
func (s *Session) mustNotBegin() bool {
	return s.cookie.hidden() && s.life != live && s.tokenChange != logIn && (s.cookie >= cookieWithheld || !opensPage(&s.x.r))
}

// noteMissing takes note that a value was asked for and is absent. The mutex is held.
func (s *Session) noteMissing(name string) {
	if s.cookie.absent() && name != flashName && s.mayBeWithheld() {
		s.missing = true
	}
}

// joined reports whether a session cookie or its marker hides in a cookie that
// a proxy made of several: Apache joins two Cookie lines of HTTP/1.1 by ", ",
// which divides no cookies. What stands there is not believed: sibling hosts can
// set a cookie with any such value, and no prefix of the name would protect it.
// But it may be ours, so nothing may be written over it.
func joined(lines []string, name string) bool {
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			first, rest, ok := strings.Cut(pair, ",")
			if !ok {
				continue
			}
			if begins(first, name) && strings.Contains(rest, "=") {
				return true
			}
			for part := range strings.SplitSeq(rest, ",") {
				if begins(part, name) {
					return true
				}
			}
		}
	}
	return false
}

// mayHide holds the request back, and tells, if the session's cookie may stand
// behind a comma (G7).
func (s *Session) mayHide() bool {
	m := s.x.m
	if m.bearer || !joined(s.x.r.Header["Cookie"], m.cfg.Name) {
		return false
	}
	s.cookie = cookieJoined
	s.x.event(Event{Kind: Refused, Reason: reasonJoined})
	return true
}

// begins reports whether a cookie pair is the session's or its marker's.
func begins(pair, name string) bool {
	pair, ok := strings.CutPrefix(strings.TrimLeft(pair, " \t"), name)
	return ok && (strings.HasPrefix(pair, "=") || strings.HasPrefix(pair, markerSuffix+"="))
}

// Namesakes are several cookies of our name in one request. A changed Domain or
// Path leaves two, a program on a parent domain or a neighbour has its own, an
// attacker beside us plants one; where a name has no prefix that the browser
// knows, all of them come. The one that is genuine and whose session lives counts.
// Where more than one does, nobody can tell which is the visitor's, and none does
// (G8).

// maxNamesakes is how many are looked at. Of more none counts: one that was not
// looked at could be the visitor's.
const maxNamesakes = 4

// isNamesakes reports whether reading the cookie failed because there are several.
func isNamesakes(err error) bool {
	e, ok := err.(*cookie.ForgedError)
	return ok && e.Reason == cookie.ReasonDuplicate
}

// lookAtNamesakes is the look at several cookies of our name.
func (s *Session) lookAtNamesakes() {
	s.namesakes = true
	candidates, err := s.genuine()
	switch {
	case err != nil:
		s.x.event(Event{Kind: Refused, Reason: reasonMany})
	case len(candidates) == 0 && s.mayHide(): // told
	case len(candidates) == 0:
		s.x.event(Event{Kind: Refused, Reason: reasonNoneGenuine})
	case len(candidates) == 1:
		s.loadOpened(candidates[0])
	default:
		s.loadNamesake(candidates)
	}
	if len(candidates) > 0 && s.absent() {
		s.mayHide()
	}
}

// genuine returns the candidates among several cookies of our name, each session
// once.
func (s *Session) genuine() ([]opened, error) {
	m := s.x.m
	values, err := m.sid.ReadAll(s.x.r.Header, maxNamesakes)
	var candidates []opened
	for _, value := range values {
		t, err := m.carrier.open(value)
		if err != nil {
			continue
		}
		same := slices.IndexFunc(candidates, func(other opened) bool { return other.id == t.id })
		switch {
		case same < 0:
			candidates = append(candidates, t)
		case t.rec != nil && t.rec.Seen.After(candidates[same].rec.Seen):
			candidates[same] = t // a session in its cookie, as it was later
		}
	}
	return candidates, err
}

// liveNamesakes are the sessions of which none counts because more than one lives. A
// logout ends them all: one of them is the visitor's.
func (s *Session) liveNamesakes() (ids []store.ID) {
	if !s.namesakes || !s.endingID.IsZero() {
		return nil
	}
	candidates, err := s.genuine()
	if err != nil || len(candidates) < 2 {
		return nil
	}
	for _, t := range candidates {
		ids = append(ids, t.id)
	}
	return ids
}

// loadNamesake takes the only one of several genuine candidates whose session lives,
// or else the one that says most of what became of it. There is a load for each,
// since no cookie tells.
func (s *Session) loadNamesake(candidates []opened) {
	m := s.x.m
	load := (*loading)(s)
	defer load.end()
	var best struct {
		id   store.ID
		rec  store.Record
		err  error
		says int
	}
	for i, t := range candidates {
		rec, err := m.carrier.load(load, t)
		says := whatSays(&rec, err, s.x.began())
		switch {
		case says == saysNothing: // an outage is never "nobody" (G5)
			s.afterLoad(t.id, &rec, err)
			return
		case says == saysLive && best.says == saysLive && !m.oneOwner(&rec, &best.rec):
			s.x.event(Event{Kind: Refused, Reason: reasonSeveralLive})
			return
		case i == 0 || says > best.says || says == saysLive && rec.Seen.After(best.rec.Seen):
			best.id, best.rec, best.err, best.says = t.id, rec, err, says
		}
	}
	s.afterLoad(best.id, &best.rec, best.err)
}

// oneOwner reports whether of two sessions that live the later counts, since both
// are of one user and nobody knows that the earlier was replaced: in a cookie it
// lives on (decision 59). Who has none of that user's cannot plant one.
func (m *Manager) oneOwner(a, b *store.Record) bool {
	return m.carrier.inCookie() && a.User != "" && a.User == b.User
}

// What a load says of a session, the weightier the higher.
const (
	saysNothing = iota
	saysUnknown
	saysOver  // its time is up, or its data are damaged
	saysEnded // by a tombstone that stands
	saysLive
)

func whatSays(rec *store.Record, err error, began time.Time) int {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return saysUnknown
	case errors.Is(err, ErrEnded):
		if standing(err, began) {
			return saysEnded
		}
		return saysUnknown
	case err != nil:
		return saysNothing
	}
	if _, err := record.Open(rec.Data); err != nil || expired(rec, clock()) {
		return saysOver
	}
	return saysLive
}

// maxFormer bounds Config.FormerCookies: each costs two lines in an answer.
const maxFormer = 4

// formerScopes are the lines that delete the cookies of our names in the scopes
// of Config.FormerCookies.
func formerScopes(cfg Config, names ...*cookie.Raw) (lines []string, err error) {
	if len(cfg.FormerCookies) > maxFormer {
		return nil, fmt.Errorf("coatcheck: Config.FormerCookies has %d policies; want at most %d", len(cfg.FormerCookies), maxFormer)
	}
	for i, former := range cfg.FormerCookies {
		p := cfg.Cookie
		p.Domain, p.Path = former.Domain, former.Path
		if p.Domain == cfg.Cookie.Domain && cmp.Or(p.Path, "/") == cmp.Or(cfg.Cookie.Path, "/") {
			return nil, fmt.Errorf("coatcheck: Config.FormerCookies[%d] has Domain and Path of Config.Cookie; want those it had before", i)
		}
		for _, own := range names {
			if own == nil {
				continue
			}
			old, err := cookie.NewRaw(own.Name(), p)
			if err != nil {
				return nil, fmt.Errorf("coatcheck: Config.FormerCookies[%d]: %w", i, err)
			}
			lines = append(lines, old.Expired())
		}
	}
	return lines, nil
}

// scopes are the Set-Cookie lines that delete the cookies of our names in the
// other scopes that the policy can name: without its Domain, and at "/" where it
// has a Path. A prefix that allows none leaves none.
func scopes(policy cookie.Policy, names ...*cookie.Raw) (lines []string) {
	for _, own := range names {
		if own == nil {
			continue
		}
		for _, domain := range []string{"", policy.Domain} {
			for _, path := range []string{"/", policy.Path} {
				p := policy
				p.Domain, p.Path = domain, cmp.Or(path, "/")
				if p.Domain == policy.Domain && p.Path == cmp.Or(policy.Path, "/") {
					continue
				}
				// The other attributes do not matter to a deletion.
				other, err := cookie.NewRaw(own.Name(), p)
				if err == nil && !slices.Contains(lines, other.Expired()) {
					lines = append(lines, other.Expired())
				}
			}
		}
	}
	return lines
}

// putScopes deletes our namesakes where the session cookie is set or cleared.
// The lines stand before those: to some clients, which do not tell a host from
// its domain, they mean the same cookie, and the later wins.
func (m *Manager) putScopes(h http.Header) {
	if len(m.scopes) > 0 {
		h["Set-Cookie"] = slices.Concat(m.scopes, h["Set-Cookie"])
	}
}

// plainHTTPEvery is how often it is told that a Secure session cookie was set on
// a request over plain HTTP: once an hour says enough.
const plainHTTPEvery = time.Hour

// tellPlainHTTP tells of a session cookie that the browser will not keep: it is
// Secure and the request plainly came over HTTP. The login "works", and the next
// page is anonymous. A bearer token is kept, and anybody on the way has it.
func (m *Manager) tellPlainHTTP(r *http.Request) {
	if m.cfg.Events == nil || m.cfg.Cookie.AllowInsecureHTTP || r.TLS != nil || !plainHTTP(r) {
		return
	}
	now := time.Now().UnixMicro()
	if last := m.plain.Load(); last != 0 && now-last < plainHTTPEvery.Microseconds() || !m.plain.CompareAndSwap(last, now) {
		return
	}
	reason := reasonSecure
	if m.bearer {
		reason = reasonBearer
	}
	m.event(r.Context(), Event{Kind: Insecure, Reason: reason})
}

// plainHTTP reports whether a request without TLS of our own came over plain
// HTTP, as far as it says so itself. Behind a proxy that ends TLS it must not: a
// header of the proxy says https, or there is one that says nothing; or it comes
// from a browser that sends Fetch Metadata, which it does over HTTPS only; or
// Origin or Referer are https.
func plainHTTP(r *http.Request) bool {
	h := r.Header
	if loopbackHost(hostname(r.Host)) || first(h, "Sec-Fetch-Site") != "" ||
		strings.HasPrefix(first(h, "Origin"), "https:") || strings.HasPrefix(first(h, "Referer"), "https:") {
		return false
	}
	if proto := first(h, "X-Forwarded-Proto"); proto != "" {
		first, _, _ := strings.Cut(proto, ",")
		return strings.EqualFold(strings.TrimSpace(first), "http")
	}
	for _, name := range proxyHeaders {
		if len(h[name]) > 0 {
			return false
		}
	}
	return true
}

// proxyHeaders say that there is a proxy, and not what came to it.
var proxyHeaders = [...]string{
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Real-Ip", "Forwarded", "Via", "Front-End-Https", "X-Scheme", "Cf-Visitor",
}

// loopbackHost reports whether browsers treat plain HTTP to host as secure, as
// most do (Secure Contexts §3.1).
func loopbackHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// The pages that answer a visitor whose session cookie the browser withheld
// (G7). An empty answer with a Refresh header would stay blank for ever where
// the link has a #fragment; the script keeps it. The noscript way loses it, the
// link is there for whoever has neither.
//
// Both ways ask for the URL with landed in its query, and are answered by a
// redirect to the URL itself: with location.reload Firefox repeats the request as
// the other site made it, and location.replace with the URL as it is asks for
// nothing where that has a fragment. Not in a window that a sandboxed frame
// opened: there our own pages too come from "another site", for ever.
const landed = "coatcheck-landing"

const landingScript = `if(origin!="null")location.replace(origin+location.pathname+(location.search?location.search+"&":"?")+"` + landed + `"+location.hash)`

const pageHead = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
	`<meta name="robots" content="noindex"><meta name="color-scheme" content="light dark"><title>One moment</title>`

var (
	landingPage = template.Must(template.New("landing").Parse(pageHead +
		`<noscript><meta http-equiv="refresh" content="0;url={{.Landed}}"></noscript>` +
		// The link first: where the page is a download, the script ends the parsing here.
		`<p><a href="{{.URL}}">Continue</a></p><script>` + landingScript + `</script></html>`))
	heldBackPage = template.Must(template.New("held back").Parse(pageHead +
		`<p>You came here from elsewhere, and your browser did not show who you are. Nothing was changed. <p><a href="{{.URL}}">Continue</a></html>`))
	bindingPage = template.Must(template.New("binding").Parse(pageHead +
		`<meta http-equiv="refresh" content="1"><p><a href="{{.URL}}">Continue</a></html>`))
	endedPage = template.Must(template.New("ended").Parse(pageHead +
		`<p>{{.Text}} <p><a href="{{.URL}}">Continue</a></html>`))

	landingHash = func() string {
		sum := sha256.Sum256([]byte(landingScript))
		return base64.StdEncoding.EncodeToString(sum[:])
	}()
)

// A pageData is what the pages are made of.
type pageData struct{ URL, Landed, Text string }

// leadingTo is for a page that leads to u.
func leadingTo(u *url.URL) pageData {
	return pageData{URL: localURL(withoutLanded(u)), Landed: localURL(withLanded(u))}
}

// servePage answers with one of the pages.
func servePage(w http.ResponseWriter, r *http.Request, status int, page *template.Template, data pageData) {
	h := w.Header()
	keepOut(h, "Cookie", "Sec-Fetch-Site")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'sha256-"+landingHash+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		page.Execute(w, data) // an error is the client's absence
	}
}

// redirectLanded ends a landing.
func redirectLanded(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	keepOut(h, "Cookie", "Sec-Fetch-Site")
	h.Set("Location", localURL(withoutLanded(requested(r))))
	w.WriteHeader(http.StatusSeeOther)
}

// withLanded returns u with landed at the end of its query, once.
func withLanded(u *url.URL) *url.URL {
	v := *withoutLanded(u)
	if v.RawQuery != "" {
		v.RawQuery += "&"
	}
	v.RawQuery += landed
	return &v
}

// withoutLanded returns u without landed at the end of its query, or u itself.
func withoutLanded(u *url.URL) *url.URL {
	rest, ok := strings.CutSuffix(u.RawQuery, landed)
	if !ok || rest != "" && rest[len(rest)-1] != '&' {
		return u
	}
	v := *u
	v.RawQuery = strings.TrimSuffix(rest, "&")
	return &v
}

// requested is the URL as the client sent it; http.StripPrefix changes r.URL.
func requested(r *http.Request) *url.URL {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return u
	}
	return r.URL
}

// localURL is u's path and query as a link that stays on this host:
// "//evil.example" would not.
func localURL(u *url.URL) string {
	path := "/" + strings.TrimLeft(u.EscapedPath(), "/\\")
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return path
}
