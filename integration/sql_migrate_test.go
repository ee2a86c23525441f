//go:build linux

package integration_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
)

// A sqlDatabase is an empty database of each kind.
type sqlDatabase struct {
	name    string
	dialect sqlstore.Dialect
	open    func() *sql.DB // as another process would
}

func sqlDatabases(t *testing.T) []sqlDatabase {
	file := filepath.Join(t.TempDir(), "sessions.db")
	postgres, mariadb := servers.Postgres(t), servers.MariaDB(t)
	pg, my := postgres.NewDatabase(t), mariadb.NewDatabase(t)
	return []sqlDatabase{
		{"SQLite", sqlstore.SQLite, func() *sql.DB { return openSQLite(t, file) }},
		{"PostgreSQL", sqlstore.PostgreSQL, func() *sql.DB { return openSQL(t, "pgx", postgres.DSN(pg)) }},
		{"MariaDB", sqlstore.MySQL, func() *sql.DB { return openSQL(t, "mysql", mariadb.DSN(my, "interpolateParams=true")) }},
	}
}

// Many instances start at once on an empty database, and again later.
func TestMigrateTogether(t *testing.T) {
	for _, d := range sqlDatabases(t) {
		t.Run(d.name, func(t *testing.T) {
			const instances = 8
			errs := make([]error, instances)
			var wg sync.WaitGroup
			for i := range instances {
				st, err := sqlstore.New(d.open(), d.dialect, sqlstore.Config{})
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() {
					if errs[i] = st.Migrate(t.Context()); errs[i] == nil {
						errs[i] = st.Create(t.Context(), newRecord("user"))
					}
				})
			}
			wg.Wait()
			for _, err := range errs {
				if err != nil {
					t.Errorf("Migrate by several at once: %v", err)
				}
			}
			st := newSQLStore(t, d.open(), d.dialect, "")
			if list, err := st.User(t.Context(), "user"); err != nil || len(list) != instances {
				t.Errorf("after Migrate: got %d sessions and error %v, want %d", len(list), err, instances)
			}
			stats, err := st.Stats(t.Context())
			if err != nil || stats.Sessions != instances || stats.Tombstones != 0 || stats.Users != 1 || stats.Bytes <= 0 {
				t.Errorf("Stats: got %+v and error %v, want %d sessions of 1 user", stats, err, instances)
			}
		})
	}
}

// What Schema prints is all that a store needs: Migrate then changes nothing.
func TestSchemaByHand(t *testing.T) {
	for _, d := range sqlDatabases(t) {
		t.Run(d.name, func(t *testing.T) {
			db := d.open()
			schema, err := sqlstore.Schema(d.dialect, sqlstore.Config{})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				for stmt := range strings.SplitSeq(strings.TrimSuffix(schema, ";\n"), ";\n") {
					if _, err := db.ExecContext(t.Context(), stmt); err != nil {
						t.Fatalf("%v in:\n%s", err, stmt)
					}
				}
			}
			st := newSQLStore(t, db, d.dialect, "")
			if err := storetest.Check(t.Context(), st); err != nil {
				t.Error(err)
			}
		})
	}
}

// A program may run, and call Migrate, without the right to change the schema.
func TestMigrateWithoutRights(t *testing.T) {
	server := servers.Postgres(t)
	name := server.NewDatabase(t)
	owner := openSQL(t, "pgx", server.DSN(name))
	newSQLStore(t, owner, sqlstore.PostgreSQL, "")
	for _, stmt := range []string{
		"DROP ROLE IF EXISTS app", "CREATE ROLE app LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app",
	} {
		if _, err := owner.ExecContext(t.Context(), stmt); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_, _ = owner.Exec("DROP OWNED BY app")
		_, _ = owner.Exec("DROP ROLE app")
	})
	app := openSQL(t, "pgx", strings.Replace(server.DSN(name), "coatcheck@", "app@", 1))
	t.Cleanup(func() { app.Close() })
	if err := storetest.Check(t.Context(), newSQLStore(t, app, sqlstore.PostgreSQL, "")); err != nil {
		t.Error(err)
	}
}

// The sessions may be a table in parts, as the guide says.
func TestPostgresPartitioned(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t)
	db := openSQL(t, "pgx", server.DSN(server.NewDatabase(t)))
	n := 0
	storetest.Run(t, func(t *testing.T) store.Store {
		n++
		prefix := "p" + string(rune('a'+n/26)) + string(rune('a'+n%26)) + "_"
		schema, err := sqlstore.Schema(sqlstore.PostgreSQL, sqlstore.Config{Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		partitioned := strings.Replace(schema, ") WITH (fillfactor = 80)", ") PARTITION BY HASH (id)", 1)
		for _, part := range []string{"0", "1", "2", "3"} {
			partitioned += "CREATE TABLE " + prefix + "sessions_" + part + " PARTITION OF " + prefix + "sessions" +
				" FOR VALUES WITH (MODULUS 4, REMAINDER " + part + ") WITH (fillfactor = 80);\n"
		}
		for stmt := range strings.SplitSeq(strings.TrimSuffix(partitioned, ";\n"), ";\n") {
			if _, err := db.ExecContext(t.Context(), stmt); err != nil {
				t.Fatalf("%v in:\n%s", err, stmt)
			}
		}
		return newSQLStore(t, db, sqlstore.PostgreSQL, prefix)
	})
}

// Without a default database there is nowhere to make tables: the error says so
// at once.
func TestMigrateWithoutDatabase(t *testing.T) {
	db := openSQL(t, "mysql", servers.MariaDB(t).DSN(""))
	st, err := sqlstore.New(db, sqlstore.MySQL, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := st.Migrate(ctx); err == nil || !strings.Contains(err.Error(), "No database selected") {
		t.Errorf("Migrate: got error %v, want the server's: No database selected", err)
	}
}
