package promises_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// G7: *held back* = no session cookie and `Sec-Fetch-Site: cross-site`; with the
// marker `none` as well. On a held-back request only `Login` may set a session cookie; any other first
// write, and `Logout` where the marker is there, is `ErrHeldBack`: nothing
// stored, ended or cleared, 409; for a GET navigation the default answer is a
// small page with a link to the same URL. A cross-site top-level GET without
// marker may start a session.
func TestG7HeldBack(t *testing.T) {
	t.Parallel()
	partner := http.NewCrossOriginProtection() // lets the POST in
	if err := partner.AddTrustedOrigin("https://partner.example"); err != nil {
		t.Fatal(err)
	}
	const pass, refuse = 200, 409
	for _, c := range []struct {
		act    string
		change func(*coatcheck.Session)
		// with the marker: GET navigation, other GET, POST; then without
		marked, first [3]int
	}{
		{"read", func(s *coatcheck.Session) { s.User(); hits.Get(s) }, [3]int{pass, pass, pass}, [3]int{pass, pass, pass}},
		{"Set", func(s *coatcheck.Session) { hits.Set(s, 1) }, [3]int{refuse, refuse, refuse}, [3]int{pass, refuse, refuse}},
		{"Update", func(s *coatcheck.Session) { hits.Update(s, increase) }, [3]int{refuse, refuse, refuse}, [3]int{pass, refuse, refuse}},
		{"Flash", func(s *coatcheck.Session) { s.Flash("x") }, [3]int{refuse, refuse, refuse}, [3]int{pass, refuse, refuse}},
		{"Pop of nothing", func(s *coatcheck.Session) { hits.Pop(s) }, [3]int{pass, pass, pass}, [3]int{pass, pass, pass}},
		{"Reauthenticate", (*coatcheck.Session).Reauthenticate, [3]int{refuse, refuse, refuse}, [3]int{}}, // see below
		{"Renew", (*coatcheck.Session).Renew, [3]int{refuse, refuse, refuse}, [3]int{pass, pass, pass}},
		{"Remember", func(s *coatcheck.Session) { s.Remember(time.Hour) }, [3]int{refuse, refuse, refuse}, [3]int{pass, pass, pass}},
		{"Remember and Login", func(s *coatcheck.Session) { s.Remember(time.Hour); s.Login("alice") }, [3]int{pass, pass, pass}, [3]int{pass, pass, pass}},
		{"Clear", (*coatcheck.Session).Clear, [3]int{refuse, refuse, refuse}, [3]int{pass, pass, pass}},
		{"Delete", func(s *coatcheck.Session) { hits.Delete(s) }, [3]int{refuse, refuse, refuse}, [3]int{pass, pass, pass}},
		{"Login", func(s *coatcheck.Session) { s.Login("alice") }, [3]int{pass, pass, pass}, [3]int{pass, pass, pass}},
		{"Set and Login", func(s *coatcheck.Session) { hits.Set(s, 1); s.Login("alice"); s.Commit(); s.Renew() }, [3]int{pass, pass, pass}, [3]int{pass, pass, pass}},
		{"Logout", (*coatcheck.Session).Logout, [3]int{refuse, refuse, refuse}, [3]int{pass, pass, pass}},
		{"Logout and Set", func(s *coatcheck.Session) { s.Logout(); hits.Set(s, 1) }, [3]int{refuse, refuse, refuse}, [3]int{pass, refuse, refuse}},
	} {
		for i, r := range []struct {
			method  string
			headers []string
		}{
			{"GET", from("cross-site", navigation)},
			{"GET", from("cross-site", fetching)},
			{"POST", from("cross-site", navigation, "Origin", "https://partner.example")},
			{"GET", from("cross-site", frame)},
			{"GET", from("cross-site", image)},
			{"GET", from("none", navigation)},
			{"GET", from("none", fetching)},
		} {
			for marked, want := range map[bool]int{true: c.marked[min(i, 2)], false: c.first[min(i, 2)]} {
				switch {
				case !marked && c.first[0] == 0:
					continue
				case i > 4: // from no site: without the marker it is a first visit
					want = map[bool]int{true: c.marked[i-5], false: pass}[marked]
				case i > 2: // other GETs
					want = map[bool]int{true: c.marked[1], false: c.first[1]}[marked]
				}
				var l coatchecktest.Events
				store := &trap{Store: memstore.New(memstore.Config{})}
				m := manage(t, store, coatcheck.Config{CrossOrigin: partner, Events: l.Record})
				var err error
				b := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
					c.change(s)
					err = s.Commit()
				}))
				if marked {
					b.SetCookie(markName, "1")
				}
				name := strings.Join(append([]string{c.act, r.method}, r.headers...), " ")
				w := b.Send(r.method, "https://app.example/page?a=b", r.headers...)
				if w.Code != want {
					t.Errorf("%s, marker %t: got %d, want %d", name, marked, w.Code, want)
				}
				if want == pass {
					continue
				}
				if !errors.Is(err, coatcheck.ErrHeldBack) || l.Count(coatcheck.HeldBack) != 1 {
					t.Errorf("%s, marker %t: got %v and the events %v, want ErrHeldBack, once", name, marked, err, l.Kinds())
				}
				if n := store.count(""); n != 0 || len(w.Header()["Set-Cookie"]) > 0 {
					t.Errorf("%s, marker %t: %d calls of the store and the cookies %q, want none", name, marked, n, w.Header()["Set-Cookie"])
				}
				page := strings.Contains(w.Body.String(), `<a href="/page?a=b">`)
				if page != (i == 0 || i == 5) || strings.Contains(w.Body.String(), "<script") {
					t.Errorf("%s, marker %t: got the body %q", name, marked, w.Body)
				}
				if w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%s, marker %t: got Cache-Control %q", name, marked, w.Header().Get("Cache-Control"))
				}
			}
		}
	}
}

