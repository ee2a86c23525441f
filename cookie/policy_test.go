package cookie_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

const day = 24 * time.Hour

// Every line as it goes out, with the attributes in this order (C13).
// G6: `Expires` goes with `Max-Age`, for clients that heed only one.
func TestLines(t *testing.T) {
	bubble(t, func(t *testing.T) { // midnight, 1 January 2000
		testLines(t)
		time.Sleep(time.Nanosecond)
		c := newRaw(t, "a", cookie.Policy{})
		const want = "a=v; Max-Age=60; Path=/; Secure; HttpOnly; SameSite=Strict; Expires=Sat, 01 Jan 2000 00:01:01 GMT"
		if got, err := c.Line("v", time.Minute); got != want || err != nil {
			t.Errorf("between two seconds:\n got %s, %v\nwant %s", got, err, want)
		}
	})
}

func testLines(t *testing.T) {
	for _, tt := range []struct {
		name string
		p    cookie.Policy
		age  time.Duration
		want string
	}{
		{"a", cookie.Policy{}, 0, "a=v; Path=/; Secure; HttpOnly; SameSite=Strict"},
		{"username", cookie.Policy{}, time.Hour, "username=v; Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Strict; Expires=Sat, 01 Jan 2000 01:00:00 GMT"},
		{"a", cookie.Policy{}, time.Nanosecond, "a=v; Max-Age=1; Path=/; Secure; HttpOnly; SameSite=Strict; Expires=Sat, 01 Jan 2000 00:00:01 GMT"},
		{"a", cookie.Policy{}, time.Second + 1, "a=v; Max-Age=2; Path=/; Secure; HttpOnly; SameSite=Strict; Expires=Sat, 01 Jan 2000 00:00:02 GMT"},
		{"a", cookie.Policy{}, 400 * day, "a=v; Max-Age=34560000; Path=/; Secure; HttpOnly; SameSite=Strict; Expires=Sun, 04 Feb 2001 00:00:00 GMT"},
		{"a", cookie.Policy{Path: "/a%20b/", Domain: "app.example.com"}, 0, "a=v; Path=/a%20b/; Domain=app.example.com; Secure; HttpOnly; SameSite=Strict"},
		{"a", cookie.Policy{SameSite: http.SameSiteLaxMode}, 0, "a=v; Path=/; Secure; HttpOnly; SameSite=Lax"},
		{"a", cookie.Policy{SameSite: http.SameSiteNoneMode, Partitioned: true}, 0, "a=v; Path=/; Secure; HttpOnly; SameSite=None; Partitioned"},
		{"a", cookie.Policy{SameSite: http.SameSiteStrictMode, AllowScripts: true}, 0, "a=v; Path=/; Secure; SameSite=Strict"},
		{"a", cookie.Policy{AllowInsecureHTTP: true, AllowScripts: true}, 0, "a=v; Path=/; SameSite=Strict"},
		{"__Host-a", cookie.Policy{Path: "/", AllowScripts: true}, 0, "__Host-a=v; Path=/; Secure; SameSite=Strict"},
		{"__Host-Http-a", cookie.Policy{}, 0, "__Host-Http-a=v; Path=/; Secure; HttpOnly; SameSite=Strict"},
		{"__Http-a", cookie.Policy{Domain: "example.com", Path: "/x"}, 0, "__Http-a=v; Path=/x; Domain=example.com; Secure; HttpOnly; SameSite=Strict"},
		{"__Secure-a", cookie.Policy{Domain: "example.com", AllowScripts: true}, 0, "__Secure-a=v; Path=/; Domain=example.com; Secure; SameSite=Strict"},
		{"a", cookie.Policy{Path: "/" + strings.Repeat("p", 1023)}, 0, "a=v; Path=/" + strings.Repeat("p", 1023) + "; Secure; HttpOnly; SameSite=Strict"},
		{"_Host-a", cookie.Policy{AllowInsecureHTTP: true}, 0, "_Host-a=v; Path=/; HttpOnly; SameSite=Strict"},
	} {
		c, err := cookie.NewRaw(tt.name, tt.p)
		if err != nil {
			t.Errorf("%s %+v: %v", tt.name, tt.p, err)
			continue
		}
		if got, err := c.Line("v", tt.age); got != tt.want || err != nil {
			t.Errorf("%s %+v:\n got %s, %v\nwant %s", tt.name, tt.p, got, err, tt.want)
		}
		// C17: what deletes has the same attributes, and both ways to say it.
		_, attributes, _ := strings.Cut(tt.want, "; Path=")
		attributes, _, _ = strings.Cut(attributes, "; Expires=")
		expired := tt.name + "=; Max-Age=0; Path=" + attributes + "; Expires=Thu, 01 Jan 1970 00:00:01 GMT"
		if got := c.Expired(); got != expired {
			t.Errorf("%s %+v:\n got %s\nwant %s", tt.name, tt.p, got, expired)
		}
	}
}

