// Package promises_test proves the promises of docs/spec/promises.md, G1 to G14, on
// the exported names alone: one file or a few for each promise, named by its number
// and what it is about, and what belongs to several under the name of that. Each
// promise has a mutant in internal/mutants, which its test must notice.
//
// They share managers, browsers and what these find (harness_test.go), applications
// (app_test.go), stores that fail or hold a call (trap_test.go), requests that are
// held there (flight_test.go) and a writer that sees who comes first
// (witness_test.go).
package promises_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

// sidName, markName and overName are the cookies of a manager with the zero
// Config: the session, its marker, and the note that a session is over.
const (
	sidName  = "__Host-Http-sid"
	markName = sidName + "-lax"
	overName = sidName + "-over"
)

// keys is a keyring for tests.
func keys(t testing.TB) *cookie.Keys {
	t.Helper()
	k, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// manage returns a manager, or ends the test.
func manage(t testing.TB, st store.Store, cfg coatcheck.Config) *coatcheck.Manager {
	t.Helper()
	m, err := coatcheck.New(st, keys(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A browser obeys nothing but the server: what it does not get was refused.
type browser = coatchecktest.Browser

func newBrowser(h http.Handler) *browser { return coatchecktest.NewScript(h) }

// wear gives b exactly these cookies.
func wear(b *browser, cookies map[string]string) {
	for name := range b.Cookies() {
		b.SetCookie(name, "")
	}
	for name, value := range cookies {
		b.SetCookie(name, value)
	}
}

// keep gives b the cookies of an answer that reached it by another way.
func keep(b *browser, w *httptest.ResponseRecorder) {
	b.Jar.SetCookies(&url.URL{Path: "/"}, w.Result().Cookies())
}

// reasons are those of the events of a kind, one a line.
func reasons(l *coatchecktest.Events, kind coatcheck.Kind) (all string) {
	for _, e := range l.All() {
		if e.Kind == kind {
			all += e.Reason + "\n"
		}
	}
	return all
}

// outgoing is a request with b's cookies for a client of net/http.
func outgoing(t testing.TB, b *browser, method, target string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = b.Request(method, target).Header
	return r
}

const day = 24 * time.Hour

// prefixes are those of Config.Proxies.
func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// parallel runs f(0) to f(n-1) at once and waits for all of them.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// wants ends the test unless the answer has that status and, if one is given,
// that body.
func wants(t testing.TB, w *httptest.ResponseRecorder, code int, body string) {
	t.Helper()
	if w.Code != code || body != "" && w.Body.String() != body {
		t.Fatalf("answer %d %q, want %d %q", w.Code, w.Body, code, body)
	}
}

// bare fails if an answer has a Set-Cookie line, but for the note that a session
// is over.
func bare(t testing.TB, w *httptest.ResponseRecorder) {
	t.Helper()
	for _, line := range w.Header().Values("Set-Cookie") {
		if !strings.HasPrefix(line, overName+"=") {
			t.Errorf("answer %d %q sets %q, want no cookie", w.Code, w.Body, line)
		}
	}
}

var (
	hits = coatcheck.NewKey[int]("hits")
	note = coatcheck.NewKey[string]("note")
)

func increase(n int) int { return n + 1 }

// begin fills a browser with a session of alice that holds hits 1.
func begin(t *testing.T, m *coatcheck.Manager, h http.Handler) *browser {
	t.Helper()
	first := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		s.Login("alice")
		hits.Set(s, 1)
	}))
	if w := first.Send("POST", "/"); w.Code != 200 || first.Cookies()[sidName] == "" {
		t.Fatalf("login: got %d and cookies %v", w.Code, first.Cookies())
	}
	b := first.Clone()
	b.Handler = h
	return b
}

// stored returns what the browser's session holds, seen through another request.
func stored(m *coatcheck.Manager, b *browser) (user string, n int) {
	other := b.Clone()
	other.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		user = s.User()
		n, _ = hits.Get(s)
	})
	other.Send("GET", "/")
	return user, n
}

// kinds of requests, by the Fetch Metadata that a browser gives them.
var (
	navigation = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	frame      = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}
	fetching   = []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}
	image      = []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}
)

func from(site string, kind []string, more ...string) []string {
	headers := append([]string{}, kind...)
	if site != "" {
		headers = append(headers, "Sec-Fetch-Site", site)
	}
	return append(headers, more...)
}
