//go:build linux

package drivers_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	_ "github.com/glebarez/go-sqlite" // "sqlite"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"                    // "postgres"
	_ "github.com/ncruces/go-sqlite3/driver" // "sqlite3"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

// newStore returns a store with its tables in a database that is closed with
// the test.
func newStore(t *testing.T, db *sql.DB, dialect sqlstore.Dialect, prefix string) store.Store {
	t.Helper()
	st, err := sqlstore.New(db, dialect, sqlstore.Config{Prefix: prefix})
	if err == nil {
		err = st.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// holds runs the contract, and the rules on calls at once a few more times.
func holds(t *testing.T, open func(*testing.T) store.Store) {
	t.Helper()
	storetest.Run(t, open)
	storetest.Race(t, open, 30)
}

// The table of drivers in docs/guide/stores.md says what is run here.
func TestSQLiteDrivers(t *testing.T) {
	t.Parallel()
	for _, driver := range []struct{ name, module string }{
		{"sqlite", "glebarez"},
		{"sqlite3", "ncruces"},
	} {
		t.Run(driver.module, func(t *testing.T) {
			t.Parallel()
			holds(t, func(t *testing.T) store.Store {
				file := filepath.Join(t.TempDir(), "sessions.db")
				db, err := sql.Open(driver.name, "file:"+file+"?_pragma=busy_timeout(100)&_pragma=synchronous(FULL)")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { db.Close() })
				return newStore(t, db, sqlstore.SQLite, "")
			})
		})
	}
}

// postgres runs the contract in tables of their own in one database.
func postgres(t *testing.T, db *sql.DB) {
	t.Helper()
	var n atomic.Int64
	holds(t, func(t *testing.T) store.Store {
		return newStore(t, db, sqlstore.PostgreSQL, fmt.Sprintf("t%d_", n.Add(1)))
	})
}

func TestLibPQ(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t)
	db, err := sql.Open("postgres", server.DSN(server.NewDatabase(t)))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	t.Cleanup(func() { db.Close() })
	postgres(t, db)
}

// A pgxpool.Pool that the application has is used as it is, and stays its own.
func TestPgxPool(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t)
	pool, err := pgxpool.New(t.Context(), server.DSN(server.NewDatabase(t), "pool_max_conns=16"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	db := stdlib.OpenDBFromPool(pool)
	t.Run("contract", func(t *testing.T) { postgres(t, db) })
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := pool.Ping(t.Context()); err != nil || pool.Stat().AcquiredConns() != 0 {
		t.Errorf("after the store: %v, %d connections of the pool taken; want it to go on, and none", err, pool.Stat().AcquiredConns())
	}
}
