//go:build linux

package drivers_test

import (
	"database/sql"
	"os"
	"testing"
)

// PGlite is PostgreSQL compiled to WebAssembly, which is a package of npm and so
// not started here: docs/guide/stores.md says how it was. It has one connection.
func TestPGlite(t *testing.T) {
	dsn := os.Getenv("COATCHECK_PGLITE")
	if dsn == "" {
		t.Skip("COATCHECK_PGLITE is not set; want the connection string of a pglite-server")
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	postgres(t, db)
}