// G7: held back = no session cookie and cross-site, or none and the marker. No
// Fetch Metadata = not held back. Without SameSite=Strict nothing is held back.
func TestG7NotHeldBack(t *testing.T) {
	t.Parallel()
	set := func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { hits.Set(s, 1) }
	for _, site := range []string{"", "same-origin", "same-site", "Cross-Site", "None"} {
		b := newBrowser(only(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}), set))
		b.SetCookie(markName, "1")
		if w := b.Send("GET", "/", from(site, navigation)...); w.Code != 200 || b.Cookies()[sidName] == "" {
			t.Errorf("Sec-Fetch-Site %q: got %d and %v, want a new session", site, w.Code, b.Cookies())
		}
	}

	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	b := begin(t, m, only(m, set))
	if w := b.Send("GET", "/", from("cross-site", fetching)...); w.Code != 200 {
		t.Errorf("with the session cookie: got %d, want 200", w.Code)
	}
	b.SetCookie(sidName, "not a token")
	for _, site := range []string{"same-origin", "same-site", ""} {
		c := b.Clone()
		if w := c.Send("GET", "/", from(site, navigation)...); w.Code != 200 || len(c.Cookies()[sidName]) != 52 {
			t.Errorf("with a refused session cookie, %q: got %d and %v, want a new session", site, w.Code, c.Cookies())
		}
	}
	b.SetCookie(markName, "")
	if w := b.Send("GET", "/", from("cross-site", navigation)...); w.Code != 200 || len(b.Cookies()[sidName]) != 52 {
		t.Errorf("with a refused session cookie and no marker: got %d and %v, want a new session", w.Code, b.Cookies())
	}

	first := newBrowser(only(m, set))
	if w := first.Send("GET", "/", from("none", navigation)...); w.Code != 200 || len(first.Cookies()) != 2 {
		t.Errorf("typed, without a marker: got %d and %v, want a new session", w.Code, first.Cookies())
	}

	lax := newBrowser(only(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteLaxMode}}), set))
	lax.SetCookie(markName, "1") // left from when it was Strict
	if w := lax.Send("GET", "/", from("none", navigation)...); w.Code != 200 {
		t.Errorf("SameSite=Lax, typed: got %d, want a session", w.Code)
	}
	lax = newBrowser(lax.Handler)
	if w := lax.Send("GET", "/", from("cross-site", navigation)...); w.Code != 200 || len(lax.Cookies()) != 1 {
		t.Errorf("SameSite=Lax: got %d and %v, want a session without marker", w.Code, lax.Cookies())
	}
}

