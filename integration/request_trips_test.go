//go:build linux

package integration_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// An unswept store leaves out the sweep that a request starts once a second, so
// that what is counted is the request's own.
type unswept struct{ store.Store }

func (unswept) Sweep(context.Context, time.Time, int) (int, error) { return 0, nil }

// tripSite is a site whose sessions are touched once in a tenth of idle.
func tripSite(t *testing.T, st store.Store, idle time.Duration) http.Handler {
	t.Helper()
	sessions, err := coatcheck.New(unswept{st}, newKeys(t), coatcheck.Config{Idle: idle})
	if err != nil {
		t.Fatal(err)
	}
	return sessions.Handler(siteMux())
}

// TestRequestTrips counts at the server what a request costs, by the rows of
// docs/performance.md.
func TestRequestTrips(t *testing.T) {
	t.Parallel()
	postgres := servers.Postgres(t)
	name := postgres.NewDatabase(t)
	observer := openSQL(t, "pgx", postgres.DSN(name))
	redis := servers.NewRedis(t)
	for _, place := range []struct {
		name  string
		store store.Store
		count func() int
	}{
		{"PostgreSQL", newSQLStore(t, openSQL(t, "pgx", postgres.DSN(name)), sqlstore.PostgreSQL, ""), func() int { return statements(t, observer) }},
		{"Redis", openRedis(t, at(redis.Addr()), redisstore.Config{}), func() int { return sent(redis) }},
	} {
		t.Run(place.name, func(t *testing.T) {
			site := tripSite(t, place.store, time.Hour)
			sid := ""
			cost := func(path string, want int) {
				t.Helper()
				before := place.count()
				status, _, set := get(site, path, sid)
				if n := place.count() - before; status != http.StatusOK || n != want {
					t.Errorf("%s: got status %d and %d trips, want %d", path, status, n, want)
				}
				if set != "" {
					sid = set
				}
			}
			cost("/static", 0) // and no cookie
			cost("/count", 1)  // a new session
			cost("/login", 2)
			cost("/static", 0)
			for range 3 {
				cost("/whoami", 1)
				cost("/count", 2)
			}
			// Activity moves the end of the session, but not with every request.
			site = tripSite(t, place.store, 10*time.Second)
			_, _, sid = get(site, "/login", "")
			start, before, requests := time.Now(), place.count(), 0
			for last := false; !last; {
				last = time.Since(start) > 2500*time.Millisecond // and then one request more
				if _, body, _ := get(site, "/whoami", sid); body != "alice" {
					t.Fatalf("/whoami: got %q", body)
				}
				requests++
			}
			touches, most := place.count()-before-requests, int(time.Since(start)/time.Second)+1
			if touches < 1 || touches > most {
				t.Errorf("%d reads in %v: %d trips more, want 1 to %d", requests, time.Since(start), touches, most)
			}
			t.Logf("%d reads in %v took %d trips more", requests, time.Since(start), touches)
		})
	}
}
