//go:build linux

package integration_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
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
	if n := len(rec.Data) - 8; h.later.Load() && strings.HasPrefix(rec.User, "\x01adopted:") {
		rec.Data = slices.Clone(rec.Data) // its last 8 bytes say since when it stands
		binary.BigEndian.PutUint64(rec.Data[n:], binary.BigEndian.Uint64(rec.Data[n:])-uint64(time.Minute.Microseconds()))
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
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			adopts(t, hasty{st, new(atomic.Bool)})
			adoptsDuringLogout(t, hasty{st, new(atomic.Bool)})
			adoptsNoOtherWriting(t, hasty{st, new(atomic.Bool)})
			adoptsAfterAnEndThere(t, st)
			adoptsNothingRevoked(t, st)
		})
	}
}

// A slow store keeps the first session of ann from being made, until it may.
type slow struct {
	hasty
	first         *atomic.Bool
	arrived, goOn chan bool
}

func (s slow) Create(ctx context.Context, rec store.Record) error {
	if rec.User == "ann" && s.first.CompareAndSwap(false, true) {
		close(s.arrived)
		<-s.goOn
	}
	return s.hasty.Create(ctx, rec)
}

// adoptsDuringLogout: a logout while another request adopts the same foreign session
// is final on this store, then and when its tombstone is forgotten (G2).
func adoptsDuringLogout(t *testing.T, st hasty) {
	held := slow{st, new(atomic.Bool), make(chan bool), make(chan bool)}
	_, late := adopter(t, held, "ann")
	m, app := adopter(t, st, "ann")
	old := &http.Cookie{Name: "old", Value: "old-during"}
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- ask(late, "/", old) }()
	receive(t, held.arrived, "the late one arrives") // its guard is there, its session is not
	first := ask(app, "/", old)
	if first.Body.String() != "ann" {
		t.Fatalf("meanwhile: %d %q", first.Code, first.Body)
	}
	ask(app, "/logout", append(first.Result().Cookies(), old)...)
	close(held.goOn)
	if w := receive(t, done, "the late one's answer"); w.Body.String() != "" || strings.Contains(fmt.Sprint(w.Result().Cookies()), "__Host-Http-sid=") {
		t.Errorf("the late one: %d %q %v", w.Code, w.Body, w.Result().Cookies())
	}
	for range 2 {
		if w := ask(app, "/", old); w.Body.String() != "" {
			t.Errorf("after the logout: %q", w.Body)
		}
		time.Sleep(2500 * time.Millisecond) // the engine's clock, not ours
		if _, err := m.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		st.later.Store(true)
	}
	if list, err := m.Sessions(t.Context(), "ann"); err != nil || len(list) != 0 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
}

// adoptsNothingRevoked: foreign sessions that were not adopted when their user's
// sessions were revoked, or everybody's, are not adopted any more.
func adoptsNothingRevoked(t *testing.T, st store.Store) {
	for _, user := range []string{"carl", "dora"} {
		revoke := func(m *coatcheck.Manager) (int, error) { return m.RevokeAll(t.Context(), user) }
		if user == "dora" {
			revoke = func(m *coatcheck.Manager) (int, error) { return m.RevokeEverybody(t.Context()) }
		}
		m, app := adopter(t, st, user)
		if w := ask(app, "/", &http.Cookie{Name: "old", Value: "before-" + user}); w.Body.String() != user {
			t.Errorf("%s before: %q", user, w.Body)
		}
		if _, err := revoke(m); err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"before-", "never-seen-"} {
			if w := ask(app, "/", &http.Cookie{Name: "old", Value: value + user}); w.Body.String() != "" {
				t.Errorf("%s, revoked, %s: %q", user, value, w.Body)
			}
		}
	}
}

// written are the times of the cookies that are written anew.
var written = map[string]time.Time{
	"writing 1": time.Now().Add(-3 * time.Minute), "writing 2": time.Now().Add(-2 * time.Minute), "writing 3": time.Now().Add(-time.Minute),
	"writing 4": time.Now().AddDate(0, 0, 1), "writing 5": {}, // a clock that is wrong, and none
}

