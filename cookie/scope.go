package cookie

import (
	"fmt"
	"strings"
)

// checkPath refuses what a browser would ignore, which widens the cookie to the
// default path, and what no request's path can have, which hides the cookie.
func checkPath(path string) error {
	if path == "" {
		return nil
	}
	if path[0] != '/' {
		return fmt.Errorf("cookie: Policy.Path is %q; want one that begins with /", path)
	}
	if len(path) > maxAttribute {
		return fmt.Errorf("cookie: Policy.Path is %d bytes; browsers ignore more than %d", len(path), maxAttribute)
	}
	for i := range len(path) {
		if b := path[i]; b <= ' ' || b >= 0x7f || strings.IndexByte(`;"\?#`, b) >= 0 {
			return fmt.Errorf("cookie: Policy.Path %q has byte %#02x at %d; want it as it stands in a URL, percent-encoded", path, b, i)
		}
	}
	return nil
}

// checkDomain wants a host name of two or more labels. Browsers drop the
// attribute or the cookie for anything else, which changes who receives it.
func checkDomain(domain string) error {
	if domain == "" {
		return nil
	}
	bad := func(want string) error {
		return fmt.Errorf("cookie: Policy.Domain is %q; want %s", domain, want)
	}
	if domain[0] == '.' {
		return bad("it without the dot at the start, which browsers ignore")
	}
	if len(domain) > 253 {
		return bad("at most 253 bytes")
	}
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return bad("two labels or more; leave it empty for this host alone")
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return bad("labels of 1 to 63 bytes that neither begin nor end with a hyphen")
		}
		for i := range len(l) {
			if b := l[i]; b != '-' && !isDigit(b) && !(b|0x20 >= 'a' && b|0x20 <= 'z') {
				return bad("letters, digits and hyphens (an international name in its xn-- form, no port)")
			}
		}
	}
	if last := labels[len(labels)-1]; isDigit(last[0]) {
		return bad("a name, not an address; leave it empty for this host alone")
	}
	return nil
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
