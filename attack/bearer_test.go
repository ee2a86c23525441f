package attack_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// A service has the same users for browsers and for native clients.
type service struct {
	store    *memstore.Store
	web, api *coatcheck.Manager
	http.Handler
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{store: memstore.New(memstore.Config{})}
	var err error
	if s.web, err = coatcheck.New(s.store, newKeys(t, secret), coatcheck.Config{}); err != nil {
		t.Fatal(err)
	}
	if s.api, err = coatcheck.NewBearer(s.store, newKeys(t, secret), coatcheck.Config{}); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for path, m := range map[string]*coatcheck.Manager{"/web": s.web, "/api": s.api} {
		mux.Handle(path, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := m.From(r.Context())
			switch r.URL.Query().Get("do") {
			case "login":
				s.Login("alice")
			case "logout":
				s.Logout()
			case "pay":
				note.Set(s, "paid")
			}
			fmt.Fprintf(w, "user=%s", s.User())
		})))
	}
	s.Handler = mux
	return s
}

// tokens logs in on both ways.
func (s *service) tokens(t *testing.T) (cookie, bearer string) {
	t.Helper()
	j := coatchecktest.NewScript(s)
	j.Send("POST", "/web?do=login")
	w := coatchecktest.NewScript(s).Send("POST", "/api?do=login")
	cookie, bearer = j.Cookies()[sid], w.Header().Get(coatcheck.TokenHeader)
	if len(cookie) != 52 || len(bearer) != 52 || len(w.Header()["Set-Cookie"]) != 0 {
		t.Fatal("no tokens")
	}
	return cookie, bearer
}

// A token counts in the one place that it is for: that of a cookie, which scripts
// cannot read, is no bearer token, a bearer token is no cookie, and neither is
// taken from a URL, a form or another header or scheme.
func TestTokenElsewhere_RFC6750_5_3(t *testing.T) {
	s := newService(t)
	cookie, bearer := s.tokens(t)
	send := func(path string, edit func(*http.Request)) string {
		r := httptest.NewRequest("GET", path, nil)
		edit(r)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Header().Get("Set-Cookie") != "" || w.Header().Get(coatcheck.TokenHeader) != "" {
			t.Errorf("%s: a read is answered with a token", path)
		}
		return w.Body.String()
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	if got := send("/web", header("Cookie", sid+"="+cookie)); got != "user=alice" {
		t.Fatalf("the cookie: %q", got)
	}
	if got := send("/api", header("Authorization", "Bearer "+bearer)); got != "user=alice" {
		t.Fatalf("the bearer token: %q", got)
	}
	for what, got := range map[string]string{
		"a cookie's token as a bearer token": send("/api", header("Authorization", "Bearer "+cookie)),
		"a bearer token as a cookie":         send("/web", header("Cookie", sid+"="+bearer)),
		"a bearer token where cookies count": send("/web", header("Authorization", "Bearer "+bearer)),
		"a cookie where bearer tokens count": send("/api", header("Cookie", sid+"="+cookie)),
		"in a cookie named Authorization":    send("/api", header("Cookie", "Authorization="+bearer+"; Bearer="+bearer)),
		"in the URL":                         send("/api?access_token="+bearer, func(*http.Request) {}),
		"as a password":                      send("/api", header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("a:"+bearer)))),
		"in another scheme":                  send("/api", header("Authorization", "Basic "+bearer)),
		"in the answer's header":             send("/api", header(coatcheck.TokenHeader, bearer)),
		"in a proxy's header":                send("/api", header("Proxy-Authorization", "Bearer "+bearer)),
		"twice": send("/api", func(r *http.Request) {
			r.Header["Authorization"] = []string{"Bearer " + bearer, "Bearer " + bearer}
		}),
		"in a form": send("/api", func(r *http.Request) {
			form := httptest.NewRequest("POST", "/api", strings.NewReader(url.Values{"access_token": {bearer}}.Encode()))
			form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			*r = *form
		}),
	} {
		if got != "user=" {
			t.Errorf("%s: %q", what, got)
		}
	}
	// With both each manager has its own, and neither the other's.
	both := func(r *http.Request) {
		r.Header.Set("Cookie", sid+"="+cookie)
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	coatchecktest.NewScript(s).Serve(func() *http.Request {
		r := httptest.NewRequest("POST", "/api?do=logout", nil)
		both(r)
		return r
	}())
	if web, api := send("/web", both), send("/api", both); web != "user=alice" || api != "user=" {
		t.Errorf("after a logout of the bearer token: %q with the cookie, %q with the token", web, api)
	}
}

// Another site causes no request that acts: a browser adds no bearer token by
// itself, the victim's cookies count for nothing, and without a token a request
// from elsewhere with effects is refused, login included.
func TestBearerCSRF_RFC6750_5_3(t *testing.T) {
	s := newService(t)
	cookie, bearer := s.tokens(t)
	rows := func() int64 {
		stats, err := s.store.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return stats.Sessions
	}
	before := rows()
	for _, from := range [][]string{
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.example.com"},
		{"Origin", "https://evil.example"},
		{"Sec-Fetch-Site", "same-origin", "Referer", "https://evil.example/"},
	} {
		for _, do := range []string{"login", "logout", "pay"} {
			victim := coatchecktest.NewScript(s)
			victim.SetCookie(sid, cookie) // SameSite=None would send it
			for _, authorization := range []string{"", "Basic YTpi", "Bearer", "Bearer none"} {
				headers := from
				if authorization != "" {
					headers = append([]string{"Authorization", authorization}, from...)
				}
				w := victim.Send("POST", "/api?do="+do, headers...)
				if w.Code != http.StatusForbidden || w.Header().Get(coatcheck.TokenHeader) != "" || w.Header().Get("Set-Cookie") != "" {
					t.Errorf("%s from %v with %q: got %d", do, from, authorization, w.Code)
				}
			}
		}
		// A script that has the token, and leave by CORS to send it, is the client.
		if w := coatchecktest.NewScript(s).Send("POST", "/api?do=pay", append([]string{"Authorization", "Bearer " + bearer}, from...)...); w.Code != 200 || w.Body.String() != "user=alice" {
			t.Errorf("with the token from %v: got %d %q", from, w.Code, w.Body)
		}
	}
	if after := rows(); after != before {
		t.Errorf("%d sessions before, %d after", before, after)
	}
	j := coatchecktest.NewScript(s)
	j.SetCookie(sid, cookie)
	if w := j.Send("GET", "/web"); w.Body.String() != "user=alice" {
		t.Errorf("the victim's own session: %q", w.Body)
	}
}
