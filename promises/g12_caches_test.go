package promises_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// looks are the ways to use a session, and what each means to a cache.
var looks = []struct {
	name   string
	looked bool // the answer depends on the cookie
	set    bool // and sets one
	act    func(context.Context, *coatcheck.Manager, *coatcheck.Session)
}{
	{"none", false, false, func(context.Context, *coatcheck.Manager, *coatcheck.Session) {}},
	{"From", false, false, func(ctx context.Context, _ *coatcheck.Manager, _ *coatcheck.Session) { coatcheck.From(ctx) }},
	{"Err", false, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.Err() }},
	{"Commit of nothing", false, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.Commit() }},
	{"User", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.User() }},
	{"AuthTime", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.AuthTime() }},
	{"Handle", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.Handle() }},
	{"Keys", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.Keys() }},
	{"Get", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { hits.Get(s) }},
	{"Get of nothing", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { note.Get(s) }},
	{"Update", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { hits.Update(s, increase) }},
	{"Set", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { hits.Set(s, 8) }},
	{"Pop of nothing", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { note.Pop(s) }},
	{"Flash", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.Flash("x") }},
	{"Flashes", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.Flashes() }},
	{"Touch", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.Touch() }},
	{"Ended", true, false, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.Ended() }},
	{"Sessions", true, false, func(ctx context.Context, m *coatcheck.Manager, _ *coatcheck.Session) { m.Sessions(ctx, "alice") }},
	{"Renew", true, true, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.Renew() }},
	{"Login", true, true, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.Login("bob") }},
	{"Logout", true, true, func(_ context.Context, _ *coatcheck.Manager, s *coatcheck.Session) { s.Logout() }},
}

// G12: `Vary: Cookie` as soon as the session is looked at, joined to what is
// there. Where a session cookie is set, `Cache-Control` becomes exactly
// `no-store` and shared-cache headers go; where the session was only read the
// same, unless the handler itself said `private`, `no-cache` or `no-store`
// without `public`/`s-maxage`.
func TestG12Headers(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	for _, look := range looks {
		for _, cc := range []struct {
			said []string
			kept bool // when the session is only read
		}{
			{nil, false},
			{[]string{"public, max-age=60"}, false},
			{[]string{"max-age=60"}, false},
			{[]string{"private"}, true},
			{[]string{"private, max-age=60"}, true},
			{[]string{"max-age=60", "Private"}, true},
			{[]string{"no-cache"}, true},
			{[]string{"no-store"}, true},
			{[]string{"NO-STORE, no-transform"}, true},
			{[]string{"private, s-maxage=60"}, false},
			{[]string{"no-store, public"}, false},
			{[]string{"no-store", "PUBLIC"}, false},
			{[]string{`private="Set-Cookie"`}, false},
			{[]string{`no-cache="Set-Cookie, private"`}, false},
			{[]string{"x-private, notprivate"}, false},
			{[]string{""}, false},
		} {
			b := begin(t, m, only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
				h := w.Header()
				if cc.said != nil {
					h["Cache-Control"] = cc.said
				}
				h.Set("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")
				h.Set("Pragma", "x")
				for _, name := range []string{"Surrogate-Control", "CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Edge-Control", "X-Accel-Expires"} {
					h.Set(name, "max-age=60")
				}
				look.act(r.Context(), m, s)
			}))
			h := b.Send("POST", "/").Header()
			name := fmt.Sprintf("%s, handler says %q", look.name, cc.said)
			vary, want := h["Vary"], cc.said
			if look.looked != slices.Equal(vary, []string{"Cookie"}) || !look.looked && vary != nil {
				t.Errorf("%s: Vary is %q", name, vary)
			}
			if look.set != (len(h["Set-Cookie"]) == 2) {
				t.Errorf("%s: Set-Cookie is %q", name, h["Set-Cookie"])
			}
			closed := look.set || look.looked && !cc.kept
			if closed {
				want = []string{"no-store"}
			}
			if !slices.Equal(h["Cache-Control"], want) {
				t.Errorf("%s: Cache-Control is %q, want %q", name, h["Cache-Control"], want)
			}
			for _, name := range []string{"Expires", "Pragma"} {
				if (h.Get(name) == "") != closed {
					t.Errorf("%s, handler says %q: %s is %q", look.name, cc.said, name, h.Get(name))
				}
			}
			// RFC 9213: these outrank Cache-Control, whatever it says.
			for _, name := range []string{"Surrogate-Control", "CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Edge-Control", "X-Accel-Expires"} {
				if (h.Get(name) == "") != look.looked {
					t.Errorf("%s, handler says %q: %s is %q", look.name, cc.said, name, h.Get(name))
				}
			}
		}
	}
}

