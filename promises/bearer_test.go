package promises_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A client keeps the token that answers bring, as a native application does.
type client struct {
	h     http.Handler
	mu    sync.Mutex
	token string
}

func (c *client) request(method, url string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, url, nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func (c *client) do(method, url string, headers ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, c.request(method, url, headers...))
	c.mu.Lock()
	defer c.mu.Unlock()
	if tokens := w.Result().Header[coatcheck.TokenHeader]; len(tokens) > 0 {
		c.token = tokens[0]
	}
	return w
}

func bearer(t testing.TB, st store.Store, cfg coatcheck.Config) *coatcheck.Manager {
	t.Helper()
	m, err := coatcheck.NewBearer(st, keys(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// bearerApp has the routes that the tests below need.
func bearerApp(m *coatcheck.Manager) http.Handler {
	mux := http.NewServeMux()
	at := func(path string, f route) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { f(w, r, m.From(r.Context())) })
	}
	at("/login", func(_ http.ResponseWriter, r *http.Request, s *coatcheck.Session) { s.Login(r.FormValue("user")) })
	at("/logout", func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Logout() })
	at("/renew", func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Renew() })
	at("/again", func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Reauthenticate() })
	at("/user", func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { fmt.Fprint(w, "user "+s.User()) })
	at("/hit", func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		fmt.Fprint(w, hits.Update(s, func(n int) int { return n + 1 }))
	})
	at("/still", func(http.ResponseWriter, *http.Request, *coatcheck.Session) {})
	mux.Handle("/private", m.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "private") })))
	return m.Handler(mux)
}

// NewBearer: the token comes in Authorization and goes out in TokenHeader, new
// after each change of identity (G3); there is no cookie, and caches know (G12).
func TestBearer(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	m := bearer(t, st, coatcheck.Config{})
	c := &client{h: bearerApp(m)}
	seen := map[string]bool{}
	for _, path := range []string{"/login?user=alice", "/renew", "/again", "/login?user=alice"} {
		w := c.do("POST", path)
		bare(t, w)
		if wants(t, w, 200, ""); len(c.token) != 52 || seen[c.token] {
			t.Fatalf("%s: no new token of 52 characters", path)
		}
		if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Authorization" {
			t.Errorf("%s: Cache-Control %q, Vary %q", path, h.Get("Cache-Control"), h.Get("Vary"))
		}
		seen[c.token] = true
	}
	for token := range seen {
		want := "user "
		if token == c.token {
			want = "user alice"
		}
		wants(t, (&client{h: c.h, token: token}).do("GET", "/user"), 200, want)
	}
	for i := range 3 {
		w := c.do("POST", "/hit")
		wants(t, w, 200, fmt.Sprint(i+1))
		if len(w.Header()[coatcheck.TokenHeader]) != 0 {
			t.Error("a value brings a new token")
		}
	}
	w := c.do("GET", "/user")
	if h := w.Header(); h.Get("Vary") != "Authorization" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("a read: Cache-Control %q, Vary %q", h.Get("Cache-Control"), h.Get("Vary"))
	}
	if w := c.do("GET", "/still"); len(w.Header()) != 0 {
		t.Errorf("a route that does not look has the headers %v", w.Header())
	}
	list, err := m.Sessions(t.Context(), "alice")
	if err != nil || len(list) != 1 {
		t.Errorf("listed: %v, %v", list, err)
	}
}

// G2: an end is final, and the client is told to forget its token.
func TestBearerLogout(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	c := &client{h: bearerApp(bearer(t, st, coatcheck.Config{}))}
	c.do("POST", "/login?user=alice")
	stolen := &client{h: c.h, token: c.token}
	w := c.do("POST", "/logout")
	bare(t, w)
	if wants(t, w, 200, ""); c.token != "none" || w.Header().Get("Clear-Site-Data") != "" {
		t.Errorf("after a logout the headers are %v", w.Header())
	}
	wants(t, stolen.do("GET", "/user"), 200, "user ")
	wants(t, stolen.do("POST", "/hit"), 409, "")
	if stolen.token == "none" {
		t.Error("a write that came too late clears a token, which may be a newer one") // G2
	}
	if records, err := st.User(t.Context(), "alice"); err != nil || len(records) != 0 {
		t.Errorf("the store has %d sessions, %v", len(records), err)
	}
	// Whoever sends "none" has no token: that is no forgery.
	wants(t, c.do("POST", "/hit"), 200, "1")
	if len(c.token) != 52 {
		t.Error("the first value brings no token")
	}
	if w := (&client{h: c.h}).do("POST", "/logout"); len(w.Header()[coatcheck.TokenHeader]) != 0 {
		t.Error("a logout without a session tells to forget a token")
	}
}

