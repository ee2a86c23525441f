package coatcheck_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode"

	"github.com/coatcheck/coatcheck"
)

// ASVS 3.7.2: redirects lead off the host only to an allow-list; here to none.
func TestSafeReturn(t *testing.T) {
	for _, ok := range []string{
		"/", "/a", "/a/b?c=d&e=f#g", "/a?next=https://other.example/", "/a?next=//other.example", "/a#//b", "/proxy/https%3A%2F%2Fother.example", "/ü", "/a:b@c", "/.", "/a/../b",
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
		// Harmless as they are, but not to whoever cleans or decodes them first.
		"/..//evil.example", "/.//evil.example", "/%2e%2e//evil.example", "/a/..//evil.example", "/a//b", "/%2F%2Fevil.example", "/%2f/evil.example", "/%5Cevil.example", "/%5c%5cevil.example",
		"/%09/evil.example", "/a%0d%0aLocation:%20//evil.example", "/a%00b",
	} {
		if got := coatcheck.SafeReturn(bad); got != "/" {
			t.Errorf("SafeReturn(%q) = %q, want /", bad, got)
		}
	}
}

// ASVS 3.7.2: whatever the target, a browser stays on this host, also when it
// gets what http.Redirect, path.Clean or one more decoding makes of it.
func FuzzSafeReturn(f *testing.F) {
	for _, target := range []string{"/a?b#c", "//evil.example", "/\\evil.example", "/..//evil.example", "/%2F%2Fevil.example", "/\t/evil.example", "https:evil.example", "/%5cevil.example", "/a@b:c"} {
		f.Add(target)
	}
	base := &url.URL{Scheme: "https", Host: "app.example", Path: "/login"}
	f.Fuzz(func(t *testing.T, target string) {
		got := coatcheck.SafeReturn(target)
		if got != "/" && got != target {
			t.Fatalf("SafeReturn(%q) = %q, want it as it is or /", target, got)
		}
		u, err := url.Parse(got)
		if err != nil {
			t.Fatalf("SafeReturn(%q) = %q: %v", target, got, err)
		}
		w := httptest.NewRecorder()
		http.Redirect(w, httptest.NewRequest("POST", base.String(), nil), got, http.StatusSeeOther)
		for _, location := range []string{got, w.Header().Get("Location"), path.Clean(u.Path), u.Path, base.ResolveReference(u).EscapedPath()} {
			if len(location) < 1 || location[0] != '/' || len(location) > 1 && (location[1] == '/' || location[1] == '\\') || strings.ContainsFunc(location, unicode.IsControl) {
				t.Errorf("SafeReturn(%q) leads to %q", target, location)
			}
		}
	})
}