// G12: where there is no session the same holds: an answer to nobody is not one
// for everybody.
func TestG12WithoutASession(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	for _, look := range looks {
		h := newBrowser(only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
			w.Header().Set("Cache-Control", "public")
			look.act(r.Context(), m, s)
		})).Send("POST", "/").Header()
		want := map[bool]string{true: "no-store", false: "public"}[look.looked]
		if h.Get("Cache-Control") != want || (h.Get("Vary") == "Cookie") != look.looked {
			t.Errorf("%s: got Cache-Control %q and Vary %q", look.name, h.Get("Cache-Control"), h.Get("Vary"))
		}
	}
}

// G12: `Vary: Cookie` joined to what is there.
func TestG12VaryIsJoined(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	for _, c := range []struct{ said, want []string }{
		{nil, []string{"Cookie"}},
		{[]string{"Accept-Encoding"}, []string{"Accept-Encoding, Cookie"}},
		{[]string{"Accept", "Accept-Language"}, []string{"Accept, Accept-Language, Cookie"}},
		{[]string{"cookie"}, []string{"cookie"}},
		{[]string{"Accept, COOKIE"}, []string{"Accept, COOKIE"}},
		{[]string{"Accept", "Cookie"}, []string{"Accept", "Cookie"}},
		{[]string{"*"}, []string{"*"}},
		{[]string{"Cookie-Consent"}, []string{"Cookie-Consent, Cookie"}},
	} {
		h := newBrowser(only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			if c.said != nil {
				w.Header()["Vary"] = c.said
			}
			s.User()
		})).Send("GET", "/").Header()
		if !slices.Equal(h["Vary"], c.want) {
			t.Errorf("%q: got %q, want %q", c.said, h["Vary"], c.want)
		}
	}
}

// G12: Also on 304, 206, HEAD, redirects; and on errors, replaced answers and
// after panics.
func TestG12EveryKindOfAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		method string
		header []string
		status int
		answer func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session)
	}{
		{"304", "GET", []string{"If-None-Match", `"e"`}, 304, serveFile},
		{"206", "GET", []string{"Range", "bytes=0-3"}, 206, serveFile},
		{"416", "GET", []string{"Range", "bytes=99-"}, 416, serveFile},
		{"HEAD", "HEAD", nil, 200, serveFile},
		{"redirect", "GET", nil, 302, func(w http.ResponseWriter, r *http.Request, _ *coatcheck.Session) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}},
		{"not found", "GET", nil, 404, func(w http.ResponseWriter, r *http.Request, _ *coatcheck.Session) { http.NotFound(w, r) }},
		{"error", "GET", nil, 500, func(w http.ResponseWriter, _ *http.Request, _ *coatcheck.Session) { http.Error(w, "oh", 500) }},
		{"no content", "POST", nil, 204, func(w http.ResponseWriter, _ *http.Request, _ *coatcheck.Session) { w.WriteHeader(204) }},
		{"nothing", "POST", nil, 200, func(http.ResponseWriter, *http.Request, *coatcheck.Session) {}},
		{"replaced", "POST", nil, 500, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Login("") }},
		{"replaced after a commit", "POST", nil, 500, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			s.Renew()
			s.Commit()
			s.Login("")
		}},
		{"panic", "POST", nil, 500, func(http.ResponseWriter, *http.Request, *coatcheck.Session) { panic("oh") }},
	} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		inner := only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
			s.User()
			w.Header().Set("Cache-Control", "public, max-age=60")
			c.answer(w, r, s)
		})
		b := begin(t, m, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					w.WriteHeader(500)
				}
			}()
			inner.ServeHTTP(w, r)
		}))
		w := b.Send(c.method, "/", c.header...)
		if w.Code != c.status {
			t.Errorf("%s: got %d, want %d", c.name, w.Code, c.status)
		}
		if h := w.Result().Header; h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Cookie" {
			t.Errorf("%s: got Cache-Control %q and Vary %q", c.name, h.Get("Cache-Control"), h.Get("Vary"))
		}
	}
}