// adoptsNoOtherWriting: a logout is the end of all that the other system wrote before
// of the same user, also when its tombstone is forgotten (G2).
func adoptsNoOtherWriting(t *testing.T, st hasty) {
	m, app := adopter(t, st, "fred")
	token := func(w *httptest.ResponseRecorder) *http.Cookie {
		for _, c := range w.Result().Cookies() {
			if c.Name == "__Host-Http-sid" {
				return c
			}
		}
		t.Fatalf("no session: %d %q", w.Code, w.Body)
		return nil
	}
	sid := token(ask(app, "/", &http.Cookie{Name: "old", Value: "writing 2"}))
	ask(app, "/logout", sid)
	_, other := adopter(t, st, "fred")
	for range 2 {
		for value := range written {
			if w := ask(other, "/", &http.Cookie{Name: "old", Value: value}); w.Code != http.StatusOK || w.Body.String() != "" {
				t.Errorf("after the logout %s is %d %q", value, w.Code, w.Body)
			}
		}
		time.Sleep(2500 * time.Millisecond) // the engine's clock, not ours
		if _, err := m.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		st.later.Store(true)
	}
}

// adoptsAfterAnEndThere: an end in the other system ends the session on this store in one
// step, and the next login there is adopted; one of here is final (G2).
func adoptsAfterAnEndThere(t *testing.T, st store.Store) {
	m, app := adopter(t, st, "gina")
	old := &http.Cookie{Name: "old", Value: "says no time"}
	login := func() []*http.Cookie {
		t.Helper()
		w := ask(app, "/", old)
		if w.Body.String() != "gina" {
			t.Fatalf("a login there: %d %q", w.Code, w.Body)
		}
		return w.Result().Cookies()
	}
	first := login()
	if w := ask(app, "/over-there", first...); w.Code != http.StatusOK || w.Body.String() != "" {
		t.Errorf("over there: %d %q", w.Code, w.Body)
	}
	if list, err := m.Sessions(t.Context(), "gina"); err != nil || len(list) != 0 {
		t.Errorf("over there: %d sessions, %v", len(list), err)
	}
	if w := ask(app, "/", first...); w.Body.String() != "" {
		t.Errorf("its token afterwards: %q", w.Body)
	}
	ask(app, "/logout", login()...)
	if w := ask(app, "/", old); w.Body.String() != "" {
		t.Errorf("after a logout here: %q", w.Body)
	}
}

// adopter is an application that adopts whatever brings a cookie "old" as this user.
func adopter(t *testing.T, st store.Store, user string) (*coatcheck.Manager, http.Handler) {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	m, err := coatcheck.New(st, keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	adopt, err := m.Adopting(func(r *http.Request) (coatcheck.Adoption, error) {
		c, err := r.Cookie("old")
		if err != nil {
			return coatcheck.Adoption{}, nil
		}
		a := coatcheck.Adoption{Identity: c.Value, User: user, Until: time.Now().Add(time.Hour)}
		if at, ok := written[c.Value]; ok { // a cookie that is the session, and is written anew
			a.AsOf, a.Writings = at, "user "+user
		}
		return a, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, adopt(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		switch r.URL.Path {
		case "/logout":
			s.Logout()
		case "/over-there":
			if err := m.EndAdopted(r.Context(), ""); err != nil {
				t.Error(err)
			}
		}
		fmt.Fprint(w, s.User())
	}))
}

func adopts(t *testing.T, st hasty) {
	// Two processes, in effect: two managers share nothing but the store.
	var apps []http.Handler
	var m *coatcheck.Manager
	for range 2 {
		var app http.Handler
		m, app = adopter(t, st, "bob")
		apps = append(apps, app)
	}
	ends := map[string]func(){
		"logout": nil,
		"revoked": func() {
			if _, err := m.RevokeAll(t.Context(), "bob"); err != nil {
				t.Fatal(err)
			}
		},
	}
	for _, name := range []string{"logout", "revoked"} { // of one revoked nothing is adopted after it
		end := ends[name]
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
