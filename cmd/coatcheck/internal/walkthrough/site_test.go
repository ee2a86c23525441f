package walkthrough_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

func TestLogoutLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			store := &watched{Store: memstore.New(memstore.Config{})}
			v := visit(newSiteOn(t, store, "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa", coatcheck.Config{}))
			v.want(t, "POST /cart", "item=tea", 200, `["tea"]`)
			v.want(t, method+" /login", "", 200, "Logged in")
			v.want(t, "GET /cart", "", 200, `["tea"]`)
			stolen := v.clone()
			v.want(t, method+" /logout", "", 200, "Logged out")

			if len(v.Cookies()) != 0 {
				t.Errorf("cookies after the logout: %v, want none", v.Cookies())
			}
			if len(store.ids) < 2 {
				t.Fatalf("%d records were made, want one before and one after the login", len(store.ids))
			}
			for _, id := range store.ids {
				if rec, err := store.Load(t.Context(), id); !errors.Is(err, coatcheck.ErrEnded) {
					t.Errorf("Load after the logout: got %v, %v, want ErrEnded", rec, err)
				}
			}
			if list, err := store.User(t.Context(), "123"); len(list) != 0 || err != nil {
				t.Errorf("the user's sessions after the logout: %v, %v", list, err)
			}
			stolen.want(t, "GET /profile", "", 401, "Not logged in")
			stolen.want(t, "GET /cart", "", 200, "[]")
		})
	}
}

// An end by time is the server's: these jars send every cookie for ever.
func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := visit(newSite(t, coatcheck.Config{}))
		v.want(t, "POST /token", "", 200, "Token issued")
		used, kept := v.do("POST /one-time", "").Body.String(), v.do("POST /one-time", "").Body.String()

		time.Sleep(59 * time.Second)
		v.want(t, "GET /token", "", 200, "Token valid")
		time.Sleep(2 * time.Second)
		v.want(t, "GET /token", "", 401, "Token missing or expired")

		time.Sleep(5*time.Minute - 62*time.Second)
		v.want(t, "POST /one-time/redeem", "code="+used, 200, "Accepted")
		time.Sleep(2 * time.Second)
		v.want(t, "POST /one-time/redeem", "code="+kept, 403, "Refused")

		v.want(t, "POST /login", "", 200, "Logged in")
		time.Sleep(29 * time.Minute)
		v.want(t, "GET /profile", "", 200, "User 123")
		time.Sleep(34 * time.Minute)
		v.want(t, "GET /profile", "", 401, "Not logged in")
	})
}

func TestOneTimeCodes(t *testing.T) {
	t.Parallel()
	v := visit(newSite(t, coatcheck.Config{}))
	v.want(t, "POST /one-time/redeem", "code=", 403, "Refused")
	code := v.do("POST /one-time", "").Body.String()
	if !regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(code) {
		t.Fatalf("got code %q, want 26 characters of base32", code)
	}
	for _, wrong := range []string{"", code + "x", code[1:], strings.ToLower(code), strings.Repeat("x", 1000)} {
		v.want(t, "POST /one-time/redeem", "code="+wrong, 403, "Refused")
	}
	visit(v.Handler).want(t, "POST /one-time/redeem", "code="+code, 403, "Refused") // of another session
	v.want(t, "POST /one-time/redeem", "code="+code, 200, "Accepted")
	v.want(t, "POST /one-time/redeem", "code="+code, 403, "Refused")

	for range 20 {
		w := v.do("POST /one-time", "")
		if code = w.Body.String(); w.Code != 200 {
			t.Fatalf("got %d %s", w.Code, code)
		}
	}
	v.want(t, "POST /one-time", "", 429, "Too many open codes: want at most 20")
	v.want(t, "POST /one-time", "", 429, "Too many open codes: want at most 20")
	v.want(t, "POST /one-time/redeem", "code="+code, 200, "Accepted")
	if w := v.do("POST /one-time", ""); w.Code != 200 { // what was refused is not kept
		t.Errorf("with 19 open codes: got %d %s", w.Code, w.Body)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	site := newSite(t, coatcheck.Config{})
	long := strings.Repeat("x", 101)
	for _, c := range []struct {
		what   string
		forms  []string
		status int
	}{
		{"POST /preferences", []string{"", "theme=", "theme=dark&theme=light", "theme=da+rk", "theme=%00", "theme=%e4", "theme=" + long[:33], "theme=<b>"}, 400},
		{"POST /dashboard", []string{"", "widget=", "widget=a&widget=b", "widget=a;b", "widget=" + long[:33]}, 400},
		{"POST /cart", []string{"", "item=", "item=a&item=b", "item=%0a", "item=%ff", "item=" + long}, 400},
		{"POST /login", []string{"user=%zz", "user=a&user=b", "user=a%00", "user=%ff", "user=" + strings.Repeat("x", 256)}, 400},
		{"POST /cart", []string{"item=" + strings.Repeat("x", 64<<10)}, 413},
	} {
		for _, form := range c.forms {
			w := visit(site).do(c.what, form)
			if w.Code != c.status || len(w.Result().Cookies()) != 0 {
				t.Errorf("%s %.40q: got %d %q with cookies %v, want %d and none", c.what, form, w.Code, w.Body, w.Result().Cookies(), c.status)
			}
		}
	}
	// What stands in a URL is not what a POST says.
	visit(site).want(t, "POST /cart?item=tea", "", 400, "Form field item: not a valid value")
	if w := visit(site).do("DELETE /cart", ""); w.Code != 405 {
		t.Errorf("DELETE /cart: got %d, want 405", w.Code)
	}
}

func TestInputInOtherForms(t *testing.T) {
	t.Parallel()
	site := newSite(t, coatcheck.Config{})
	v := visit(site)
	v.want(t, "GET /login?user=bob", "", 200, "Logged in")
	v.want(t, "GET /profile", "", 200, "User bob")
	v.want(t, "POST /login", "user=%C3%85sa", 200, "Logged in")
	v.want(t, "GET /profile", "", 200, "User Åsa")

	body := "--x\r\nContent-Disposition: form-data; name=\"item\"\r\n\r\ngreen tea\r\n--x--\r\n"
	r := httptest.NewRequest("POST", "/cart", strings.NewReader(body))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != `["green tea"]` {
		t.Errorf("multipart form: got %d %s", w.Code, w.Body)
	}
}

// A cart beyond what a value may hold is refused, and the cart stays.
func TestCartIsBounded(t *testing.T) {
	t.Parallel()
	v := visit(newSite(t, coatcheck.Config{}))
	item := strings.Repeat("x", 100)
	n := 0
	for v.do("POST /cart", "item="+item).Code == http.StatusOK {
		if n++; n > 1000 {
			t.Fatal("the cart has no bound")
		}
	}
	v.want(t, "POST /cart", "item="+item, 413, "Too much to keep. Nothing was changed.")
	want := `["` + strings.Repeat(item+`","`, n-1) + item + `"]`
	if got := v.do("GET /cart", "").Body.String(); got != want {
		t.Errorf("the cart has %d bytes after it was full, want %d", len(got), len(want))
	}
}

// Text from visitors is never a page.
func TestAnswersAreNoPages(t *testing.T) {
	t.Parallel()
	v := visit(newSite(t, coatcheck.Config{}))
	v.do("POST /login", "user=<script>alert(1)</script>")
	v.do("POST /cart", "item=<script>")
	v.SetCookie("username", "<script>")
	for _, what := range []string{"GET /profile", "GET /cart", "GET /get-cookie", "GET /sessions", "POST /one-time", "GET /healthz"} {
		h := v.do(what, "").Header()
		if h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control is %q, want no-store", what, h.Get("Cache-Control"))
		}
		if kind := h.Get("Content-Type"); strings.Contains(kind, "html") || kind == "" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got %q, %q; want text or JSON, and nosniff", what, kind, h.Get("X-Content-Type-Options"))
		}
	}
}

