package cookie

import (
	"net/http"
	"strings"
)

// Put adds a Set-Cookie line, made by Raw.Line or Raw.Expired, to h. A line of
// the same name that is there already is replaced where it stands, because a
// response must not have two (RFC 6265bis §4.1.1); other lines stay as they are.
//
// The slice in h is never edited: it may be shared with other responses. An
// empty line is not added.
func Put(h http.Header, line string) {
	if line == "" {
		return
	}
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

// lineName returns the name that a browser sees in a Set-Cookie line.
func lineName(line string) string {
	pair, _, _ := strings.Cut(line, ";")
	name, _, ok := strings.Cut(pair, "=")
	if !ok {
		return "" // a nameless cookie
	}
	return trimSpace(name)
}
