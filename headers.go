package coatcheck

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

// headers puts the session's Set-Cookie lines and what caches must know into
// the response's header (G12). It can be called again, as when a handler panics.
func (s *Session) headers() {
	if !s.lock() {
		return
	}
	defer s.unlock()
	s.dropLateCookie()
	s.putHeaders()
}

// headersInto is headers for a header that an outer exchange has emptied.
func (s *Session) headersInto(h http.Header) {
	if !s.lock() {
		return
	}
	defer s.unlock()
	s.dropLateCookie()
	s.putInto(h)
}

// cookieIsIn reports whether the session's cookie stands in h.
func (s *Session) cookieIsIn(h http.Header) bool {
	if !s.lock() {
		return false
	}
	defer s.unlock()
	return s.x.isIn(h)
}

// The lines of an answer are its Set-Cookie lines that are ours; empty = none.
type lines struct {
	sid, marker string    // of the session
	note        string    // that an earlier one is over
	bound       []string  // of the guard
	both        [2]string // room for sid and marker in the answer's header
	rescoped    bool      // a copy of an older session in another scope must go
}

// bound is what the guard wants of the answer.
func (x *exchange) bound() bound {
	if more := x.more.Load(); more != nil {
		return more.bound
	}
	return bound{}
}

// setBound takes note of what the guard wants.
func (x *exchange) setBound(wants bound) {
	if wants != x.bound() {
		x.extra().bound = wants
	}
}

// any reports whether there is a line.
func (l *lines) any() bool { return l.sid != "" || l.marker != "" || l.note != "" || l.bound != nil }

// noLines are those of an answer that has none. Nobody writes to them.
var noLines lines

// ours returns the lines, to read; set returns them to write to.
func (x *exchange) ours() *lines {
	if more := x.more.Load(); more != nil && more.lines != nil {
		return more.lines
	}
	return &noLines
}

// set returns the lines, to write to.
func (x *exchange) set() *lines {
	if x.more.Load() == nil {
		made := new(struct {
			extra
			lines lines
		})
		made.extra.lines = &made.lines
		x.more.CompareAndSwap(nil, &made.extra)
	}
	more := x.extra()
	if more.lines == nil {
		more.lines = new(lines)
	}
	return more.lines
}

// setSession makes sid and marker the lines of the session.
func (x *exchange) setSession(sid, marker string) {
	if sid != "" || x.ours().sid != "" || x.ours().marker != "" {
		ours := x.set()
		ours.sid, ours.marker = sid, marker
	}
}

func (s *Session) putHeaders() {
	s.putInto(s.x.w.Header())
	if s.x.ours().sid != "" {
		s.x.tellOuter()
	}
}

// putInto is the work of putHeaders, on any header. The mutex is held.
func (s *Session) putInto(h http.Header) {
	out, bound, set := &s.x.out, s.x.bound(), s.x.ours().sid != ""
	if set {
		s.x.set().note = ""
	} else if s.cookie != cookieUnread {
		s.leaveNote()
	}
	if s.cookie != cookieUnread && s.putUsual(h) {
		return
	}
	s.x.dropPosing(h)
	if !set && s.cookie == cookieUnread {
		return
	}
	puts := set || s.x.ours().note != ""
	tidy(h)
	if s.cookie != cookieUnread {
		out.vary[0] = s.x.m.comesIn()
		vary(h, out.vary[:])
	}
	if set {
		s.offer(h)
	} else if bound.stale {
		s.takeStale(h)
	} else if bound.offers {
		s.offerAgain(h)
	}
	if puts {
		s.x.put(h)
	}
	if set && s.hasOtherScopes() {
		s.x.m.putScopes(h)
	}
	if out.forget && len(h["Clear-Site-Data"]) == 0 {
		h["Clear-Site-Data"] = []string{`"cache", "storage"`}
	}
	if puts || bound.stale || bound.offers || !private(h["Cache-Control"]) {
		noStore(h, out.cacheControl[:])
	}
}