// G6: what cannot work is an error that names the field.
func TestBadDeclarations(t *testing.T) {
	t.Parallel()
	domain := func(d string) cookie.Policy { return cookie.Policy{Domain: d} }
	path := func(p string) cookie.Policy { return cookie.Policy{Path: p} }
	insecure := cookie.Policy{AllowInsecureHTTP: true}
	scripts := cookie.Policy{AllowScripts: true}
	for _, tt := range []struct {
		name string
		p    cookie.Policy
		want string
	}{
		{"", cookie.Policy{}, "name is empty"},
		{"a b", cookie.Policy{}, "name"}, {"a=b", cookie.Policy{}, "name"}, {"a;b", cookie.Policy{}, "name"},
		{"a,b", cookie.Policy{}, "name"}, {"a\"", cookie.Policy{}, "name"}, {"a\r\nb", cookie.Policy{}, "name"},
		{"a\x00", cookie.Policy{}, "name"}, {"a\x7f", cookie.Policy{}, "name"}, {"ä", cookie.Policy{}, "name"},
		{" a", cookie.Policy{}, "name"}, {"a ", cookie.Policy{}, "name"}, {"a(b)", cookie.Policy{}, "name"}, {"a/b", cookie.Policy{}, "name"},
		{"a\tb", cookie.Policy{}, "name"}, {strings.Repeat("n", 4097), cookie.Policy{}, "name is 4097 bytes"},

		{"a", cookie.Policy{MaxAge: -1}, "Policy.MaxAge"},
		{"a", cookie.Policy{MaxAge: 400*day + 1}, "Policy.MaxAge"},

		{"a", cookie.Policy{SameSite: http.SameSiteNoneMode, AllowInsecureHTTP: true}, "Policy.SameSite"},
		{"a", cookie.Policy{SameSite: http.SameSiteDefaultMode}, "Policy.SameSite"},
		{"a", cookie.Policy{SameSite: 5}, "Policy.SameSite"}, {"a", cookie.Policy{SameSite: -1}, "Policy.SameSite"},
		{"a", cookie.Policy{Partitioned: true, AllowInsecureHTTP: true}, "Policy.Partitioned"},

		{"a", path("a"), "Policy.Path"}, {"a", path("a/"), "Policy.Path"}, {"a", path(" /"), "Policy.Path"}, {"a", path("/ "), "Policy.Path"},
		{"a", path("/a;HttpOnly"), "Policy.Path"}, {"a", path("/a\r\n"), "Policy.Path"}, {"a", path("/\x00"), "Policy.Path"},
		{"a", path("/\x7f"), "Policy.Path"}, {"a", path("/\t"), "Policy.Path"}, {"a", path("/ä"), "Policy.Path"},
		{"a", path(`/"`), "Policy.Path"}, {"a", path(`/\`), "Policy.Path"}, {"a", path("/?q"), "Policy.Path"}, {"a", path("/#f"), "Policy.Path"},
		{"a", path("/" + strings.Repeat("p", 1024)), "Policy.Path is 1025 bytes"},

		{"a", domain(".example.com"), "Policy.Domain"}, {"a", domain("example.com."), "Policy.Domain"}, {"a", domain("com"), "Policy.Domain"},
		{"a", domain("localhost"), "Policy.Domain"}, {"a", domain("127.0.0.1"), "Policy.Domain"}, {"a", domain("[::1]"), "Policy.Domain"},
		{"a", domain("example.com:80"), "Policy.Domain"}, {"a", domain("exa mple.com"), "Policy.Domain"}, {"a", domain("a..com"), "Policy.Domain"},
		{"a", domain("-a.com"), "Policy.Domain"}, {"a", domain("a-.com"), "Policy.Domain"}, {"a", domain("ä.com"), "Policy.Domain"},
		{"a", domain("example.com; Path=/x"), "Policy.Domain"}, {"a", domain("example.com\r\nX: y"), "Policy.Domain"}, {"a", domain("*.example.com"), "Policy.Domain"},
		{"a", domain(strings.Repeat("a", 64) + ".com"), "Policy.Domain"}, {"a", domain(strings.Repeat("a.", 126) + "com"), "Policy.Domain"},
		{"a", domain("exam_ple.com"), "Policy.Domain"}, {"a", domain("@.com"), "Policy.Domain"}, {"a", domain("["), "Policy.Domain"},

		{"__Secure-a", insecure, "Policy.AllowInsecureHTTP"}, {"__Host-a", insecure, "Policy.AllowInsecureHTTP"},
		{"__Http-a", insecure, "Policy.AllowInsecureHTTP"}, {"__Host-Http-a", insecure, "Policy.AllowInsecureHTTP"},
		{"__Host-a", domain("example.com"), "Policy.Domain"}, {"__Host-Http-a", domain("example.com"), "Policy.Domain"},
		{"__Host-a", path("/x"), "Policy.Path"}, {"__Host-Http-a", path("/x"), "Policy.Path"},
		{"__Http-a", scripts, "Policy.AllowScripts"}, {"__Host-Http-a", scripts, "Policy.AllowScripts"},
		{"__host-a", cookie.Policy{}, "another case"}, {"__HOST-a", cookie.Policy{}, "another case"}, {"__secure-a", cookie.Policy{}, "another case"},
		{"__HTTP-a", cookie.Policy{}, "another case"}, {"__Host-http-a", cookie.Policy{}, "another case"},
		{"__Host-HTTP-a", cookie.Policy{}, "another case"}, {"__host-Http-a", cookie.Policy{}, "another case"},
	} {
		for kind, err := range map[string]error{
			"New":       cookie.New[string](tt.name, tt.p).Err(),
			"NewSigned": cookie.NewSigned[string](tt.name, testKeys(t), tt.p).Err(),
			"NewSealed": cookie.NewSealed[string](tt.name, testKeys(t), tt.p).Err(),
		} {
			if err == nil || !strings.HasPrefix(err.Error(), "cookie: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s %.20q %.60q: got %v, want an error with %q", kind, tt.name, tt.p.Path+tt.p.Domain, err, tt.want)
			}
		}
		if _, err := cookie.NewRaw(tt.name, tt.p); err == nil {
			t.Errorf("NewRaw %.20q: no error", tt.name)
		}
	}
	if _, err := cookie.NewRaw("a", cookie.Policy{MaxAge: time.Hour}); err == nil || !strings.Contains(err.Error(), "Policy.MaxAge") {
		t.Errorf("NewRaw with MaxAge: got %v, want an error: it would be ignored", err)
	}
}

// A bad declaration is kept, refuses everything and sets nothing.
func TestBadDeclarationIsKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]cookie.Cookie[string]{
		"bad path": cookie.New[string]("a", cookie.Policy{Path: "x"}),
		"no keys":  cookie.NewSigned[string]("a", nil, cookie.Policy{}),
		"zero":     {},
	} {
		w := newRecorder()
		_, getErr := c.Get(request("a=b"))
		_, refreshErr := c.Refresh(w, request("a=b"))
		for method, err := range map[string]error{"Get": getErr, "Refresh": refreshErr, "Set": c.Set(w, "v"), "Clear": c.Clear(w)} {
			if err == nil || err.Error() != c.Err().Error() {
				t.Errorf("%s: %s: got %v, want %v", name, method, err, c.Err())
			}
		}
		if len(w.Header()) != 0 {
			t.Errorf("%s: got header %v, want none", name, w.Header())
		}
	}
	var zero cookie.Raw
	if _, err := zero.Read(http.Header{"Cookie": {"=v"}}); err == nil {
		t.Error("the zero Raw reads a nameless cookie")
	}
	if _, err := zero.Line("v", 0); err == nil {
		t.Error("the zero Raw makes a line")
	}
}
