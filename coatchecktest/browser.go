package coatchecktest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/passedby"
)

// A Browser is an http.Client that keeps cookies, with Path, Domain and lifetime
// as usual, but takes every connection for a secure one: Secure cookies come back
// over plain HTTP too, on any host. It knows nothing of SameSite: a test that
// wants a request from another site sets the headers Sec-Fetch-Site, Sec-Fetch-Mode
// and Sec-Fetch-Dest, and leaves the cookie out.
//
// Requests are those of http.Client, redirects included; a URL may also be a path
// at the site, as in b.Get("/profile"). One Browser is one person on one device; it
// is safe for concurrent use, its fields are set between requests. The zero value
// is of no use: NewBrowser, NewHandlerBrowser and NewScript make one.
type Browser struct {
	http.Client

	// Handler, unless nil, answers every request, and no server does. A test may
	// change it: to another process of the same site, or to the one that begins
	// after a deploy.
	Handler http.Handler

	site *url.URL
	jar  box
}

// NewBrowser returns a browser without cookies in front of a server that has been
// started, with TLS or without.
func NewBrowser(server *httptest.Server) *Browser {
	if server.URL == "" {
		return newBrowser(&url.URL{}, failing{errors.New("coatchecktest: NewBrowser: the server was not started; want one of httptest.NewServer")})
	}
	site, err := url.Parse(server.URL)
	if err != nil {
		return newBrowser(&url.URL{}, failing{err})
	}
	return newBrowser(site, server.Client().Transport)
}

// NewHandlerBrowser returns a browser without cookies in front of a handler,
// without a server and a connection: what the handler writes arrives when it has
// returned. The site is https://example.com; requests for other hosts reach the
// handler, too. It works in a bubble of testing/synctest.
func NewHandlerBrowser(h http.Handler) *Browser {
	b := newBrowser(&url.URL{Scheme: "https", Host: "example.com"}, noServer)
	b.Handler = h
	return b
}

// noServer is behind the browsers of a handler.
var noServer = failing{errors.New("coatchecktest: a browser whose Handler is nil")}

func newBrowser(site *url.URL, server http.RoundTripper) *Browser {
	cookies, _ := cookiejar.New(nil) // its error is always nil
	return withJar(site, server, &jar{cookies: cookies, site: site, paths: map[string]bool{"/": true}})
}

func withJar(site *url.URL, server http.RoundTripper, cookies box) *Browser {
	b := &Browser{site: site, jar: cookies}
	b.Jar, b.Transport = b.jar, paths{b, server}
	return b
}

// Format keeps cookies out of the logs of whoever prints a browser.
func (b *Browser) Format(f fmt.State, _ rune) { io.WriteString(f, "{coatchecktest browser}") }

// Session runs f in the session that the browser has at the site, or else in a new
// one: f may log in, set values, or look at what earlier requests left. sessions is
// the application's Manager. Afterwards the browser has the session's cookies:
//
//	b.Session(t, sessions, func(s *coatcheck.Session) { s.Login("alice") })
//
// The test ends if the session cannot be stored, with the reason; f must not end
// it itself by t.FailNow.
func (b *Browser) Session(t testing.TB, sessions *coatcheck.Manager, f func(*coatcheck.Session)) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Host = b.site.Host
	for _, c := range b.jar.all() {
		r.AddCookie(c)
	}
	answer := run(t, sessions, r, f)
	if len(answer.Header[coatcheck.TokenHeader]) > 0 {
		t.Fatalf("coatchecktest: sessions is of NewBearer, and a browser brings no token: use Request")
	}
	set := answer.Cookies()
	b.jar.SetCookies(b.site, set)
	kept := b.jar.all()
	for _, c := range set {
		if c.MaxAge >= 0 && !slices.ContainsFunc(kept, func(k *http.Cookie) bool { return k.Name == c.Name && k.Value == c.Value }) {
			t.Fatalf("coatchecktest: a browser at %s refuses the cookie %s with Domain=%s", b.site.Host, c.Name, c.Domain)
		}
	}
}

// A box keeps the cookies of a browser. It is safe for concurrent use.
type box interface {
	http.CookieJar
	all() []*http.Cookie    // of the site, whatever their Path
	set(name, value string) // "" takes it away
}

// A jar takes every URL for one of https.
type jar struct {
	cookies *cookiejar.Jar
	site    *url.URL

	mu    sync.Mutex
	paths map[string]bool // that cookies may be limited to
}

func (j *jar) Format(f fmt.State, _ rune) { io.WriteString(f, "{coatchecktest jar}") }

func (j *jar) secure(u *url.URL) *url.URL {
	u = j.site.ResolveReference(u)
	u.Scheme = "https"
	return u
}

func (j *jar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.cookies.SetCookies(j.secure(u), cookies)
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range cookies {
		if c.Path != "" {
			j.paths[c.Path] = true
		}
	}
}

func (j *jar) Cookies(u *url.URL) []*http.Cookie { return j.cookies.Cookies(j.secure(u)) }

// all returns the site's cookies, whatever their Path.
func (j *jar) all() (list []*http.Cookie) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for path := range j.paths {
		for _, c := range j.Cookies(&url.URL{Path: path}) {
			if !slices.ContainsFunc(list, func(k *http.Cookie) bool { return k.Name == c.Name && k.Value == c.Value }) {
				list = append(list, c)
			}
		}
	}
	return list
}

func (j *jar) set(name, value string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for path := range j.paths { // another of this name at a longer Path would come first
		j.cookies.SetCookies(j.secure(&url.URL{Path: path}), []*http.Cookie{{Name: name, Path: path, MaxAge: -1}})
	}
	if value != "" {
		j.cookies.SetCookies(j.secure(&url.URL{Path: "/"}), []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
	}
}

// paths sends what has no host to the site, and everything to the browser's
// handler if there is one.
type paths struct {
	of     *Browser
	server http.RoundTripper
}

func (p paths) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "" {
		r = r.Clone(r.Context())
		r.URL = p.of.site.ResolveReference(r.URL)
	}
	if p.of.Handler == nil {
		return p.server.RoundTrip(r)
	}
	w, err := serve(p.of.Handler, r)
	if err != nil {
		return nil, err
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

// failing answers nothing.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// serve calls a handler as a server would. An error is that of an answer past the
// session's writer.
func serve(h http.Handler, r *http.Request) (w *httptest.ResponseRecorder, passed error) {
	in := arrived(r.WithContext(context.WithValue(r.Context(), passedby.Key{}, func(err error) { passed = err })))
	defer in.Body.Close()
	w = httptest.NewRecorder()
	h.ServeHTTP(w, in)
	return w, passed
}

// arrived returns a request as a server hands it to its handler: with a path for a
// URL, the address of the client, and TLS if it was sent to https.
func arrived(r *http.Request) *http.Request {
	in := r.Clone(r.Context())
	in.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	if in.URL.Path == "" {
		in.URL.Path = "/"
	}
	in.RequestURI = in.URL.RequestURI()
	if in.RemoteAddr == "" {
		in.RemoteAddr = "192.0.2.1:1234" // as httptest.NewRequest has it
	}
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if r.URL.Scheme == "https" && in.TLS == nil {
		in.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: r.URL.Hostname()}
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	return in
}