// putUsual is putInto for the usual answer, of a handler that has set no more than
// its Content-Type, where there is nothing to drop, to tidy or to weigh, and at most a
// new token to be put beside its marker.
func (s *Session) putUsual(h http.Header) bool {
	out, ours, m := &s.x.out, s.x.ours(), s.x.m
	token := ours.sid != "" && ours.marker != "" && ours.sid != m.sid.Expired() &&
		!s.hasOtherScopes() && m.guard.Load() == nil
	if !token && ours.any() || s.x.bound() != (bound{}) || out.forget || !plain(h) {
		return false
	}
	out.vary[0], out.cacheControl[0] = m.comesIn(), "no-store"
	h["Vary"], h["Cache-Control"] = out.vary[:], out.cacheControl[:]
	if token {
		s.x.putBoth(h)
	}
	return true
}

// hasOtherScopes reports whether the browser may have the cookie in another scope too,
// where the answer is to clear it.
func (s *Session) hasOtherScopes() bool {
	return s.namesakes || s.x.ours().rescoped || len(s.x.m.cfg.FormerCookies) > 0
}

// putBoth puts a new token and its marker into a header without cookies.
func (x *exchange) putBoth(h http.Header) {
	ours := x.set()
	ours.both = [...]string{ours.sid, ours.marker}
	h["Set-Cookie"] = ours.both[:]
}

// plain reports whether a handler has set no more than its Content-Type: to look
// costs a tenth of going through a map.
func plain(h http.Header) bool { return len(h) == 0 || len(h) == 1 && h["Content-Type"] != nil }

// keepOut makes a header that of an answer which is not the handler's, nobody
// else's to keep, and depends on these of the request: middleware around us has
// said of the handler's what a cache may do with it (G12).
func keepOut(h http.Header, dependsOn ...string) {
	tidy(h)
	for _, name := range dependsOn {
		vary(h, []string{name})
	}
	noStore(h, make([]string, 1))
}

// keepPrivate keeps an answer of OnError out of shared caches, also where nobody has
// looked at the session.
func keepPrivate(h http.Header) {
	tidy(h)
	if !private(h["Cache-Control"]) {
		noStore(h, make([]string, 1))
	}
}

// noStore writes a Cache-Control of that alone, into room.
func noStore(h http.Header, room []string) {
	room[0] = "no-store"
	h["Cache-Control"] = room
	remove(h, "Expires")
	remove(h, "Pragma")
}

// vary names one more header of the request on which a tidy answer depends.
func vary(h http.Header, name []string) {
	if lines := h["Vary"]; len(lines) == 0 {
		h["Vary"] = name
	} else if !mentions(lines, name[0]) && !mentions(lines, "*") {
		h["Vary"] = []string{strings.Join(lines, ", ") + ", " + name[0]}
	}
}

// remove deletes a header that is seldom there: to look costs less.
func remove(h http.Header, name string) {
	if len(h[name]) > 0 {
		delete(h, name)
	}
}

// tidy removes what speaks to shared caches, and moves what stands under another
// spelling of a name that we look at to the usual one: names match in any case
// (RFC 9110 §5.1), and the server sends those of the map as they are (G12).
func tidy(h http.Header) {
	if plain(h) {
		return
	}
	for name, lines := range h {
		switch usual := usualName(name); {
		case toSharedCaches(name):
			delete(h, name)
		case usual != name:
			delete(h, name)
			h[usual] = append(slices.Clip(h[usual]), lines...)
		}
	}
}

// usualName returns the usual spelling of a name that we look at, and other names
// as they are.
func usualName(name string) string {
	usual := ""
	switch len(name) {
	case len("Vary"):
		usual = "Vary"
	case len("Pragma"):
		usual = "Pragma"
	case len("Expires"):
		usual = "Expires"
	case len("Set-Cookie"):
		usual = "Set-Cookie"
	case len("Cache-Control"):
		usual = "Cache-Control"
	case len("Clear-Site-Data"):
		usual = "Clear-Site-Data"
	}
	if usual != "" && name != usual && strings.EqualFold(name, usual) {
		return usual
	}
	return name
}