// A link from another site, which brings no Strict cookie, neither logs out nor
// starts the count of visits again, and the visitor can go on (G7).
func TestFromAnotherSite(t *testing.T) {
	t.Parallel()
	v := visit(newSite(t, coatcheck.Config{}))
	v.want(t, "POST /login", "", 200, "Logged in")
	v.want(t, "GET /visitor", "", 200, "Welcome, new visitor")

	link := v.clone()
	link.SetCookie(sid, "")
	link.headers = map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	w := link.do("GET /profile", "")
	if w.Code != 409 || !strings.Contains(w.Body.String(), `<a href="/profile">`) || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("GET /profile: got %d %v %s, want 409 and a link to it", w.Code, w.Header(), w.Body)
	}
	link.want(t, "GET /visitor", "", 200, "Welcome back, visit 2")
	if w := link.do("GET /logout", ""); w.Code != 409 {
		t.Errorf("GET /logout: got %d, want 409", w.Code)
	}
	link.want(t, "POST /logout", "", 403, "Forbidden")
	v.want(t, "GET /profile", "", 200, "User 123")
}

// What a damaged or foreign cookie says is nothing.
func TestForgedCookiesCountAsAbsent(t *testing.T) {
	t.Parallel()
	site := newSite(t, coatcheck.Config{})
	for _, value := range []string{"", "x", "dark", "AAAAAAAA", strings.Repeat("A", 5000), strings.Repeat("A", 52)} {
		v := visit(site)
		for _, name := range []string{sid, "__Host-Http-theme", "__Host-Http-visitor", "__Host-Http-token"} {
			v.SetCookie(name, value)
		}
		v.want(t, "GET /preferences", "", 200, "Theme: default")
		v.want(t, "GET /token", "", 401, "Token missing or expired")
		v.want(t, "GET /profile", "", 401, "Not logged in")
		v.want(t, "GET /visitor", "", 200, "Welcome, new visitor")
	}
}

// Nobody asked for a HEAD or a prefetch: it is no visit.
func TestVisitorCountsVisits(t *testing.T) {
	t.Parallel()
	v := visit(newSite(t, coatcheck.Config{}))
	ahead := v.clone()
	ahead.headers = map[string]string{"Sec-Purpose": "prefetch;prerender"}
	v.want(t, "HEAD /visitor", "", 200, "")
	ahead.want(t, "GET /visitor", "", 503, "Not before the visit itself")
	if len(v.Cookies()) != 0 || len(ahead.Cookies()) != 0 {
		t.Fatalf("cookies before the first visit: %v, %v", v.Cookies(), ahead.Cookies())
	}
	v.want(t, "GET /visitor", "", 200, "Welcome, new visitor")
	v.want(t, "HEAD /visitor", "", 200, "")
	v.want(t, "GET /visitor", "", 200, "Welcome back, visit 2")
}