func serveFile(w http.ResponseWriter, r *http.Request, _ *coatcheck.Session) {
	w.Header().Set("ETag", `"e"`)
	http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("0123456789"))
}

// G12: A first look after the first byte of an answer is refused: `User` is "",
// `Err` is `ErrLate`, an event.
func TestG12FirstLookTooLate(t *testing.T) {
	t.Parallel()
	for _, look := range looks {
		if !look.looked {
			continue
		}
		var l coatchecktest.Events
		store := &trap{Store: memstore.New(memstore.Config{})}
		m := manage(t, store, coatcheck.Config{Events: l.Record})
		b := begin(t, m, only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
			io.WriteString(w, "first byte")
			look.act(r.Context(), m, s)
			if s.User() != "" || !errors.Is(s.Err(), coatcheck.ErrLate) {
				t.Errorf("%s: got the user %q and %v, want nobody and ErrLate", look.name, s.User(), s.Err())
			}
		}))
		l.Reset()
		store.calls = nil
		w := b.Send("POST", "/")
		if w.Code != 200 || w.Body.String() != "first byte" || w.Header().Get("Vary") != "" {
			t.Errorf("%s: got %d %q with Vary %q, want what has left already", look.name, w.Code, w.Body, w.Header().Get("Vary"))
		}
		if n := store.count("") - store.count("User"); n != 0 || l.Count(coatcheck.Late) != 1 {
			t.Errorf("%s: %d calls of the store and the events %v, want none and one late", look.name, n, l.Kinds())
		}
	}
}

// G12: (hijacked connections excepted): nothing is cached of those.
func TestG12FirstLookAfterHijack(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	var user string
	var err error
	b := begin(t, m, only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		http.NewResponseController(w).Hijack()
		user, err = s.User(), s.Err()
	}))
	b.Handler.ServeHTTP(&witness{ResponseRecorder: httptest.NewRecorder(), t: t}, b.Request("GET", "/"))
	if user != "alice" || err != nil {
		t.Errorf("got %q and %v, want alice", user, err)
	}
}

// G12: Header values belong to the request: nothing global is ever put in a
// header map. Whoever edits one in place changes no other response.
func TestG12HeaderValuesBelongToTheRequest(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Landing: func(r *http.Request) bool { return r.URL.Path == "/in" }})
	h := life(m)
	visit := func(path string, headers ...string) (*httptest.ResponseRecorder, http.Header) {
		b := begin(t, m, h)
		if path == "/in" {
			wear(b, map[string]string{markName: "1"})
		}
		w := b.Send("POST", path, headers...)
		if path == "/in" {
			w = b.Send("GET", path, headers...)
		}
		return w, w.Header().Clone()
	}
	for _, c := range []struct {
		path    string
		headers []string
	}{
		{"/look", nil}, {"/logout", nil}, {"/login", nil}, {"/set", nil},
		{"/look", from("cross-site", fetching)},                  // refused
		{"/set", []string{"Sec-Purpose", "prefetch"}},            // replaced
		{"/in", from("cross-site", navigation, "Referer", "/x")}, // the landing page
	} {
		w, before := visit(c.path, c.headers...)
		for name, values := range w.Header() {
			for i := range values {
				values[i] = "edited"
			}
			w.Header()[name] = append(values, "added")
		}
		_, after := visit(c.path, c.headers...)
		for name := range before {
			if strings.Contains(strings.Join(after[name], " "), "edited") || len(after[name]) != len(before[name]) {
				t.Errorf("%s: an edit of %s shows in a later response: %q", c.path, name, after[name])
			}
		}
	}
}