// toSharedCaches reports whether a header speaks to caches between us and the
// browser, which heed it in place of Cache-Control, whatever that says: the
// fields of RFC 9213, whose names end alike for every vendor, and older ones.
func toSharedCaches(name string) bool {
	const targeted = "-Cache-Control"
	if n := len(name) - len(targeted); n > 0 && strings.EqualFold(name[n:], targeted) {
		return true
	}
	for _, other := range [...]string{"Surrogate-Control", "Edge-Control", "X-Accel-Expires"} {
		if len(name) == len(other) && strings.EqualFold(name, other) {
			return true
		}
	}
	return false
}

// private reports whether the handler itself keeps the answer out of shared
// caches. The forms with field names, such as no-cache="Set-Cookie", do not.
func private(cacheControl []string) bool {
	return (mentions(cacheControl, "private") || mentions(cacheControl, "no-cache") || mentions(cacheControl, "no-store")) &&
		!mentions(cacheControl, "public") && !mentions(cacheControl, "s-maxage")
}

// mentions reports whether a list header has that member, whatever its case;
// "s-maxage=60" counts as "s-maxage", private="x" not as "private".
func mentions(lines []string, name string) bool {
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			member = strings.TrimSpace(member)
			if key, value, _ := strings.Cut(member, "="); strings.EqualFold(key, name) && !strings.HasPrefix(value, `"`) {
				return true
			}
		}
	}
	return false
}

// knowsOfEnd reports whether an answer has told the browser that this session is over.
// Then the request was not in flight when it ended, and its cookie counts as
// absent although the tombstone stands (G2).
//
// To clear the cookie would say the same, but clears what the browser has when
// the answer comes: that may be a newer login's.
func (s *Session) knowsOfEnd(id store.ID) bool {
	note, err := s.x.m.note.Read(s.x.r.Header)
	return err == nil && note == id.Handle()
}

// leaveNote makes the note for the browser. It lasts as long as a tombstone.
func (s *Session) leaveNote() {
	if s.life == finished && s.x.ours().note == "" && s.x.m.note != nil && !s.readOnly() {
		s.x.set().note, _ = s.x.m.note.Line(s.base.ID.Handle(), tombstoneLife)
	}
}

// hasCookie reports whether the browser brought the session's cookie or marker.
func (s *Session) hasCookie() bool {
	if !s.cookie.absent() {
		return true
	}
	if s.x.m.marker == nil {
		return false
	}
	_, err := s.x.m.marker.Read(s.x.r.Header)
	return !isAbsent(err)
}

// clearCookie removes session cookie and marker from a browser that has them, if
// the answer does not leave too late for that (see dropLateCookie).
func (s *Session) clearCookie() {
	m := s.x.m
	if !s.hasCookie() {
		return
	}
	if m.bearer {
		s.x.set().sid = noToken
		return
	}
	s.x.out.forget = !m.cfg.KeepSiteData
	ours := s.x.set()
	ours.sid, ours.rescoped = m.sid.Expired(), m.carrier.inCookie()
	if m.marker != nil {
		ours.marker = m.marker.Expired()
	}
}

// cookieLines renders the cookies of a record with that value.
func (s *Session) cookieLines(c *pendingWrite, value []byte, now time.Time) error {
	m := s.x.m
	if m.bearer {
		c.sid = string(value)
		return nil
	}
	var room [384]byte // for both, unless the record is in it
	age := c.rec.Deadline().Sub(now)
	both, err := m.sid.AppendLine(room[:0], value, age, now)
	sid := len(both)
	if err == nil && m.marker != nil {
		var name [12]byte
		both, err = m.marker.AppendLine(both, appendMarker(name[:0], c.rec.ID), age, now)
	}
	if err != nil {
		return fmt.Errorf("coatcheck: session cookie: %w", err)
	}
	lines := string(both)
	c.sid, c.marker = lines[:sid], lines[sid:]
	return nil
}

