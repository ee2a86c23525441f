package coatcheck

import (
	"net/url"
	"strings"
	"unicode"
)

// SafeReturn returns target if it is a path of this site, query and fragment
// included, and "/" otherwise. Use it for the page to return to after a login,
// which comes from the request and may have been written by anybody: an open
// redirect makes your own address the start of a stranger's. A path that would
// lead elsewhere once somebody has cleaned or decoded it is refused too.
// ASVS 3.7.2
func SafeReturn(target string) string {
	// Browsers drop tabs and newlines, and read a backslash as a slash.
	if !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") ||
		strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f || r == '\uFFFD' }) {
		return "/"
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	if strings.Contains(u.EscapedPath(), "//") || strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.Path, "/\\") ||
		strings.ContainsFunc(u.Path, unicode.IsControl) {
		return "/"
	}
	return target
}
