//go:build linux

package integration_test

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// G13: an error of the database, whatever it is, names no id and no data; also
// where the driver writes the values into the statement.
func TestSQLErrors(t *testing.T) {
	t.Parallel()
	check := "ALTER TABLE coatcheck_sessions ADD CONSTRAINT forbidden CHECK (version = 0)"
	for _, engine := range []struct {
		name    string
		dialect sqlstore.Dialect
		open    func(t *testing.T) *sql.DB
		forbid  string // every write of a session from now on
	}{
		{"SQLite", sqlstore.SQLite, func(t *testing.T) *sql.DB { return openSQLite(t, filepath.Join(t.TempDir(), "sessions.db")) },
			"CREATE TRIGGER forbidden BEFORE INSERT ON coatcheck_sessions BEGIN SELECT RAISE(ABORT, 'forbidden'); END"},
		{"PostgreSQL", sqlstore.PostgreSQL, func(t *testing.T) *sql.DB {
			server := servers.Postgres(t)
			return openSQL(t, "pgx", server.DSN(server.NewDatabase(t)))
		}, check + " NOT VALID"},
		{"MariaDB", sqlstore.MySQL, func(t *testing.T) *sql.DB {
			server := servers.MariaDB(t)
			return openSQL(t, "mysql", server.DSN(server.NewDatabase(t)))
		}, check},
		{"MariaDB, interpolated", sqlstore.MySQL, func(t *testing.T) *sql.DB {
			server := servers.MariaDB(t)
			return openSQL(t, "mysql", server.DSN(server.NewDatabase(t), "interpolateParams=true"))
		}, check},
	} {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			db := engine.open(t)
			st, err := sqlstore.New(db, engine.dialect, sqlstore.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if n := tellNothing(t, st); n < 8 {
				t.Errorf("without tables %d of 9 calls fail", n)
			}
			if err := st.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), engine.forbid); err != nil {
				t.Fatal(err)
			}
			if n := tellNothing(t, st); n == 0 {
				t.Error("no write was forbidden")
			}
			db.Close()
			if n := tellNothing(t, st); n < 8 {
				t.Errorf("after Close %d of 9 calls fail", n)
			}
		})
	}
}

// tellNothing calls every method and returns how many failed by more than an
// error of the contract.
func tellNothing(t *testing.T, st store.Store) (failed int) {
	t.Helper()
	ctx, rec, old := t.Context(), newRecord("alice"), newRecord("alice")
	createErr := st.Create(ctx, rec) // before the user is revoked
	_, loadErr := st.Load(ctx, rec.ID)
	_, endErr := st.End(ctx, old.ID, time.Now())
	_, endUserErr := st.EndUser(ctx, "alice", time.Now(), time.Now().Add(time.Minute), rec.ID)
	_, userErr := st.User(ctx, "alice")
	_, sweepErr := st.Sweep(ctx, time.Now(), 10)
	for _, err := range []error{loadErr, createErr, st.Update(ctx, rec, 1), st.Replace(ctx, old.ID, 1, rec, rec.Seen.Add(time.Minute)),
		st.Touch(ctx, rec.ID, time.Now(), time.Now()), endErr, endUserErr, userErr, sweepErr} {
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, coatcheck.ErrEnded) || errors.Is(err, coatcheck.ErrConflict) {
			continue
		}
		failed++
		text := strings.ToLower(err.Error())
		for _, secret := range [][]byte{rec.ID[:], old.ID[:], rec.Data, old.Data} {
			if bytes.Contains([]byte(err.Error()), secret[:6]) || strings.Contains(text, hex.EncodeToString(secret[:6])) {
				t.Errorf("the error tells what it should not: %q", err)
			}
		}
	}
	return failed
}
