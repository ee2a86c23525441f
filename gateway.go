package coatcheck

import (
	"net/http"
	"slices"
	"strings"
)

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
// that comes from elsewhere never leaves through Handler. Of a manager of NewBearer
// the same holds for the bearer token and TokenHeader.
func (m *Manager) StripCookies(out *http.Request) {
	if m.bearer {
		stripToken(out)
		return
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
	return ok && ours && (suffix == "" || suffix == markerSuffix || suffix == overSuffix)
}

// dropForeign takes Set-Cookie lines of our names that are not ours out of an
// answer that is about to leave: an upstream behind a gateway, or a handler that
// sets such a cookie itself, must not replace the session (G4, G8).
func (x *exchange) dropForeign(h http.Header) {
	if x.m.bearer {
		x.dropForeignToken(h)
		return
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

// dropTrailers does that for the trailers that the server sends when the handler
// has returned: those that the header announced, and those with http.TrailerPrefix,
// as httputil.ReverseProxy has them.
func (x *exchange) dropTrailers() {
	h := x.w.Header()
	if len(h["Trailer"]) > 0 {
		x.dropForeign(h)
	}
	name := "Set-Cookie"
	if x.m.bearer {
		name = TokenHeader
	}
	for key, lines := range h {
		if len(key) != len(http.TrailerPrefix)+len(name) || !strings.EqualFold(key[len(http.TrailerPrefix):], name) {
			continue
		}
		if x.m.bearer || slices.ContainsFunc(lines, x.poses) {
			delete(h, key) // others lose nothing: browsers take no cookies from trailers
			x.tellForeign()
		}
	}
}

func (x *exchange) tellForeign() {
	x.event(Event{Kind: Refused, Reason: reasonForeign})
}

// poses reports whether a browser would take a Set-Cookie line for one of ours
// which it is not.
func (x *exchange) poses(line string) bool {
	pair, _, _ := strings.Cut(line, ";")
	return x.m.isOurs(pair) && line != x.out.sid && line != x.out.marker && line != x.out.over
}
