package promises_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// posing are Set-Cookie lines that a browser takes for the session's or its
// marker's, and honest ones it does not.
var (
	posing = []string{
		sidName + "=planted", sidName + "=; Max-Age=0", " \t" + sidName + " \t= planted; Path=/", sidName + "=a=b; Domain=app.example",
		markName + "=1; Path=/x", "=" + sidName + "=planted", " = " + sidName + " =planted", "\r\n" + sidName + "=planted",
	}
	honest = []string{
		"theme=dark; Path=/", "x" + sidName + "=1", sidName + "x=1", sidName + "-laxer=1", "a=" + sidName + "=1", "a; " + sidName + "=1",
		strings.ToLower(sidName) + "=1", sidName, "", "=", "==" + sidName + "=1",
	}
)

// G4: A Set-Cookie of our name that is not ours never leaves, in whatever form a
// browser would accept and by whatever way the answer begins. Other lines are
// untouched.
func TestG4SetCookieFromElsewhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, func() *coatcheck.Session)
		ours   int // lines
	}{
		"returns":          {func(http.ResponseWriter, func() *coatcheck.Session) {}, 0},
		"writes":           {func(w http.ResponseWriter, _ func() *coatcheck.Session) { io.WriteString(w, "x") }, 0},
		"redirects":        {func(w http.ResponseWriter, _ func() *coatcheck.Session) { w.WriteHeader(302) }, 0},
		"flushes":          {func(w http.ResponseWriter, _ func() *coatcheck.Session) { w.(http.Flusher).Flush() }, 0},
		"reads":            {func(w http.ResponseWriter, s func() *coatcheck.Session) { s().User() }, 0},
		"logs in":          {func(w http.ResponseWriter, s func() *coatcheck.Session) { s().Login("bob") }, 2},
		"logs in, flushes": {func(w http.ResponseWriter, s func() *coatcheck.Session) { s().Login("bob"); w.(http.Flusher).Flush() }, 2},
		"commits, panics":  {func(w http.ResponseWriter, s func() *coatcheck.Session) { s().Login("bob"); s().Commit(); panic("x") }, 2},
		"panics":           {func(http.ResponseWriter, func() *coatcheck.Session) { panic("x") }, 0},
		"reads, panics":    {func(w http.ResponseWriter, s func() *coatcheck.Session) { s().User(); panic("x") }, 0},
	} {
		for _, key := range []string{"Set-Cookie", "set-cookie", "SET-COOKIE"} {
			var l coatchecktest.Events
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
			shared := append(slices.Clone(posing), honest...)
			h := outer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header()[key] = shared
				c.answer(w, func() *coatcheck.Session { return m.From(r.Context()) }) // not asking is a path of its own
			})))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			var got []string
			for k, lines := range w.Header() {
				if strings.EqualFold(k, "Set-Cookie") {
					got = append(got, lines...)
				}
			}
			for _, line := range posing {
				if slices.Contains(got, line) {
					t.Errorf("%s, %s: %q leaves", name, key, line)
				}
			}
			for _, line := range honest {
				if !slices.Contains(got, line) {
					t.Errorf("%s, %s: %q is gone", name, key, line)
				}
			}
			if len(got) != len(honest)+c.ours {
				t.Errorf("%s, %s: got %q, want %d lines of ours beside the others", name, key, got, c.ours)
			}
			if !slices.Equal(shared, append(slices.Clone(posing), honest...)) {
				t.Errorf("%s, %s: the handler's slice is now %q", name, key, shared)
			}
			if e := l.All(); !slices.ContainsFunc(e, func(e coatcheck.Event) bool {
				return e.Kind == coatcheck.Refused && e.Reason == "Set-Cookie of the session's name from elsewhere"
			}) {
				t.Errorf("%s, %s: no event tells of it: %+v", name, key, e)
			}
		}
	}
}

// outer answers for a handler that panics, with the headers that are there.
func outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// G4: the same where OnError answers with such a line.
func TestG4SetCookieOfOnError(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{false, true} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{OnError: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.Header()["Set-Cookie"] = slices.Clone(posing)
			if early {
				w.WriteHeader(http.StatusEarlyHints)
			}
			w.WriteHeader(http.StatusTeapot)
		}})
		w := httptest.NewRecorder()
		m.Handler(m.RequireLogin(http.NotFoundHandler())).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		status := map[bool]int{false: http.StatusTeapot, true: http.StatusEarlyHints}[early] // the recorder keeps the first
		if w.Code != status || len(w.Header()["Set-Cookie"]) > 0 {
			t.Errorf("early hints %t: got %d and %q", early, w.Code, w.Header()["Set-Cookie"])
		}
	}
}

