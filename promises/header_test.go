package promises_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// saying sets a header, and what goes with one body, on every answer.
func saying(name string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", "https://"+name+".example")
			h.Set("X-"+name, "said")
			h.Add("Vary", "Origin")
			h.Add("Set-Cookie", name+"=1")
			h.Add("Set-Cookie", sidName+"=planted")
			for _, ofBody := range []string{"Content-Encoding", "Content-Length", "Content-Disposition", "Etag", "Last-Modified", "Cache-Control"} {
				h.Set(ofBody, name)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// G5: what middleware said before the innermost Require… (CORS, HSTS, a request
// id) stands in a replaced answer too, also its own cookies; what a handler said
// does not, nor what goes with its body.
func TestG5HeadersOfMiddleware(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for name, c := range map[string]struct {
		guard  func(*coatcheck.Manager) func(http.Handler) http.Handler
		path   string
		fails  string // the method of the store that does
		status int
	}{
		"not logged in":      {func(m *coatcheck.Manager) func(http.Handler) http.Handler { return m.RequireLogin }, "/anonymous", "", 401},
		"not recently":       {func(m *coatcheck.Manager) func(http.Handler) http.Handler { return m.RequireFresh(time.Nanosecond) }, "/", "", 401},
		"the load fails":     {func(m *coatcheck.Manager) func(http.Handler) http.Handler { return m.Require }, "/", "Load", 503},
		"the commit fails":   {func(m *coatcheck.Manager) func(http.Handler) http.Handler { return m.RequireLogin }, "/", "Update", 503},
		"through a time-out": {func(m *coatcheck.Manager) func(http.Handler) http.Handler { return m.RequireLogin }, "/timeout", "Update", 503},
		"an outer manager's": {func(m *coatcheck.Manager) func(http.Handler) http.Handler { return m.Require }, "/outer", "Update", 503},
	} {
		store := &trap{Store: memstore.New(memstore.Config{})}
		m := manage(t, store, coatcheck.Config{})
		inner := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Name: "__Host-inner"})
		page := saying("Page")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			hits.Set(m.From(r.Context()), 7)
			fmt.Fprint(w, "page")
		}))
		h := c.guard(m)(page)
		if c.path == "/outer" { // whose Require is not the innermost
			h = m.Handler(saying("Outside")(inner.Handler(saying("Inside")(inner.Require(page)))))
		} else {
			h = saying("Inside")(h)
			if c.path == "/timeout" {
				h = http.TimeoutHandler(h, time.Hour, "")
			}
			h = saying("Outside")(m.Handler(h))
		}
		b := begin(t, m, h)
		if c.path == "/anonymous" {
			b = newBrowser(h)
		}
		store.set(func(_ context.Context, method string) error {
			if method == c.fails {
				return away
			}
			return nil
		}, nil)
		w := b.Send("POST", "https://app.example"+c.path)
		got := w.Header()
		if w.Code != c.status || strings.Contains(w.Body.String(), "page") {
			t.Errorf("%s: got %d %q, want %d in place of the page", name, w.Code, w.Body, c.status)
		}
		if got.Get("Access-Control-Allow-Origin") != "https://Inside.example" || got.Get("X-Inside") == "" || got.Get("X-Outside") == "" || got.Get("X-Page") != "" {
			t.Errorf("%s: got the headers %v, want what middleware said, and not the page", name, got)
		}
		cookies := strings.Join(got["Set-Cookie"], " ")
		if !strings.Contains(cookies, "Inside=1") || c.path != "/timeout" && !strings.Contains(cookies, "Outside=1") || strings.Contains(cookies, "Page") {
			t.Errorf("%s: got the cookies %q, want those of middleware", name, cookies)
		}
		if c.path != "/outer" && strings.Contains(strings.ReplaceAll(cookies, sidName+"=planted", ""), sidName) || slices.Contains(got["Set-Cookie"], sidName+"=planted") {
			t.Errorf("%s: got the cookies %q, want no session cookie of others", name, cookies)
		}
		if vary := strings.Join(got["Vary"], ", "); !strings.Contains(vary, "Origin") || !strings.Contains(vary, "Cookie") {
			t.Errorf("%s: Vary is %q, want Origin and Cookie", name, vary)
		}
		for _, ofBody := range []string{"Content-Encoding", "Content-Disposition", "Etag", "Last-Modified", "Cache-Control"} {
			if v := got.Get(ofBody); v == "Inside" || v == "Page" {
				t.Errorf("%s: %s is %q, which went with another body", name, ofBody, v)
			}
		}
	}
}

// G5: without headers of middleware a Require… costs no allocation.
func TestG5RequireKeepsItsCost(t *testing.T) {
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	page := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { m.From(r.Context()).User() })
	cost := func(h http.Handler) float64 {
		r := begin(t, m, h).Request("GET", "/")
		w := &discard{make(http.Header)}
		return leastAllocs(func() { clear(w.h); h.ServeHTTP(w, r) })
	}
	if bare, guarded := cost(m.Handler(page)), cost(m.Handler(m.Require(page))); guarded > bare {
		t.Errorf("%v allocations with Require and %v without, want the same", guarded, bare)
	}
}