// put puts what brings the session to the client into an answer's header.
func (x *exchange) put(h http.Header) {
	out := x.ours()
	switch {
	case x.m.bearer:
		h[TokenHeader] = []string{out.sid}
	case out.sid == "":
		cookie.Put(h, out.note)
	case out.sid == x.m.sid.Expired():
		// The session cookie last: of several cookies that one answer clears,
		// some versions of curl drop only the last.
		cookie.Put(h, out.marker)
		cookie.Put(h, out.sid)
	case out.marker != "" && len(h["Set-Cookie"]) == 0:
		x.putBoth(h)
	default:
		// First: of the cookies of an upgrade some libraries for websockets send
		// only the first.
		cookie.Put(h, out.sid)
		cookie.Put(h, out.marker)
		lines := h["Set-Cookie"] // made anew by Put
		i := slices.Index(lines, out.sid)
		copy(lines[1:], lines[:i])
		lines[0] = out.sid
	}
}

// isIn reports whether what x.put has put is still in h.
func (x *exchange) isIn(h http.Header) bool {
	name := "Set-Cookie"
	if x.m.bearer {
		name = TokenHeader
	}
	return x.ours().sid != "" && slices.Contains(h[name], x.ours().sid)
}

// dropForeignToken takes a TokenHeader that is not ours out of an answer, whatever
// the case of its name: a client would take it for its session (G4).
func (x *exchange) dropForeignToken(h http.Header) {
	for key, lines := range h {
		if len(key) != len(TokenHeader) || !strings.EqualFold(key, TokenHeader) {
			continue
		}
		if len(lines) == 1 && lines[0] == x.ours().sid && key == TokenHeader {
			continue
		}
		delete(h, key)
		x.event(Event{Kind: Refused, Reason: reasonForeignToken})
	}
}

// stripToken is StripCookies for a manager of NewBearer.
func stripToken(out *http.Request) {
	for key, lines := range out.Header {
		if !strings.EqualFold(key, authorization) {
			continue
		}
		lines = slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
			scheme, _, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
			return strings.EqualFold(scheme, "Bearer")
		})
		if out.Header[key] = lines; len(lines) == 0 {
			delete(out.Header, key)
		}
	}
}

// What middleware says of every answer (CORS, HSTS, a request id) a replaced
// answer says too: a browser application would see a CORS failure in place of
// 401. What a handler says goes with its answer. The border between the two is
// the innermost Require…, or else the entry (G5).

// keepHeader takes note of a response's header as it is at a Require…, for all
// managers of the request.
func keepHeader(ctx context.Context, h http.Header) {
	if len(h) == 0 {
		return
	}
	var kept *http.Header
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	for ; x != nil; x = x.outer() {
		if x.phase() != open || maps.EqualFunc(h, x.before(), slices.Equal) {
			continue
		}
		if kept == nil {
			clone := h.Clone()
			kept = &clone
		}
		x.extra().kept.Store(kept)
	}
}

// resetHeader makes of a response's header what stood there before the handler.
func (x *exchange) resetHeader(h http.Header) {
	clear(h)
	maps.Copy(h, x.before())
	if more := x.more.Load(); more != nil && more.kept.Load() != nil { // http.TimeoutHandler has a map of its own: this may lack what before has
		for name, values := range *more.kept.Load() {
			if !ofBody(name) {
				h[name] = slices.Clone(values)
			}
		}
	}
}

// ofBody reports whether a header says something of the answer's body, which is
// another now: middleware that compresses, for one, sets Content-Encoding first
// and does not see what replaces the handler's answer.
func ofBody(name string) bool {
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Accept-Ranges", "Etag", "Last-Modified", "Location", "Refresh", "Trailer", "Transfer-Encoding",
		"Digest", "Repr-Digest", "Cache-Control", "Expires", "Pragma":
		return true
	}
	return strings.HasPrefix(name, "Content-") && !strings.HasPrefix(name, "Content-Security-Policy")
}

