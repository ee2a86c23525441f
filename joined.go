package coatcheck

import "strings"

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
	s.held, s.marked = true, true
	s.x.event(Event{Kind: Refused, Reason: reasonJoined})
	return true
}

// begins reports whether a cookie pair is the session's or its marker's.
func begins(pair, name string) bool {
	pair, ok := strings.CutPrefix(strings.TrimLeft(pair, " \t"), name)
	return ok && (strings.HasPrefix(pair, "=") || strings.HasPrefix(pair, markerSuffix+"="))
}