// G7: a SameSite=Lax marker tells a first visit from a held-back one: a marker
// in whatever shape is no first visit.
func TestG7OddMarker(t *testing.T) {
	t.Parallel()
	h := only(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}),
		func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { hits.Set(s, 1) })
	for _, header := range []string{markName + "=", markName + `="1"`, markName + "=1; " + markName + "=2", markName + "=" + strings.Repeat("1", 5000)} {
		r := newBrowser(h).Request("GET", "/", from("cross-site", navigation)...)
		r.Header.Set("Cookie", header)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != 409 {
			t.Errorf("%.60s: got %d, want 409", header, w.Code)
		}
	}
}

// G7: A SameSite=Lax marker, always set and cleared together with the session
// cookie.
func TestG7MarkerGoesWithTheCookie(t *testing.T) {
	t.Parallel()
	b := newBrowser(life(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})))
	for _, step := range []struct {
		path string
		both int
	}{
		{"/look", 0}, {"/set", 2}, {"/set", 0}, {"/count", 0}, {"/login", 2}, {"/count", 0}, {"/renew", 2}, {"/again", 2}, {"/remember", 2}, {"/logout", 2}, {"/logout", 0},
	} {
		w := b.Send("POST", step.path)
		var names []string
		for _, c := range w.Result().Cookies() {
			names = append(names, c.Name)
		}
		want := []string{sidName, markName}
		if step.path == "/logout" {
			want = []string{markName, sidName}
		}
		if !slices.Equal(names, want[:step.both]) {
			t.Errorf("%s sets %q, want %q", step.path, names, want[:step.both])
		}
	}
	b.SetCookie(markName, "1") // the session cookie has been evicted
	if w := b.Send("POST", "/logout"); len(b.Cookies()) != 0 {
		t.Errorf("logout with the marker alone: got %q, want it cleared", w.Header()["Set-Cookie"])
	}
}

// G7: where nobody knows yet who this is, RequireLogin does not say that nobody
// is logged in.
func TestG7RequireLogin(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	h := m.Handler(m.RequireLogin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })))
	for marked, want := range map[bool]int{true: 409, false: 401} {
		for _, site := range []string{"cross-site", "none"} {
			b := newBrowser(h)
			if marked {
				b.SetCookie(markName, "1")
			}
			w := b.Send("GET", "/page", from(site, navigation)...)
			if page := strings.Contains(w.Body.String(), `<a href="/page">`); w.Code != want || page != marked {
				t.Errorf("%s, marker %t: got %d %q, want %d", site, marked, w.Code, w.Body, want)
			}
		}
	}
}

// landing is a browser that comes from another site to a manager whose pages
// below /in may be entered so. handled counts what reaches the handler.
func landing(t *testing.T, handled *int) (*browser, *trap) {
	t.Helper()
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{Landing: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/in") }})
	b := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		*handled++
		s.User()
	}))
	b.SetCookie(markName, "1")
	return b, store
}

