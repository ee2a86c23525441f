package promises_test

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
		"/..", "/a/..", "/a/../", "/a/./b/..", "/100%25", "/100%2525", "/a%20b", "/a%3Fb%23c", "/a/%2e%2e/b", "/a%2Fb/../c", "/a%5Cb", "/a%2F", "/a/%2e%2e",
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
		// Elsewhere once dot segments are removed and escapes decoded, in either order.
		"/x/%2e%2e/%2fevil.example", "/..%2f/evil.example", "/a/..%2F%2Fevil.example", "/.%2f/evil.example", "/%2e/%2fevil.example", "/a/%2E%2e/%5Cevil.example",
		"/a%2fb/../%2fevil.example", "/a/..%5c/evil.example", "/a/..%2f%5cevil.example", "/%252f/evil.example", "/%252fevil.example", "/x/%252e%252e/%252fevil.example", "/%2509/evil.example",
		"/a/..%2f%2fevil.example%3f/../..", "/a/..%2f%2fevil.example%23/../..", "/%25252fevil.example", "/%2525252fevil.example",
	} {
		if got := coatcheck.SafeReturn(bad); got != "/" {
			t.Errorf("SafeReturn(%q) = %q, want /", bad, got)
		}
	}
}

// ASVS 3.7.2: whatever the target, a browser stays on this host, also when it
// gets what http.Redirect, path.Clean or one more decoding makes of it.
func FuzzSafeReturn(f *testing.F) {
	for _, target := range []string{"/a?b#c", "//evil.example", "/\\evil.example", "/..//evil.example", "/%2F%2Fevil.example", "/\t/evil.example", "https:evil.example", "/%5cevil.example", "/a@b:c", "/#\u0098", "/?a=\u0085"} {
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

// ASVS 3.7.2: what SafeReturn accepts stays here under every order of removing
// dot segments, decoding, and taking backslashes for slashes: all targets of up
// to five of the pieces that matter.
func TestSafeReturnInEveryOrder(t *testing.T) {
	t.Parallel()
	pieces := []string{"/", "..", ".", "%2e", "%2f", "%5c", "%252F", "%3f", "a"}
	longest := 5
	if testing.Short() {
		longest = 4
	}
	accepted := 0
	var grow func(target string, n int)
	grow = func(target string, n int) {
		if coatcheck.SafeReturn(target) == target {
			accepted++
			if way := elsewhere(target, "", 5); way != "" {
				t.Fatalf("SafeReturn(%q) leads elsewhere after %s", target, way)
			}
		}
		if n == 0 || strings.Contains(target, "//") {
			return
		}
		for _, p := range pieces {
			grow(target+p, n-1)
		}
	}
	grow("/", longest)
	if accepted < 100 {
		t.Errorf("only %d targets were accepted", accepted)
	}
}

// elsewhere returns the steps after which a browser would leave the host, or "".
func elsewhere(target, way string, steps int) string {
	if len(target) > 1 && target[0] == '/' && (target[1] == '/' || target[1] == '\\') {
		return way
	}
	if steps == 0 {
		return ""
	}
	decoded, err := url.PathUnescape(target)
	if err != nil {
		decoded = target
	}
	before, _, _ := strings.Cut(target, "?")
	for _, next := range []struct{ step, to string }{
		{" decode", decoded}, {" dots", rfc3986(target)}, {" backslash", strings.ReplaceAll(target, "\\", "/")}, {" query", before},
	} {
		if next.to != target {
			if way := elsewhere(next.to, way+next.step, steps-1); way != "" {
				return way
			}
		}
	}
	return ""
}

// rfc3986 is Remove Dot Segments as RFC 3986 §5.2.4 spells it, after escaped
// dots were decoded.
func rfc3986(in string) (out string) {
	in = strings.NewReplacer("%2e", ".", "%2E", ".").Replace(in)
	for in != "" {
		switch {
		case strings.HasPrefix(in, "/./"):
			in = in[2:]
		case in == "/.":
			in = "/"
		case strings.HasPrefix(in, "/../"), in == "/..":
			in = "/" + strings.TrimPrefix(strings.TrimPrefix(in, "/.."), "/")
			out = out[:max(strings.LastIndexByte(out, '/'), 0)]
		default:
			end := strings.IndexByte(in[1:], '/') + 1
			if end == 0 {
				end = len(in)
			}
			out, in = out+in[:end], in[end:]
		}
	}
	return out
}
