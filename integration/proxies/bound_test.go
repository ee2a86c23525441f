package proxies_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/internal/device"
	"github.com/coatcheck/coatcheck/internal/proxies"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A boundApp is an application whose sessions are bound, over a store that can be
// taken away.
type boundApp struct {
	store.Store
	away    atomic.Bool
	skipped atomic.Int32
}

func (a *boundApp) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if a.away.Load() {
		return store.Record{}, errors.New("the store is away")
	}
	return a.Store.Load(ctx, id)
}

// handler is the application, of which people know that origin.
func (a *boundApp) handler(t *testing.T, cfg coatcheck.Config) http.Handler {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	a.Store = memstore.New(memstore.Config{})
	cfg.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	sessions, err := coatcheck.New(a, keys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	bound, err := dbsc.New(sessions, dbsc.Config{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/dbsc/", bound)
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("alice") })
	mux.Handle("GET /account", sessions.RequireLogin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	app := sessions.Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Secure-Session-Skipped") == skipped {
			a.skipped.Add(1)
		}
		app.ServeHTTP(w, r)
	})
}

const skipped = `server_error;session_identifier="x"`

// deviceSite is what a device takes for its site.
const deviceSite = "https://app.test"

// ServeHTTP sends a device's request through the proxy. What says for which origin a
// session is bound must be the one that people know.
func (q *person) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, q.site+r.URL.Path, nil)
	if err != nil {
		panic(err) // the tests' own paths
	}
	out.Header = r.Header.Clone()
	if r.Method == http.MethodPost { // Chromium says so of registrations and refreshes too
		out.Header.Set("Origin", q.site)
	}
	res, err := q.client.Transport.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	for name, lines := range res.Header {
		w.Header()[name] = lines
	}
	w.WriteHeader(res.StatusCode)
	w.Write(bytes.Replace(body, []byte(`"`+q.site+`"`), []byte(`"`+deviceSite+`"`), 1))
}

// TestBound binds a session through every proxy: registration, refresh in one trip
// and in two, an outage, and what the browser says of that.
func TestBound(t *testing.T) {
	for _, name := range proxies.Names {
		for _, s := range setups {
			if !s.recommended && !s.origins { // which fails at the login, see TestProxies
				continue
			}
			t.Run(name+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				l := listen(t)
				p := proxies.Start(t, name, proxies.Options{Upstream: l.Addr().String(), Recommended: s.recommended})
				q := newPerson(t, p, "HTTP/2.0")
				cfg := coatcheck.Config{}
				if s.origins {
					cfg.Origins = []string{q.site}
				}
				a := new(boundApp)
				server := httptest.NewUnstartedServer(a.handler(t, cfg))
				server.Listener.Close()
				server.Listener = l
				server.Start()
				t.Cleanup(server.Close)
				a.binds(t, device.New(t, q, device.NewECKey(t)))
			})
		}
	}
}

func (a *boundApp) binds(t *testing.T, d *device.Device) {
	page := []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	expect := func(method, path string, status int) {
		t.Helper()
		if w := d.Do(method, path, page...); w.Code != status {
			t.Fatalf("%s %s: %d %q, want %d", method, path, w.Code, w.Body, status)
		}
	}
	forget := func() { delete(d.Jar, d.Cookie) }
	expect("POST", "/login", http.StatusOK)
	if d.ID == "" || d.Challenge == "" {
		t.Fatal("not bound, or without a challenge for the refresh")
	}
	expect("GET", "/account", http.StatusOK)
	forget()
	expect("GET", "/account", http.StatusOK)
	if d.Signed != 2 {
		t.Errorf("%d proofs, want one trip and 2", d.Signed)
	}
	forget()
	d.Challenge = ""
	expect("GET", "/account", http.StatusOK)
	if d.Signed != 3 {
		t.Errorf("%d proofs, want 3", d.Signed)
	}
	forget()
	a.away.Store(true)
	w := d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
		t.Errorf("a refresh without the store: %d %q", w.Code, w.Header())
	}
	if reason := d.Prove(); reason != "server_error" || d.ID == "" {
		t.Errorf("a refresh without the store: %q", reason)
	}
	a.away.Store(false)
	d.Raw("GET", "/account", "Secure-Session-Skipped", skipped)
	if a.skipped.Load() != 1 {
		t.Error("what the browser said did not arrive")
	}
	expect("GET", "/account", http.StatusOK)
}
