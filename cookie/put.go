package cookie

import (
	"net/http"
	"slices"
	"strings"
)

// Put adds a Set-Cookie line, made by [Raw.Line] or [Raw.Expired], to h. A line of
// the same name that is there already is replaced where it stands, because a
// response must not have two (RFC 6265bis §4.1.1); other lines stay as they are.
//
// The slice in h is never edited: it may be shared with other responses. An
// empty line is not added.
func Put(h http.Header, line string) {
	if line == "" {
		return
	}
	gather(h, "Set-Cookie")
	old := h["Set-Cookie"]
	if len(old) == 0 {
		h["Set-Cookie"] = []string{line}
		return
	}
	name := lineName(line)
	lines := make([]string, 0, len(old)+1)
	put := false
	for _, l := range old {
		if lineName(l) != name {
			lines = append(lines, l)
		} else if !put {
			lines, put = append(lines, line), true
		}
	}
	if !put {
		lines = append(lines, line)
	}
	h["Set-Cookie"] = lines
}

// keepOut keeps the Set-Cookie lines of a response out of caches between here
// and the browser (RFC 9111 §5.2.2.4).
const keepOut = `no-cache="Set-Cookie"`

// put is Put, and tells caches not to hand the cookie to others. It stands
// last: HAProxy forgets it where "public" comes behind (C19).
func (c *Raw) put(h http.Header, line string) {
	if c.caching {
		Put(h, line)
		return
	}
	gather(h, "Cache-Control")
	gather(h, "Set-Cookie")
	control := h["Cache-Control"]
	if len(control) == 0 && len(h["Set-Cookie"]) == 0 {
		both := [...]string{line, keepOut}
		h["Set-Cookie"], h["Cache-Control"] = both[:1:1], both[1:]
		return
	}
	Put(h, line)
	if len(control) == 0 {
		h["Cache-Control"] = []string{keepOut}
		return
	}
	last := control[len(control)-1]
	if strings.EqualFold(last, "no-store") || strings.HasSuffix(last, keepOut) {
		return
	}
	lines := append(make([]string, 0, len(control)), control...)
	if last != "" {
		last += ", "
	}
	lines[len(lines)-1] = last + keepOut
	h["Cache-Control"] = lines
}

// lineName returns the name that a browser sees in a Set-Cookie line.
func lineName(line string) string {
	pair, _, _ := strings.Cut(line, ";")
	name, _, ok := strings.Cut(pair, "=")
	if !ok {
		return "" // a nameless cookie
	}
	return trimSpace(name)
}

// gather moves what stands in h under another spelling of name to the usual one:
// names match in any case, and the server sends those of the map as they are.
func gather(h http.Header, name string) {
	for other, lines := range h {
		if len(other) == len(name) && other != name && strings.EqualFold(other, name) {
			delete(h, other)
			h[name] = append(slices.Clip(h[name]), lines...)
		}
	}
}