// G7: a held-back top-level GET navigation with the marker is answered, before
// the handler, by a tiny page that leads on from our own origin.
func TestG7LandingPage(t *testing.T) {
	t.Parallel()
	handled := 0
	b, store := landing(t, &handled)
	w := b.Send("GET", "https://app.example/in?a=b&c=%20d", from("cross-site", navigation, "Referer", "https://other.example/")...)
	if w.Code != 200 || handled != 0 || store.count("") != 0 || len(w.Header()["Set-Cookie"]) > 0 {
		t.Errorf("got %d, the handler %d times, %d calls of the store, cookies %q; want the page alone", w.Code, handled, store.count(""), w.Header()["Set-Cookie"])
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if vary := w.Header().Get("Vary"); !strings.Contains(vary, "Cookie") || !strings.Contains(vary, "Sec-Fetch-Site") {
		t.Errorf("Vary is %q, want Cookie and Sec-Fetch-Site", vary)
	}
	body := w.Body.String()
	script := regexp.MustCompile(`<script>(.*?)</script>`).FindStringSubmatch(body)
	if script == nil || !strings.Contains(script[1], `location.replace(`) {
		t.Fatalf("got %q, want a script that leads on", body)
	}
	sum := sha256.Sum256([]byte(script[1]))
	csp := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'", "frame-ancestors 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("Content-Security-Policy is %q, want %s", csp, want)
		}
	}
	if !strings.Contains(body, `<noscript><meta http-equiv="refresh" content="0;url=/in?a=b&amp;c=%20d&amp;coatcheck-landing"></noscript>`) ||
		!strings.Contains(body, `<a href="/in?a=b&amp;c=%20d">`) {
		t.Errorf("got %q, want a refresh without scripts and a visible link", body)
	}
}

// G7: Landing nil = nowhere; only a held-back top-level GET navigation with the
// marker.
func TestG7LandingConditions(t *testing.T) {
	t.Parallel()
	const url = "https://app.example/in?a=b"
	for _, c := range []struct {
		name    string
		method  string
		url     string
		headers []string
		jar     map[string]string // instead of the marker alone
	}{
		{"another page", "GET", "https://app.example/out", from("cross-site", navigation), nil},
		{"HEAD", "HEAD", url, from("cross-site", navigation), nil},
		{"same-site", "GET", url, from("same-site", navigation), nil},
		{"same-origin", "GET", url, from("same-origin", navigation), nil},
		{"typed, without the marker", "GET", url, from("none", navigation), map[string]string{}},
		{"no Fetch Metadata", "GET", url, nil, nil},
		{"a frame", "GET", url, from("cross-site", frame), nil},
		{"a fetch", "GET", url, from("cross-site", fetching), nil},
		{"an image", "GET", url, from("cross-site", image), nil},
		{"prefetch", "GET", url, from("cross-site", navigation, "Sec-Purpose", "prefetch"), nil},
		{"no marker", "GET", url, from("cross-site", navigation), map[string]string{}},
		{"no marker, a foreign session cookie", "GET", url, from("cross-site", navigation), map[string]string{sidName: "x"}},
	} {
		handled := 0
		b, _ := landing(t, &handled)
		if c.jar != nil {
			wear(b, c.jar)
		}
		if b.Send(c.method, c.url, c.headers...); handled != 1 {
			t.Errorf("%s: the handler ran %d times, want once", c.name, handled)
		}
	}
	for name, headers := range map[string][]string{
		"typed":                   from("none", navigation),
		"a Referer":               from("cross-site", navigation, "Referer", "https://other.example/in?a=b"),
		"its own Referer":         from("cross-site", navigation, "Referer", url),
		"two markers in the jar":  from("cross-site", navigation, "Cookie", markName+"=1; "+markName+"=2"),
		"a rewritten Host's name": from("cross-site", navigation, "X-Forwarded-Host", "outer.example"),
	} {
		handled := 0
		b, _ := landing(t, &handled)
		if b.Send("GET", url, headers...); handled != 0 {
			t.Errorf("%s: the handler ran, want the page", name)
		}
	}
	b := newBrowser(only(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}), func(w http.ResponseWriter, _ *http.Request, _ *coatcheck.Session) {
		w.WriteHeader(http.StatusTeapot)
	}))
	b.SetCookie(markName, "1")
	if w := b.Send("GET", url, from("cross-site", navigation)...); w.Code != http.StatusTeapot {
		t.Errorf("without Landing: got %d, want the handler's answer", w.Code)
	}
}

