//go:build linux

package integration_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
)

func newMariaDBStores(t *testing.T, parameters ...string) func(*testing.T) store.Store {
	server := servers.MariaDB(t)
	db := openSQL(t, "mysql", server.DSN(server.NewDatabase(t), parameters...))
	return emptied(t, sqlstore.MySQL, db)
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	storetest.Run(t, newMariaDBStores(t))
}

func TestMariaDBFoundRows(t *testing.T) {
	t.Parallel()
	storetest.Run(t, newMariaDBStores(t, "clientFoundRows=true", "interpolateParams=true"))
}

// MySQL is another program than MariaDB, and has another SQL: see Migrate.
func TestMySQL(t *testing.T) {
	t.Parallel()
	server := servers.NewMySQL(t)
	open := func(parameters ...string) func(*testing.T) store.Store {
		return emptied(t, sqlstore.MySQL, openSQL(t, "mysql", server.DSN(server.NewDatabase(t), parameters...)))
	}
	t.Run("contract", func(t *testing.T) { storetest.Run(t, open()) })
	t.Run("found rows", func(t *testing.T) { storetest.Run(t, open("clientFoundRows=true", "interpolateParams=true")) })
	t.Run("race", func(t *testing.T) { storetest.Race(t, open("interpolateParams=true"), 300) })
	t.Run("one row", func(t *testing.T) { lostRaces(t, open("interpolateParams=true")(t)) })
}

func TestMariaDBRace(t *testing.T) {
	t.Parallel()
	storetest.Race(t, newMariaDBStores(t, "interpolateParams=true"), 1000)
}

// S3: a lost race is a conflict, or is run again, whatever the server calls it:
// with innodb_snapshot_isolation, which MariaDB 11.6 has by itself, it is error
// 1020, and where others wait for long it is 1205.
func TestMariaDBIsolation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		options []string
	}{
		{"serializable snapshots", []string{"--innodb-snapshot-isolation=ON", "--transaction-isolation=SERIALIZABLE"}},
		{"repeatable snapshots", []string{"--innodb-snapshot-isolation=ON", "--transaction-isolation=REPEATABLE-READ"}},
		{"serializable", []string{"--transaction-isolation=SERIALIZABLE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := servers.NewMariaDB(t, append(c.options, "--innodb-flush-log-at-trx-commit=0")...)
			open := func(t *testing.T) store.Store {
				return emptied(t, sqlstore.MySQL, openSQL(t, "mysql", server.DSN(server.NewDatabase(t), "interpolateParams=true")))(t)
			}
			t.Run("contract", func(t *testing.T) { storetest.Run(t, open) })
			t.Run("race", func(t *testing.T) { storetest.Race(t, open, 300) })
			t.Run("one row", func(t *testing.T) { lostRaces(t, open(t)) })
		})
	}
}

// lostRaces lets many write one session: each either has its version stored or
// is told of the conflict.
func lostRaces(t *testing.T, st store.Store) {
	rec := newRecord("user")
	if err := st.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	var stored, conflicts atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 30 {
				now, err := st.Load(t.Context(), rec.ID)
				if err != nil {
					t.Error(err)
					return
				}
				ifVersion := now.Version
				now.Version = newVersion()
				switch err = st.Update(t.Context(), now, ifVersion); {
				case err == nil:
					stored.Add(1)
				case errors.Is(err, coatcheck.ErrConflict):
					conflicts.Add(1)
				default:
					t.Errorf("Update: got error %v, want none or %v", err, coatcheck.ErrConflict)
				}
				if err := st.Touch(t.Context(), rec.ID, time.Now(), rec.Expires); err != nil {
					t.Errorf("Touch: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if stored.Load() == 0 || conflicts.Load() == 0 {
		t.Errorf("%d stored, %d conflicts: nobody raced", stored.Load(), conflicts.Load())
	}
	t.Logf("%d stored, %d conflicts", stored.Load(), conflicts.Load())
}