// G4, G8: through a gateway on real connections: the token does not go upstream,
// and what the upstream sets of our name reaches no browser, not with 103, not
// with a websocket's 101. Its other cookies and headers do.
func TestG4Gateway(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", sidName+"=planted; Path=/; Secure")
		w.Header().Add("Set-Cookie", "theme=dark")
		w.Header().Set("X-Cookie", strings.Join(r.Header["Cookie"], "|"))
		if r.URL.Path == "/websocket" {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
			w.WriteHeader(http.StatusSwitchingProtocols)
			return
		}
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, r.Header.Get("X-User"))
	}))
	defer upstream.Close()
	to, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		m.StripCookies(r.Out)
		r.Out.Header.Set("X-User", m.From(r.In.Context()).User())
	}}
	gateway := httptest.NewServer(m.Handler(m.RequireLogin(proxy)))
	defer gateway.Close()

	b := begin(t, m, life(m))
	for _, path := range []string{"/page", "/websocket"} {
		r := outgoing(t, b, "GET", gateway.URL+path)
		r.Header.Set("Cookie", "a=1; "+sidName+"="+b.Cookies()[sidName]+"; "+markName+"=1; b=2")
		if path == "/websocket" {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
		}
		var early []string
		r = r.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
			early = append(early, h["Set-Cookie"]...)
			return nil
		}}))
		res, err := gateway.Client().Transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Header["Set-Cookie"]; !slices.Equal(got, []string{"theme=dark"}) {
			t.Errorf("%s: the browser gets %q", path, got)
		}
		if path == "/page" {
			if user, err := io.ReadAll(res.Body); string(user) != "alice" || err != nil {
				t.Errorf("the upstream knows %q, %v", user, err)
			}
			if len(early) == 0 || slices.ContainsFunc(early, func(line string) bool { return line != "theme=dark" }) {
				t.Errorf("early hints bring %q, want theme=dark alone", early)
			}
		}
		res.Body.Close()
		if got := res.Header.Get("X-Cookie"); got != "a=1; b=2" {
			t.Errorf("%s: the upstream gets the cookies %q", path, got)
		}
	}
}

// G8: nothing of a token is in what StripCookies leaves, and other cookies stay.
func TestStripCookies(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	for _, c := range []struct{ lines, want []string }{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{sidName + "=token"}, nil},
		{[]string{markName + "=1; " + sidName + "=token"}, nil},
		{[]string{"a=1; " + sidName + "=token; b=2"}, []string{"a=1; b=2"}},
		{[]string{"a=1;" + sidName + "=token;b= x y "}, []string{"a=1; b= x y"}},
		{[]string{sidName + "=token", "a=1", sidName + "=token"}, []string{"a=1"}},
		{[]string{"a=1, " + sidName + "=token; b=2"}, []string{"a=1; b=2"}},
		{[]string{sidName + "=token, a=1"}, []string{"a=1"}},
		{[]string{sidName + ` = "token"; =` + sidName + "=token; \t" + sidName + "\t=token"}, nil},
		{[]string{`a="x,y"; b=1,2; ` + sidName + "x=1; x" + sidName + "=1; " + sidName}, []string{`a="x,y"; b=1,2; ` + sidName + "x=1; x" + sidName + "=1; " + sidName}},
	} {
		in := httptest.NewRequest("GET", "/", nil)
		if c.lines != nil {
			in.Header["Cookie"] = slices.Clone(c.lines)
		}
		out := in.Clone(t.Context())
		out.Header["cookie"] = out.Header["Cookie"]
		m.StripCookies(out)
		for _, key := range []string{"Cookie", "cookie"} {
			if got := out.Header[key]; !slices.Equal(got, c.want) {
				t.Errorf("%s of %q: got %q, want %q", key, c.lines, got, c.want)
			}
		}
		if !slices.Equal(in.Header["Cookie"], c.lines) {
			t.Errorf("the incoming request's cookies are now %q, were %q", in.Header["Cookie"], c.lines)
		}
	}
	m.StripCookies(&http.Request{}) // no headers at all
}
