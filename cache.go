package coatcheck

import (
	"net/http"
	"strings"

	"github.com/coatcheck/coatcheck/cookie"
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

func (s *Session) putHeaders() {
	out, h := &s.x.out, s.x.w.Header()
	if s.looked {
		if vary := h["Vary"]; len(vary) == 0 {
			out.vary[0] = "Cookie"
			h["Vary"] = out.vary[:]
		} else if !mentions(vary, "cookie") && !mentions(vary, "*") {
			h["Vary"] = []string{strings.Join(vary, ", ") + ", Cookie"}
		}
	}
	set := out.sid != ""
	switch {
	case !set:
	case out.marker != "" && len(h["Set-Cookie"]) == 0:
		// The session cookie last: of several cookies that one answer clears,
		// some versions of curl drop only the last.
		h["Set-Cookie"] = []string{out.marker, out.sid}
	default:
		cookie.Put(h, out.marker)
		cookie.Put(h, out.sid)
	}
	if set && s.namesakes {
		s.x.m.putScopes(h)
	}
	if out.forget && len(h["Clear-Site-Data"]) == 0 {
		h["Clear-Site-Data"] = []string{`"cache", "storage"`}
	}
	if set || s.looked && !private(h["Cache-Control"]) {
		out.cacheControl[0] = "no-store"
		h["Cache-Control"] = out.cacheControl[:]
		remove(h, "Expires")
		remove(h, "Pragma")
	}
	if set || s.looked {
		for _, name := range sharedCacheHeaders {
			remove(h, name)
		}
	}
}

// remove deletes a header that is seldom there: to look costs less.
func remove(h http.Header, name string) {
	if len(h[name]) > 0 {
		delete(h, name)
	}
}

// sharedCacheHeaders speak to caches between us and the browser, which heed
// them in place of Cache-Control, whatever that says (RFC 9213 §2.2).
var sharedCacheHeaders = [...]string{
	"Cdn-Cache-Control", "Cloudflare-Cdn-Cache-Control", "Surrogate-Control", "Edge-Control", "X-Accel-Expires",
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