// G7: No loop under any combination: what the page leads to is either answered
// by a redirect to the URL itself, or is held back again and then the handler's.
// Neither Host nor Referer counts.
func TestG7LandingLeadsOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, clean string }{
		{"https://app.example/in?coatcheck-landing", "/in"},
		{"https://app.example/in?a=b&coatcheck-landing", "/in?a=b"},
		{"https://app.example/in?a=b&&coatcheck-landing", "/in?a=b&"},
		{"https://app.example/in?coatcheck-landing&coatcheck-landing", "/in?coatcheck-landing"},
		{"https://app.example//evil.example/in?coatcheck-landing", "/evil.example/in"},
	} {
		for _, site := range []string{"same-origin", "same-site", "none", "cross-site"} {
			for _, jar := range []map[string]string{
				{}, {markName: "1"}, {markName: "1", sidName: "x"}, {sidName: "x"},
			} {
				handled := 0
				store := &trap{Store: memstore.New(memstore.Config{})}
				m := manage(t, store, coatcheck.Config{Landing: func(r *http.Request) bool { return !strings.HasSuffix(r.URL.RawQuery, "b&coatcheck-landing") }})
				b := newBrowser(only(m, func(http.ResponseWriter, *http.Request, *coatcheck.Session) { handled++ }))
				wear(b, jar)
				r := b.Request("GET", c.url, from(site, navigation, "Referer", "https://outer.example/in")...)
				r.Host = "inner:8080"
				w := b.Serve(r)
				withheld := jar[markName] != "" // as the Referer says, or the site: "x" is not what it tells of
				if withheld {
					if handled != 1 {
						t.Errorf("%s, %s, %v: got %d %q, want the handler", c.url, site, jar, w.Code, w.Body)
					}
					continue
				}
				if handled != 0 || w.Code != http.StatusSeeOther || w.Header().Get("Location") != c.clean || w.Header().Get("Cache-Control") != "no-store" ||
					len(w.Header()["Set-Cookie"]) > 0 || store.count("") != 0 {
					t.Errorf("%s, %s, %v: got %d to %q, want 303 to %q", c.url, site, jar, w.Code, w.Header().Get("Location"), c.clean)
				}
			}
		}
	}
	for name, r := range map[string]struct {
		method, url string
		headers     []string
	}{
		"POST":              {"POST", "/in?coatcheck-landing", from("same-origin", navigation)},
		"HEAD":              {"HEAD", "/in?coatcheck-landing", from("same-origin", navigation)},
		"a fetch":           {"GET", "/in?coatcheck-landing", from("same-origin", fetching)},
		"a page without":    {"GET", "/out?coatcheck-landing", from("same-origin", navigation)},
		"another parameter": {"GET", "/in?x=coatcheck-landing", from("same-origin", navigation)},
		"not at the end":    {"GET", "/in?coatcheck-landing&a=b", from("same-origin", navigation)},
	} {
		handled := 0
		b, _ := landing(t, &handled)
		if b.Send(r.method, r.url, r.headers...); handled != 1 {
			t.Errorf("%s: the handler ran %d times, want once", name, handled)
		}
	}
}

