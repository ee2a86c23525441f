//go:build linux

package integration_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// A hasty store forgets the end of a session after a second, so that a test sees
// what is then: its engine has a clock of its own. What must not be older than a
// minute looks as if it were.
type hasty struct {
	store.Store
	later *atomic.Bool
}

func soon() time.Time { return time.Now().UTC().Add(time.Second).Truncate(time.Microsecond) }

func (h hasty) Load(ctx context.Context, id store.ID) (store.Record, error) {
	rec, err := h.Store.Load(ctx, id)
	if h.later.Load() && strings.HasPrefix(rec.User, "\x01") {
		rec.Created = rec.Created.Add(-time.Minute)
	}
	return rec, err
}

func (h hasty) End(ctx context.Context, id store.ID, _ time.Time) (store.ID, error) {
	return h.Store.End(ctx, id, soon())
}

func (h hasty) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, _ time.Time) error {
	return h.Store.Replace(ctx, old, ifVersion, rec, soon())
}

func (h hasty) EndUser(ctx context.Context, user string, at, _ time.Time, keep ...store.ID) ([]store.ID, error) {
	return h.Store.EndUser(ctx, user, at, soon(), keep...)
}

func (h hasty) Unwrap() store.Store { return h.Store }

// On every store 64 requests at once that bring one foreign session get one session
// of ours with one token, and once that has ended, however it did, the foreign one
// opens nothing, also when its tombstone is forgotten (G2, G3).
func TestAdopt(t *testing.T) {
	t.Parallel()
	open := map[string]func() store.Store{
		"memory": func() store.Store { return memstore.New(memstore.Config{}) },
		"SQLite": func() store.Store {
			return newSQLite(t)
		},
		"PostgreSQL": func() store.Store {
			server := servers.Postgres(t)
			return newSQLStore(t, openSQL(t, "pgx", server.DSN(server.NewDatabase(t))), sqlstore.PostgreSQL, "")
		},
		"Redis": func() store.Store {
			return openRedis(t, at(servers.SharedRedis(t).Addr()), redisstore.Config{})
		},
		"Redis Cluster": func() store.Store {
			return openRedis(t, at(servers.SharedRedisCluster(t).Addrs()...), redisstore.Config{})
		},
	}
	for name, open := range open {
		st := open()
		t.Run(name, func(t *testing.T) { adopts(t, hasty{st, new(atomic.Bool)}) })
	}
}

func adopts(t *testing.T, st hasty) {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	// Two processes, in effect: two managers share nothing but the store.
	var apps []http.Handler
	var m *coatcheck.Manager
	for range 2 {
		if m, err = coatcheck.New(st, keys, coatcheck.Config{}); err != nil {
			t.Fatal(err)
		}
		adopt, err := m.Adopting(func(r *http.Request) (coatcheck.Adoption, error) {
			c, err := r.Cookie("old")
			if err != nil {
				return coatcheck.Adoption{}, nil
			}
			return coatcheck.Adoption{Identity: c.Value, User: "bob", Until: time.Now().Add(time.Hour)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		apps = append(apps, adopt(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := coatcheck.From(r.Context())
			if r.URL.Path == "/logout" {
				s.Logout()
			}
			fmt.Fprint(w, s.User())
		})))
	}
	ends := map[string]func(){
		"logout": nil,
		"revoked": func() {
			if _, err := m.RevokeAll(t.Context(), "bob"); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, end := range ends {
		value := "old-" + name
		token := adoptTogether(t, apps, value)
		if list, err := m.Sessions(t.Context(), "bob"); err != nil || len(list) != 1 {
			t.Fatalf("%s: %d sessions, %v", name, len(list), err)
		}
		if end != nil {
			end()
		} else {
			ask(apps[0], "/logout", token, &http.Cookie{Name: "old", Value: value})
		}
		time.Sleep(2500 * time.Millisecond) // the engine's clock, not ours
		if _, err := m.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		st.later.Store(true)
		for i, app := range apps {
			if got := ask(app, "/", &http.Cookie{Name: "old", Value: value}); got.Body.String() != "" {
				t.Errorf("%s: then the foreign cookie is %q at application %d", name, got.Body, i)
			}
		}
		st.later.Store(false)
	}
}

func ask(app http.Handler, path string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	for try := 0; ; try++ {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if w.Code != http.StatusServiceUnavailable || try == 50 { // a busy machine: again, as Retry-After says
			return w
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// adoptTogether sends the first requests of a browser and returns the cookie they all get.
func adoptTogether(t *testing.T, apps []http.Handler, value string) *http.Cookie {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	tokens := make(map[string]*http.Cookie)
	for i := range 64 {
		wg.Go(func() {
			w := ask(apps[i%len(apps)], "/", &http.Cookie{Name: "old", Value: value})
			mu.Lock()
			defer mu.Unlock()
			if w.Code != http.StatusOK || w.Body.String() != "bob" {
				t.Errorf("%s: %d %q", value, w.Code, w.Body)
			}
			for _, c := range w.Result().Cookies() {
				if c.Name == "__Host-Http-sid" {
					tokens[c.Value] = c
				}
			}
		})
	}
	wg.Wait()
	if len(tokens) != 1 {
		t.Fatalf("%s: %d tokens of one session", value, len(tokens))
	}
	for _, c := range tokens {
		return c
	}
	return nil
}
