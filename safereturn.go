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
// lead elsewhere once somebody has removed its dot segments or decoded it, in
// whatever order, is refused too. ASVS 3.7.2
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
	if path := u.EscapedPath(); strings.Contains(path, "//") || !staysHere(path, maxDecodings) {
		return "/"
	}
	return target
}

// maxDecodings is how often a path is decoded, one time more than a proxy and
// an application do together. What is encoded more often is refused.
const maxDecodings = 3

// staysHere reports whether a path begins with one slash only, whatever whoever
// passes it on makes of it: with its dot segments removed or left, backslashes
// taken for slashes or not, and then the same after each decoding. The order
// matters: "/a%2Fb/../%2Fhost" leads elsewhere if the dots go first.
func staysHere(path string, decodings int) bool {
	if strings.ContainsFunc(path, unicode.IsControl) {
		return false
	}
	forms := []string{path}
	if strings.Contains(path, `\`) {
		forms = append(forms, strings.ReplaceAll(path, `\`, "/"))
	}
	for _, form := range forms {
		short, ok := removeDots(form)
		if !ok {
			return false
		}
		for _, p := range []string{form, short} {
			next := decodeOnce(p)
			if next != p && (decodings == 0 || !staysHere(next, decodings-1)) {
				return false
			}
			if short == form {
				break
			}
		}
	}
	return true
}

// removeDots removes the dot segments of a path as browsers do (RFC 3986
// §5.2.4), for which an escaped dot is one. It reports whether the path, and
// each beginning of it that a decoded "?" or "#" may leave, starts with one
// slash only.
func removeDots(path string) (short string, ok bool) {
	segments := strings.Split(path[1:], "/")
	kept := segments[:0]
	for i, segment := range segments {
		last := i == len(segments)-1
		switch dots := strings.ReplaceAll(strings.ToLower(segment), "%2e", "."); {
		case dots == "." && !last:
		case dots == ".." && !last:
			kept = kept[:max(len(kept)-1, 0)]
		case dots == ".":
			kept = append(kept, "")
		case dots == "..":
			kept = append(kept[:max(len(kept)-1, 0)], "")
		case len(kept) == 0 && (segment == "" && !last || strings.HasPrefix(segment, `\`)):
			return "", false
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/"), true
}

// decodeOnce decodes the escapes of a path and leaves what is none, as a
// browser does.
func decodeOnce(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			if c, err := url.PathUnescape(path[i : i+3]); err == nil {
				b = append(b, c...)
				i += 2
				continue
			}
		}
		b = append(b, path[i])
	}
	return string(b)
}