// G7: the page links to the same URL, also behind http.StripPrefix, and does
// not loop there.
func TestG7LandingBehindStripPrefix(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Landing: func(*http.Request) bool { return true }})
	b := newBrowser(http.StripPrefix("/app", m.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))))
	b.SetCookie(markName, "1")
	request := func(site, uri string) *http.Request {
		r := b.Request("GET", "https://app.example"+uri, from(site, navigation)...)
		r.RequestURI = uri // as a server gives it
		return r
	}
	if w := b.Serve(request("cross-site", "/app/in?a=b")); !strings.Contains(w.Body.String(), `<a href="/app/in?a=b">`) ||
		!strings.Contains(w.Body.String(), `url=/app/in?a=b&amp;coatcheck-landing"`) {
		t.Errorf("got %q, want a link to the URL that was asked for", w.Body)
	}
	if w := b.Serve(request("same-origin", "/app/in?a=b&coatcheck-landing")); w.Header().Get("Location") != "/app/in?a=b" {
		t.Errorf("then: got %d to %q", w.Code, w.Header().Get("Location"))
	}
	if w := b.Serve(request("cross-site", "/app/in?a=b&coatcheck-landing")); w.Code != http.StatusTeapot {
		t.Errorf("held back again: got %d, want the handler's answer", w.Code)
	}
}