// G2: a request older than 50 s neither gives a token nor takes one.
func TestBearerLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := bearer(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		c := &client{h: bearerApp(m)}
		c.do("POST", "/login?user=alice")
		slow := func(f func(*coatcheck.Session)) *client {
			return &client{token: c.token, h: only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
				s.User()
				time.Sleep(51 * time.Second)
				f(s)
			})}
		}
		for name, f := range map[string]func(*coatcheck.Session){
			"login": func(s *coatcheck.Session) { s.Login("alice") }, "renew": (*coatcheck.Session).Renew,
		} {
			if w := slow(f).do("POST", "/"); w.Code != 409 || len(w.Header()[coatcheck.TokenHeader]) != 0 {
				t.Errorf("%s: got %d, %v", name, w.Code, w.Header())
			}
		}
		if w := slow((*coatcheck.Session).Logout).do("POST", "/"); w.Code != 200 || len(w.Header()[coatcheck.TokenHeader]) != 0 {
			t.Errorf("logout: got %d, %v", w.Code, w.Header())
		}
		wants(t, c.do("GET", "/user"), 200, "user ")
	})
}

// RFC 9110 §15.5.2, RFC 6750 §3: 401 says what would help.
func TestBearerChallenge(t *testing.T) {
	t.Parallel()
	c := &client{h: bearerApp(bearer(t, memstore.New(memstore.Config{}), coatcheck.Config{}))}
	for token, want := range map[string]string{"": "Bearer", "none": "Bearer", "forged": `Bearer error="invalid_token"`} {
		c.token = token
		w := c.do("GET", "/private")
		if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || got != want || w.Header().Get("Vary") != "Authorization" {
			t.Errorf("token %q: got %d, %q, Vary %q, want 401, %q", token, w.Code, got, w.Header().Get("Vary"), want)
		}
	}
	c.do("POST", "/login?user=alice")
	if w := c.do("GET", "/private"); w.Code != 200 || w.Body.String() != "private" || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("logged in: got %d %q", w.Code, w.Body)
	}
	cookies := newBrowser(bearerlessApp(t))
	if w := cookies.Send("GET", "/private"); w.Code != 401 || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("with cookies: got %d, %v", w.Code, w.Header())
	}
}

func bearerlessApp(t *testing.T) http.Handler {
	return bearerApp(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}))
}

// T6: which Authorization header is ours: one line, of this scheme in any case. G8:
// the others cost no store call.
func TestBearerHeader(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	st := &trap{Store: memstore.New(memstore.Config{})}
	h := bearerApp(bearer(t, st, coatcheck.Config{Events: l.Record}))
	c := &client{h: h}
	c.do("POST", "/login?user=alice")
	good := c.token
	for _, tt := range []struct {
		lines   []string
		in      bool
		refused string
	}{
		{[]string{"Bearer " + good}, true, ""},
		{[]string{"bearer " + good}, true, ""},
		{[]string{"BEARER   " + good + " "}, true, ""},
		{[]string{good}, false, ""},
		{[]string{"Bearer"}, false, ""},
		{[]string{"Bearer "}, false, ""},
		{[]string{"Bearer none"}, false, ""},
		{[]string{"Basic " + good}, false, ""},
		{[]string{"Token " + good}, false, ""},
		{[]string{"Bearer\t" + good}, false, ""},
		{[]string{"Bearer " + good + "A"}, false, "bearer token: malformed"},
		{[]string{"Bearer " + good + ", Bearer " + good}, false, "bearer token: malformed"},
		{[]string{`Bearer "` + good + `"`}, false, "bearer token: malformed"},
		{[]string{"Bearer " + strings.Repeat("A", 52)}, false, "bearer token: malformed"},
		{[]string{"Bearer " + strings.Repeat("A", 1<<20)}, false, "bearer token: malformed"},
		{[]string{"Bearer " + good, "Bearer " + good}, false, "bearer token: several Authorization headers"},
		{[]string{"Basic YTpi", "Bearer " + good}, false, "bearer token: several Authorization headers"},
	} {
		r := httptest.NewRequest("GET", "/user", nil)
		r.Header["Authorization"] = tt.lines
		l.Reset()
		calls := st.count("")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		want := "user "
		if tt.in {
			want += "alice"
		}
		refused := ""
		for _, e := range l.All() {
			if e.Kind == coatcheck.Refused {
				refused = e.Reason
			}
		}
		if !tt.in && st.count("") != calls {
			t.Errorf("%.40q: the store is called", tt.lines) // G8
		}
		if w.Body.String() != want || refused != tt.refused {
			t.Errorf("%.40q: got %q, refused %q; want %q, %q", tt.lines, w.Body, refused, want, tt.refused)
		}
	}
}

// G4, G8: a token that comes from elsewhere never leaves, and ours goes to no
// upstream.
func TestBearerGateway(t *testing.T) {
	t.Parallel()
	m := bearer(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	c := &client{h: m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["session-token"] = []string{"planted"}
		w.Header()[coatcheck.TokenHeader] = []string{"planted"}
		if r.URL.Path == "/login" {
			m.From(r.Context()).Login("alice")
		}
	}))}
	for _, path := range []string{"/", "/login", "/"} {
		w := c.do("POST", path)
		for name, values := range w.Header() {
			if strings.EqualFold(name, coatcheck.TokenHeader) && (path != "/login" || len(values) != 1 || len(values[0]) != 52) {
				t.Errorf("%s: %s: %q leaves", path, name, values)
			}
		}
	}
	if len(c.token) != 52 {
		t.Fatal("no token after the login")
	}
	out := c.request("GET", "/", "Authorization", "Basic YTpi", "Cookie", "a=b")
	m.StripCookies(out)
	if got := fmt.Sprint(out.Header); got != "map[Authorization:[Basic YTpi] Cookie:[a=b]]" {
		t.Errorf("to the upstream go %d headers, or the token", len(out.Header))
	}
	out = c.request("GET", "/")
	if m.StripCookies(out); len(out.Header) != 0 {
		t.Error("to the upstream goes the token")
	}
}

