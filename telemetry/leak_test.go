package telemetry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// talkative is a store that knows all of the ids, and whose errors, when it is down,
// tell what drivers' errors may tell.
type talkative struct {
	store.Store
	down atomic.Bool
	ids  map[store.ID]bool
}

func (s *talkative) Load(ctx context.Context, id store.ID) (store.Record, error) {
	s.ids[id] = true
	if s.down.Load() {
		return store.Record{}, fmt.Errorf("row (%s, %q)", theUser, theValue)
	}
	return s.Store.Load(ctx, id)
}

func (s *talkative) Create(ctx context.Context, rec store.Record) error {
	s.ids[rec.ID] = true
	return s.Store.Create(ctx, rec)
}

func (s *talkative) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	s.ids[rec.ID] = true
	return s.Store.Replace(ctx, old, ifVersion, rec, until)
}

const (
	theUser    = "user-f3a9c1"
	theValue   = "value-77b0de"
	theKey     = "key-51c2aa"
	theDevice  = "Firefox"
	theAddress = "203.0.113.77"
)

// G13: "No token, id or key": nor a handle, a user, a value, a name of one, a device,
// an address, or the text of an error. All that is exported, metrics and spans, is
// searched for all that the sessions had.
func TestNothingOfASessionIsExported(t *testing.T) {
	inner := &talkative{Store: memstore.New(memstore.Config{}), ids: make(map[store.ID]bool)}
	r := newRig(t, inner)
	sessions := r.sessions(t, coatcheck.Config{MaxPerUser: 1, AtLimit: coatcheck.EndOldest})
	key := coatcheck.NewKey[string](theKey)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		s.Login(theUser)
		key.Set(s, theValue)
	})
	mux.HandleFunc("POST /mismatch", func(_ http.ResponseWriter, r *http.Request) {
		coatcheck.NewKey[int](theKey).Get(coatcheck.From(r.Context()))
	})
	mux.HandleFunc("POST /renew", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Renew() })
	mux.HandleFunc("POST /logout", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Logout() })
	var secrets []string
	h := r.traced(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		req.RemoteAddr = theAddress + ":4711"
		req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 "+theDevice+"/140.0")
		sessions.Handler(mux).ServeHTTP(w, req)
		for _, c := range w.Header()["Set-Cookie"] {
			_, value, _ := strings.Cut(c, "=")
			if value, _, _ = strings.Cut(value, ";"); len(value) > 10 {
				secrets = append(secrets, value)
			}
		}
	}))
	first, second := coatchecktest.NewHandlerBrowser(h), coatchecktest.NewHandlerBrowser(h)
	visit(t, first, "/login", http.StatusOK)
	visit(t, second, "/login", http.StatusOK) // which ends the first
	visit(t, first, "/renew", http.StatusConflict)
	visit(t, second, "/mismatch", http.StatusOK)
	visit(t, second, "/renew", http.StatusOK)
	inner.down.Store(true)
	visit(t, second, "/mismatch", http.StatusServiceUnavailable)
	inner.down.Store(false)
	visit(t, second, "/logout", http.StatusOK)
	if _, err := sessions.RevokeAll(t.Context(), theUser); err != nil {
		t.Fatal(err)
	}
	for id := range inner.ids {
		secrets = append(secrets, id.Handle(), string(id[:]), hex.EncodeToString(id[:]),
			base64.RawURLEncoding.EncodeToString(id[:]), base64.StdEncoding.EncodeToString(id[:]))
	}
	if len(secrets) < 20 {
		t.Fatalf("%d secrets only: so little proves nothing", len(secrets))
	}
	said := exported(t, r)
	if len(said) < 5000 || !bytes.Contains(said, []byte("store error")) || !bytes.Contains(said, []byte("value mismatch")) {
		t.Fatalf("%d bytes exported: so little proves nothing:\n%s", len(said), said)
	}
	for _, s := range append(secrets, theUser, theValue, theKey, theDevice, theAddress, secret) {
		for from := 0; from == 0 || from+8 <= len(s); from++ {
			if part := s[from:min(len(s), from+8)]; bytes.Contains(said, []byte(part)) {
				t.Fatalf("%q is exported:\n%s", part, said)
			}
		}
	}
	t.Logf("%s", said) // integration searches it again, for all that this run issued
}

// exported is everything that an exporter is given, spelled in two ways.
func exported(t *testing.T, r *rig) []byte {
	t.Helper()
	var metrics metricdata.ResourceMetrics
	if err := r.reader.Collect(t.Context(), &metrics); err != nil {
		t.Fatal(err)
	}
	spans := r.spans.GetSpans()
	var out bytes.Buffer
	for _, all := range []any{metrics.ScopeMetrics, spans} {
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n%+v\n", text, all)
	}
	return out.Bytes()
}
