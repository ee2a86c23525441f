//go:build linux

package integration_test

import (
	"database/sql"
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
	_ "github.com/jackc/pgx/v5/stdlib"
)

// openSQL opens a database that is closed with the test.
func openSQL(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	t.Cleanup(func() { db.Close() })
	return db
}

// emptied returns what makes stores for storetest: each in the same database,
// with tables of its own.
func emptied(t *testing.T, dialect sqlstore.Dialect, db *sql.DB) func(*testing.T) store.Store {
	t.Helper()
	n := 0
	return func(t *testing.T) store.Store {
		n++
		return newSQLStore(t, db, dialect, "t"+string(rune('a'+n/26%26))+string(rune('a'+n%26))+"_")
	}
}

func newPostgresStores(t *testing.T) func(*testing.T) store.Store {
	server := servers.Postgres(t)
	db := openSQL(t, "pgx", server.DSN(server.NewDatabase(t)))
	return emptied(t, sqlstore.PostgreSQL, db)
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, newPostgresStores(t))
}

func TestPostgresRace(t *testing.T) {
	t.Parallel()
	storetest.Race(t, newPostgresStores(t), 1000)
}

func TestPgBouncer(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t)
	name := server.NewDatabase(t)
	db := openSQL(t, "pgx", servers.PgBouncer(t, server).DSN(name, "default_query_exec_mode=exec"))
	storetest.Run(t, emptied(t, sqlstore.PostgreSQL, db))
}