// StripCookies takes the session cookie and what goes with it out of a request that is
// about to be sent to another server, which has no business with them. Other
// cookies stay as they are. A gateway calls it from httputil.ReverseProxy:
//
//	Rewrite: func(r *httputil.ProxyRequest) {
//		r.SetURL(upstream)
//		sessions.StripCookies(r.Out)
//	}
//
// The other way round nothing is to be done: a Set-Cookie line of these names
// that comes from elsewhere never leaves through Handler. Of a manager of [NewBearer]
// the same holds for the bearer token and TokenHeader, and of one whose sessions
// package dbsc binds for the bound cookie and the headers of the protocol: an origin
// has one server that binds.
func (m *Manager) StripCookies(out *http.Request) {
	if m.bearer {
		stripToken(out)
		return
	}
	if m.guard.Load() != nil {
		stripBinding(out.Header)
	}
	for key, lines := range out.Header {
		if !strings.EqualFold(key, "Cookie") {
			continue
		}
		var kept []string
		for _, line := range lines {
			if line = m.withoutOurs(line); line != "" {
				kept = append(kept, line)
			}
		}
		if len(kept) == 0 {
			delete(out.Header, key)
		} else {
			out.Header[key] = kept
		}
	}
}

// withoutOurs is a Cookie line without our cookies, also without those that a
// proxy joined to another by a comma.
func (m *Manager) withoutOurs(line string) string {
	var kept []string
	for pair := range strings.SplitSeq(line, ";") {
		parts := slices.DeleteFunc(strings.Split(pair, ","), m.isOurs)
		if pair = strings.Trim(strings.Join(parts, ","), " \t"); pair != "" {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "; ")
}

// isOurs reports whether a pair or line begins with the name of the session
// cookie or of what goes with it, however much space is around it. A cookie without a
// name is sent as its value alone, which may look like one of ours.
func (m *Manager) isOurs(pair string) bool {
	const space = " \t\r\n" // net/http makes spaces of the last two
	name, value, ok := strings.Cut(pair, "=")
	if name = strings.Trim(name, space); name == "" && ok {
		name, _, ok = strings.Cut(value, "=")
		name = strings.Trim(name, space)
	}
	suffix, ours := strings.CutPrefix(name, m.cfg.Name)
	if !ok || ours && (suffix == "" || suffix == markerSuffix || suffix == noteSuffix) {
		return ok
	}
	g := m.guard.Load()
	return g != nil && (*g).Owns(name)
}

// dropPosing takes Set-Cookie lines of our names that are not ours out of an
// answer that is about to leave: an upstream behind a gateway, or a handler that
// sets such a cookie itself, must not replace the session (G4, G8).
func (x *exchange) dropPosing(h http.Header) {
	if plain(h) {
		return
	}
	if x.m.bearer {
		x.dropForeignToken(h)
		return
	}
	if !x.out.binds && x.m.guard.Load() != nil && withoutBinding(h) {
		x.tellForeign()
	}
	for key, lines := range h {
		if len(key) != len("Set-Cookie") || !strings.EqualFold(key, "Set-Cookie") {
			continue
		}
		if !slices.ContainsFunc(lines, x.poses) {
			continue
		}
		lines = slices.DeleteFunc(slices.Clone(lines), x.poses) // the slice may be shared with other responses
		if h[key] = lines; len(lines) == 0 {
			delete(h, key)
		}
		x.tellForeign()
	}
}

func (x *exchange) tellForeign() {
	x.event(Event{Kind: Refused, Reason: reasonForeign})
}

// poses reports whether a browser would take a Set-Cookie line for one of ours
// which it is not.
func (x *exchange) poses(line string) bool {
	pair, _, _ := strings.Cut(line, ";")
	ours := x.ours()
	return x.m.isOurs(pair) && line != ours.sid && line != ours.marker && line != ours.note && !slices.Contains(ours.bound, line)
}
