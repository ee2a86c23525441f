//go:build linux

package integration_test

import (
	"database/sql"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
)

// A stuckCase is a database whose handlers hold what their sessions' commits
// wait for.
type stuckCase struct {
	name    string
	dialect sqlstore.Dialect
	db      func(t *testing.T) *sql.DB
	insert  string // of the application, in its transaction
	want    string // in the error
}

func stuckCases() []stuckCase {
	ofOne := func(open func(t *testing.T) *sql.DB) func(t *testing.T) *sql.DB {
		return func(t *testing.T) *sql.DB {
			db := open(t)
			db.SetMaxOpenConns(1)
			return db
		}
	}
	sqlite := func(t *testing.T) *sql.DB { return openSQLite(t, filepath.Join(t.TempDir(), "app.db")) }
	const full = "all connections of the pool are in use (MaxOpenConns is 1): a handler that holds one must commit its session first"
	return []stuckCase{
		{"SQLite, pool of one", sqlstore.SQLite, ofOne(sqlite), "INSERT INTO orders VALUES (1)", full},
		{"SQLite, writing", sqlstore.SQLite, sqlite, "INSERT INTO orders VALUES (1)",
			"another connection is writing: a handler with a transaction of its own must commit its session first"},
		{"PostgreSQL, pool of one", sqlstore.PostgreSQL, ofOne(func(t *testing.T) *sql.DB {
			server := servers.Postgres(t)
			return openSQL(t, "pgx", server.DSN(server.NewDatabase(t)))
		}), "INSERT INTO orders VALUES (1)", full},
		{"MariaDB, pool of one", sqlstore.MySQL, ofOne(func(t *testing.T) *sql.DB {
			server := servers.MariaDB(t)
			return openSQL(t, "mysql", server.DSN(server.NewDatabase(t)))
		}), "INSERT INTO orders VALUES (1)", full},
	}
}

// The application holds the connection that the commit waits for. That cannot
// end well, but the error and the event name it (G5, G13), and to commit the
// session first is the way out that the guide shows.
func TestHandlerHoldsTheConnection(t *testing.T) {
	t.Parallel()
	for _, c := range stuckCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := c.db(t)
			if _, err := db.ExecContext(t.Context(), "CREATE TABLE orders (n INTEGER)"); err != nil {
				t.Fatal(err)
			}
			events := make(chan coatcheck.Event, 16)
			var seen error
			site := stuckSite(t, c, db, func(e coatcheck.Event) { events <- e }, func(err error) { seen = err })

			answer := httptest.NewRecorder()
			site.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/order", nil))
			if answer.Code != http.StatusServiceUnavailable || strings.Contains(answer.Body.String(), "MaxOpenConns") {
				t.Errorf("got %d %q, want 503 without an internal word", answer.Code, answer.Body)
			}
			if seen == nil || !strings.Contains(seen.Error(), c.want) || strings.Contains(seen.Error(), "\n") {
				t.Errorf("the error is %v; want %q in it", seen, c.want)
			}
			if e := receive(t, events, "an event"); e.Kind != coatcheck.StoreError || e.Err == nil || !strings.Contains(e.Err.Error(), c.want) {
				t.Errorf("the event is %v %v; want a store error with %q", e.Kind, e.Err, c.want)
			}

			answer = httptest.NewRecorder()
			site.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/order-after-commit", nil))
			if answer.Code != http.StatusOK || len(answer.Result().Cookies()) == 0 {
				t.Errorf("with the session committed first: got %d %q, want 200 and a session", answer.Code, answer.Body)
			}
			var rows int
			if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM orders").Scan(&rows); err != nil || rows != 2 {
				t.Errorf("got %d orders, %v; want both: a handler's own transaction is its own", rows, err)
			}
		})
	}
}

// stuckSite has a handler that changes its session within a transaction of its
// own, and one that commits the session first.
func stuckSite(t *testing.T, c stuckCase, db *sql.DB, event func(coatcheck.Event), seen func(error)) http.Handler {
	t.Helper()
	store := newSQLStore(t, db, c.dialect, "")
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := coatcheck.New(store, keys, coatcheck.Config{Events: event})
	if err != nil {
		t.Fatal(err)
	}
	orders := coatcheck.NewKey[int]("orders")
	order := func(w http.ResponseWriter, r *http.Request, change func(s *coatcheck.Session)) {
		tx, err := db.BeginTx(r.Context(), nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer tx.Commit()
		if _, err := tx.ExecContext(r.Context(), c.insert); err != nil {
			t.Error(err)
		}
		change(coatcheck.From(r.Context()))
		w.Write([]byte("ordered"))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /order", func(w http.ResponseWriter, r *http.Request) {
		order(w, r, func(s *coatcheck.Session) {
			orders.Update(s, func(n int) int { return n + 1 })
			seen(s.Err())
		})
	})
	mux.HandleFunc("POST /order-after-commit", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		orders.Update(s, func(n int) int { return n + 1 })
		if err := s.Commit(); err != nil {
			t.Error(err)
			return
		}
		order(w, r, func(*coatcheck.Session) {})
	})
	return sessions.Handler(mux)
}
