package walkthrough_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/walkthrough"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

const sid = "__Host-Http-sid"

// newSite returns the application on a new store, with its sessions as cfg says.
func newSite(t *testing.T, cfg coatcheck.Config) http.Handler {
	t.Helper()
	return newSiteOn(t, memstore.New(memstore.Config{}), "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa", cfg)
}

func newSiteOn(t *testing.T, st store.Store, secret string, cfg coatcheck.Config) http.Handler {
	t.Helper()
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	site, err := walkthrough.New(st, keys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	return site
}

// A visitor is a browser that obeys nothing, so that only the server's own rules
// are under test, and whose every request has the same headers.
type visitor struct {
	*coatchecktest.Browser
	headers map[string]string
}

func visit(site http.Handler) *visitor { return &visitor{Browser: coatchecktest.NewScript(site)} }

// clone is somebody with a copy of the cookies.
func (v *visitor) clone() *visitor { return &visitor{v.Clone(), v.headers} }

// do sends a request such as "POST /cart" with form fields such as "item=tea".
func (v *visitor) do(what, form string) *httptest.ResponseRecorder {
	method, target, _ := strings.Cut(what, " ")
	r := v.Request(method, target)
	r.TLS = nil // as without --tls
	if form != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form)), int64(len(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range v.headers {
		r.Header.Set(name, value)
	}
	return v.Serve(r)
}

// want sends a request and compares the answer.
func (v *visitor) want(t *testing.T, what, form string, status int, body string) {
	t.Helper()
	if w := v.do(what, form); w.Code != status || w.Body.String() != body {
		t.Errorf("%s %s: got %d %q, want %d %q", what, form, w.Code, w.Body, status, body)
	}
}

// A watched store notes the ids of all records.
type watched struct {
	store.Store
	mu  sync.Mutex
	ids []store.ID
}

func (s *watched) note(id store.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = append(s.ids, id)
}

func (s *watched) Create(ctx context.Context, rec store.Record) error {
	s.note(rec.ID)
	return s.Store.Create(ctx, rec)
}

func (s *watched) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	s.note(rec.ID)
	return s.Store.Replace(ctx, old, ifVersion, rec, until)
}
