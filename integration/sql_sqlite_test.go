package integration_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
	_ "modernc.org/sqlite"
)

// openSQLite opens a database file with the pragmas that the guide asks for.
func openSQLite(t testing.TB, file string) *sql.DB { return openSQLiteWith(t, file, "") }

func openSQLiteWith(t testing.TB, file, parameters string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(100)&_pragma=synchronous(FULL)"+parameters)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// newSQLStore returns a store in db, with its tables.
func newSQLStore(t testing.TB, db *sql.DB, dialect sqlstore.Dialect, prefix string) *sqlstore.Store {
	t.Helper()
	st, err := sqlstore.New(db, dialect, sqlstore.Config{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

func newSQLite(t *testing.T) store.Store {
	return newSQLStore(t, openSQLite(t, filepath.Join(t.TempDir(), "sessions.db")), sqlstore.SQLite, "")
}

// unsynced is for tests that commit so often that they would be one of the disk. Nobody
// pulls the plug in them.
const unsynced = "&_pragma=synchronous(OFF)"

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, newSQLite)
}

func TestSQLiteRace(t *testing.T) {
	t.Parallel()
	rounds := 1000
	if raced { // TestSQLiteUnraced has them all
		rounds = 30
	}
	storetest.Race(t, func(t *testing.T) store.Store {
		return newSQLStore(t, openSQLiteWith(t, filepath.Join(t.TempDir(), "sessions.db"), unsynced), sqlstore.SQLite, "")
	}, rounds)
}
