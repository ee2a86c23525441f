package coatcheck_test

import (
	"testing"

	"github.com/coatcheck/coatcheck"
)

// ASVS 3.7.2: redirects lead off the host only to an allow-list; here to none.
func TestSafeReturn(t *testing.T) {
	for _, ok := range []string{
		"/", "/a", "/a/b?c=d&e=f#g", "/a?next=https://other.example/", "/%2F%2Fevil.example", "/a//b", "/ü", "/a:b@c", "/.", "/..//evil.example",
	} {
		if got := coatcheck.SafeReturn(ok); got != ok {
			t.Errorf("SafeReturn(%q) = %q, want it as it is", ok, got)
		}
	}
	for _, bad := range []string{
		"", "a", "//evil.example", "///evil.example", "/\\evil.example", "\\/evil.example", "\\\\evil.example", "\t//evil.example", "/\t/evil.example",
		"/\n/evil.example", "/\r\n/evil.example", " //evil.example", "/ /evil.example", "https:evil.example", "https://evil.example", "HTTPS://evil.example",
		"https:/evil.example", "javascript:alert(1)", "data:text/html,x", "@evil.example", "evil.example", "//user@evil.example", "/a\x00b", "/a\x7f",
		"/%zz", "/a\xff", "?a=b", "#a", "./a", "../a", "/\x0b/evil.example",
	} {
		if got := coatcheck.SafeReturn(bad); got != "/" {
			t.Errorf("SafeReturn(%q) = %q, want /", bad, got)
		}
	}
}
