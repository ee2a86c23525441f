package coatcheck

import (
	"net/http"
	"slices"
	"strings"
)

// headers puts the session's Set-Cookie lines and what caches must know into
// the response's header (G12). It can be called again: leave does.
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

// setIn reports whether the session's cookie stands in h.
func (s *Session) setIn(h http.Header) bool {
	if !s.lock() {
		return false
	}
	defer s.unlock()
	return s.x.stands(h)
}

func (s *Session) putHeaders() {
	s.putInto(s.x.w.Header())
	if s.x.out.sid != "" {
		s.x.tellOuter()
	}
}

func (s *Session) putInto(h http.Header) {
	s.x.dropForeign(h)
	out, set := &s.x.out, s.x.out.sid != ""
	if !set && !s.looked {
		return
	}
	if set {
		out.over = ""
	} else {
		s.leaveNote()
	}
	tidy(h)
	if s.looked {
		out.vary[0] = s.x.m.comesIn()
		vary(h, out.vary[:])
	}
	if set {
		s.offer(h)
	}
	if set || out.over != "" {
		s.x.put(h)
	}
	if set && (s.namesakes || s.rescoped || len(s.x.m.cfg.FormerCookies) > 0) {
		s.x.m.putScopes(h)
	}
	if out.forget && len(h["Clear-Site-Data"]) == 0 {
		h["Clear-Site-Data"] = []string{`"cache", "storage"`}
	}
	if set || out.over != "" || !private(h["Cache-Control"]) {
		noStore(h, out.cacheControl[:])
	}
}

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

// guard keeps an answer of OnError out of shared caches, also where nobody has
// looked at the session.
func guard(h http.Header) {
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