// G5: an outage is 503 and never "not logged in", and a commit that fails gives no
// token.
func TestBearerOutage(t *testing.T) {
	t.Parallel()
	st := &trap{Store: memstore.New(memstore.Config{})}
	c := &client{h: bearerApp(bearer(t, st, coatcheck.Config{}))}
	c.do("POST", "/login?user=alice")
	token := c.token
	st.set(away(), nil)
	for _, path := range []string{"/user", "/hit", "/renew", "/login?user=alice", "/private"} {
		if w := c.do("POST", path); w.Code != 503 || len(w.Header()[coatcheck.TokenHeader]) != 0 || c.token != token {
			t.Errorf("%s: got %d, %d tokens", path, w.Code, len(w.Header()[coatcheck.TokenHeader]))
		}
	}
	st.set(nil, nil)
	wants(t, c.do("GET", "/user"), 200, "user alice")
}

// Beside a manager with cookies, on one store: each has its own session, and a list
// of devices has both.
func TestBearerBesideCookies(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	web, api := manage(t, st, coatcheck.Config{}), bearer(t, st, coatcheck.Config{})
	both := web.Handler(api.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		switch r.URL.Path {
		case "/web":
			web.From(r.Context()).Login("alice")
		case "/api":
			api.From(r.Context()).Login("alice")
		case "/fails":
			api.From(r.Context()).Login("alice")
			api.From(r.Context()).Commit()
			web.From(r.Context()).Login("")
		}
		fmt.Fprintf(w, "%s, %s", web.From(r.Context()).User(), api.From(r.Context()).User())
	})))
	b, c := newBrowser(both), &client{h: both}
	wants(t, b.Send("POST", "/web"), 200, "alice, ")
	w := c.do("POST", "/api")
	wants(t, w, 200, ", alice")
	if vary := w.Header().Get("Vary"); vary != "Accept, Authorization, Cookie" {
		t.Errorf("Vary is %q", vary)
	}
	list, err := web.Sessions(t.Context(), "alice")
	if err != nil || len(list) != 2 {
		t.Errorf("listed: %v, %v", list, err)
	}
	// G5: what failed outside is no reason to lose the token of a login that is done.
	failed := &client{h: both}
	if w := failed.do("POST", "/fails"); w.Code != 500 || len(failed.token) != 52 {
		t.Errorf("got %d and a token of %d bytes, want 500 and the token", w.Code, len(failed.token))
	}
	if n, err := web.RevokeAll(t.Context(), "alice"); n != 3 || err != nil {
		t.Errorf("RevokeAll: %d, %v", n, err)
	}
	wants(t, c.do("GET", "/"), 200, ", ")
}

// G6: what cannot work is an error when it is declared, and names the field.
func TestBearerConfig(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	for field, cfg := range map[string]coatcheck.Config{
		"Config.Name":         {Name: "sid"},
		"Config.Cookie":       {Cookie: cookie.Policy{Path: "/api"}},
		"Config.MaxCookie":    {MaxCookie: 4096},
		"Config.Landing":      {Landing: func(*http.Request) bool { return true }},
		"Config.KeepSiteData": {KeepSiteData: true},
		"Config.Idle":         {Idle: -1},
	} {
		if _, err := coatcheck.NewBearer(st, keys(t), cfg); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if _, err := coatcheck.NewBearer(nil, keys(t), coatcheck.Config{}); err == nil {
		t.Error("no store is accepted")
	}
	for _, k := range []*cookie.Keys{nil, {}} {
		if _, err := coatcheck.NewBearer(st, k, coatcheck.Config{}); err == nil {
			t.Error("no keys are accepted")
		}
	}
	m := bearer(t, st, coatcheck.Config{})
	if d := m.Describe(); !strings.Contains(d, "Authorization: Bearer") || strings.Contains(d, "cookie") || !strings.Contains(d, "told to forget the token") {
		t.Errorf("described as\n%s", d)
	}
	if got := fmt.Sprint(m); got != "{sessions in Authorization}" {
		t.Errorf("prints as %s", got)
	}
}

// G13: a token that goes over plain HTTP is told of.
func TestBearerPlainHTTP(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	c := &client{h: bearerApp(bearer(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record}))}
	c.do("POST", "http://app.example/login?user=alice")
	found := false
	for _, e := range l.All() {
		found = found || e.Kind == coatcheck.Insecure && strings.HasPrefix(e.Reason, "a bearer token")
	}
	if !found {
		t.Errorf("events: %v", l.All())
	}
}
