package cookie

import (
	"fmt"
	"strings"
)

// checkName wants an RFC 9110 token. Nameless cookies can pose as any other
// (RFC 6265bis §5.7).
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("cookie: the name is empty; want an RFC 9110 token")
	}
	if len(name) > maxSize {
		return fmt.Errorf("cookie: the name is %d bytes; browsers keep at most %d of name and value", len(name), maxSize)
	}
	for i := range len(name) {
		if !isToken(name[i]) {
			return fmt.Errorf("cookie: the name %q has byte %#02x at %d; want an RFC 9110 token", name, name[i], i)
		}
	}
	return nil
}

func isToken(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// prefixes are the name prefixes that browsers attach rules to, the longest
// first (RFC 6265bis §4.1.3; the two with Http are of the layered-cookies
// draft). Browsers match them in any case, servers in exactly this one.
var prefixes = []struct {
	prefix string
	host   bool // Path=/ and no Domain
	http   bool // HttpOnly
}{
	{"__Host-Http-", true, true},
	{"__Host-", true, false},
	{"__Secure-", false, false},
	{"__Http-", false, true},
}

func (p Policy) checkPrefix(name string) error {
	for _, x := range prefixes {
		if len(name) < len(x.prefix) || !strings.EqualFold(name[:len(x.prefix)], x.prefix) {
			continue
		}
		switch {
		case name[:len(x.prefix)] != x.prefix:
			return fmt.Errorf("cookie: the name %q spells %q in another case; browsers and servers would disagree about it", name, x.prefix)
		case p.AllowInsecureHTTP:
			return fmt.Errorf("cookie: Policy.AllowInsecureHTTP with the name %q; browsers want Secure with %s", name, x.prefix)
		case x.host && p.Domain != "":
			return fmt.Errorf("cookie: Policy.Domain is %q with the name %q; browsers want none with %s", p.Domain, name, x.prefix)
		case x.host && p.Path != "" && p.Path != "/":
			return fmt.Errorf("cookie: Policy.Path is %q with the name %q; browsers want / with %s", p.Path, name, x.prefix)
		case x.http && p.AllowScripts:
			return fmt.Errorf("cookie: Policy.AllowScripts with the name %q; browsers want HttpOnly with %s", name, x.prefix)
		}
		return nil
	}
	return nil
}