// G7: the pages lead to the same URL of our own origin, whatever is in it.
func TestG7PageURLs(t *testing.T) {
	t.Parallel()
	base, _ := url.Parse("https://app.example/")
	link := regexp.MustCompile(`<a href="([^"]*)">`)
	refresh := regexp.MustCompile(`content="0;url=([^"]*)"`)
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Landing: func(*http.Request) bool { return true }})
	h := only(m, func(http.ResponseWriter, *http.Request, *coatcheck.Session) { t.Error("the handler ran") })
	for _, c := range []struct{ target, path, query string }{
		{"/", "/", ""},
		{"/in?a=b&c=d", "/in", "a=b&c=d"},
		{"/in?", "/in", ""},
		{"/%22%3E%3Cscript%3Ealert(1)%3C/script%3E", `/"><script>alert(1)</script>`, ""},
		{`/in?q="><script>alert(1)</script>&x='y'`, "/in", `q="><script>alert(1)</script>&x='y'`},
		{"//evil.example/x", "/evil.example/x", ""},
		{"///evil.example", "/evil.example", ""},
		{`/\evil.example`, `/\evil.example`, ""},
		{"/%2F/evil.example", "///evil.example", ""},
		{"/%5Cevil.example", `/\evil.example`, ""},
		{"/%09/evil.example", "/\t/evil.example", ""},
		{"http://evil.example/x?y=1", "/x", "y=1"},
		{"/a%23b?c=%23d", "/a#b", "c=#d"},
		{"/caf%C3%A9?x=%E2%82%AC", "/café", "x=€"},
		{"/a%2Fb;c=1", "/a/b;c=1", ""},
		{"/in?next=https://evil.example/;url=//evil.example", "/in", "next=https://evil.example/;url=//evil.example"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		parsed, err := url.ParseRequestURI(c.target)
		if err != nil {
			t.Fatal(err)
		}
		r.URL, r.RequestURI, r.Host = parsed, c.target, "app.example"
		r.Header.Set("Cookie", markName+"=1")
		for i := 0; i < len(navigation); i += 2 {
			r.Header.Set(navigation[i], navigation[i+1])
		}
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		body := w.Body.String()
		if n := strings.Count(body, "<script"); n != 1 {
			t.Errorf("%s: %d scripts in %q, want 1", c.target, n, body)
		}
		for what, find := range map[string]*regexp.Regexp{"link": link, "refresh": refresh} {
			found := find.FindAllStringSubmatch(body, -1)
			if len(found) != 1 {
				t.Errorf("%s: %d of the %s in %q, want 1", c.target, len(found), what, body)
				continue
			}
			ref := html.UnescapeString(found[0][1])
			to, err := base.Parse(ref)
			if err != nil || to.Scheme != "https" || to.Host != "app.example" || to.Fragment != "" || strings.HasPrefix(ref, `/\`) {
				t.Errorf("%s: the %s leads to %q (%v), away from our origin", c.target, what, ref, err)
				continue
			}
			query, _ := url.PathUnescape(to.RawQuery)
			if what == "refresh" {
				ok := false
				if query, ok = strings.CutSuffix(query, "coatcheck-landing"); !ok {
					t.Errorf("%s: the refresh leads to query %q, which is not told apart", c.target, to.RawQuery)
				}
				query = strings.TrimSuffix(query, "&")
			}
			if to.Path != c.path || query != c.query {
				t.Errorf("%s: the %s leads to path %q query %q, want %q and %q", c.target, what, to.Path, query, c.path, c.query)
			}
		}
	}
}

// G7, where a service worker passes a navigation on: Chromium then sends it with
// the destination "empty", Firefox also with the mode "same-origin", and says
// that the site is the same. With the marker it is top-level all the same;
// without one it may be a frame's, and starts no session.
func TestG7ServiceWorker(t *testing.T) {
	t.Parallel()
	inChromium := from("cross-site", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "empty"})
	inFirefox := from("same-origin", []string{"Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "empty", "Accept", "text/html,*/*;q=0.8", "Referer", "https://evil.example/"})
	for _, worker := range [][]string{inChromium, inFirefox} {
		testG7ServiceWorker(t, worker)
	}
}

func testG7ServiceWorker(t *testing.T, worker []string) {
	handled := 0
	b, _ := landing(t, &handled)
	w := b.Send("GET", "https://app.example/in?a=b", worker...)
	if handled != 0 || !strings.Contains(w.Body.String(), "<script>") {
		t.Errorf("landing: the handler ran %d times, answer %q; want the page that leads on", handled, w.Body)
	}
	for _, marked := range []bool{true, false} {
		b := newBrowser(only(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}),
			func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { hits.Set(s, 1) }))
		if marked {
			b.SetCookie(markName, "1")
		}
		w := b.Send("GET", "https://app.example/page?a=b", worker...)
		if w.Code != 409 || len(w.Header()["Set-Cookie"]) > 0 || !strings.Contains(w.Body.String(), `<a href="/page?a=b">`) {
			t.Errorf("marker %t: got %d %q and %q, want 409 with a link and no cookie", marked, w.Code, w.Body, w.Header()["Set-Cookie"])
		}
	}

	// The session in the cookie is touched by such a navigation as by any other.
	synctest.Test(t, func(t *testing.T) {
		m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{})
		if err != nil {
			t.Fatal(err)
		}
		b := newBrowser(life(m))
		b.Send("POST", "/login")
		for range 4 {
			time.Sleep(20 * time.Minute)
			b.Send("GET", "/look", append(slices.Clone(worker), "Sec-Fetch-Site", "same-origin", "Referer", "https://example.com/")...)
		}
		if user, _ := stored(m, b); user != "alice" {
			t.Error("the session ended by idleness although its user was active")
		}
	})
}

// G7: where the browser withheld the cookie nobody knows who this is, so what
// needs a user is held back, and not told that nobody is logged in. Without the
// marker nobody is.
func TestG7WhatNeedsAUser(t *testing.T) {
	t.Parallel()
	for marked, want := range map[bool]error{true: coatcheck.ErrHeldBack, false: coatcheck.ErrLoginRequired} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		for name, needs := range map[string]func(*http.Request, *coatcheck.Session) error{
			"Reauthenticate": func(_ *http.Request, s *coatcheck.Session) error { s.Reauthenticate(); return s.Err() },
			"RevokeOthers":   func(r *http.Request, _ *coatcheck.Session) error { _, err := m.RevokeOthers(r.Context()); return err },
		} {
			b := newBrowser(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if err := needs(r, m.From(r.Context())); !errors.Is(err, want) {
					t.Errorf("%s, marker %t: got %v, want %v", name, marked, err, want)
				}
			})))
			if marked {
				b.SetCookie(markName, "1")
			}
			b.Send("GET", "/page", from("cross-site", navigation)...)
		}
	}
}
