//go:build linux

package integration_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
)

// A schema of its own, whose name needs quotes, holds the contract; through a
// pooler too, where a search_path belongs to nobody in particular.
func TestPostgresSchema(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t)
	name := server.NewDatabase(t)
	direct := openSQL(t, "pgx", server.DSN(name))
	pooled := openSQL(t, "pgx", servers.PgBouncer(t, server).DSN(name, "default_query_exec_mode=exec"))
	n := 0
	for what, db := range map[string]*sql.DB{"direct": direct, "PgBouncer": pooled} {
		t.Run(what, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) store.Store {
				n++
				return newSchemaStore(t, db, "Tenant-"+string(rune('a'+n/26%26))+string(rune('a'+n%26)))
			})
		})
	}
	// Nothing is anywhere else, whatever the search_path says.
	var outside int
	err := direct.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"+
		" WHERE relname LIKE 'coatcheck%' AND nspname NOT LIKE 'Tenant-%'").Scan(&outside)
	if err != nil || outside != 0 {
		t.Errorf("got %d tables and indexes outside the schemas, %v", outside, err)
	}
}

func newSchemaStore(t *testing.T, db *sql.DB, schema string) *sqlstore.Store {
	t.Helper()
	st, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{Schema: schema})
	if err == nil {
		err = st.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// Stores in different schemas know nothing of each other, Stats and Sweep
// included; what Schema prints is what Migrate makes; and a program without the
// right to make a schema uses one that is there.
func TestPostgresSchemasApart(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t)
	name := server.NewDatabase(t)
	db := openSQL(t, "pgx", server.DSN(name))
	text, err := sqlstore.Schema(sqlstore.PostgreSQL, sqlstore.Config{Schema: "Two"})
	if err != nil {
		t.Fatal(err)
	}
	for _, stmt := range []string{text, "CREATE ROLE " + name + "_user",
		`GRANT USAGE ON SCHEMA "Two" TO ` + name + "_user", `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "Two" TO ` + name + "_user"} {
		if _, err := db.ExecContext(t.Context(), stmt); err != nil {
			t.Fatalf("%.40s: %v", stmt, err)
		}
	}
	one := newSchemaStore(t, db, "one")
	restricted := openSQL(t, "pgx", strings.Replace(server.DSN(name), "?", "?options=-crole%3D"+name+"_user&", 1))
	two := newSchemaStore(t, restricted, "Two")
	if err := one.Create(t.Context(), newRecord("user")); err != nil {
		t.Fatal(err)
	}
	for want, st := range map[int64]*sqlstore.Store{1: one, 0: two} {
		st, err := st.Stats(t.Context())
		if err != nil || st.Sessions != want || st.Bytes <= 0 {
			t.Errorf("Stats: got %+v, %v; want %d sessions", st, err, want)
		}
	}
	if n, err := two.Sweep(t.Context(), time.Now().Add(1000*time.Hour), 100); n != 0 || err != nil {
		t.Errorf("Sweep of the other: got %d, %v; want 0", n, err)
	}
	if n, err := one.Sweep(t.Context(), time.Now().Add(1000*time.Hour), 100); n == 0 || err != nil {
		t.Errorf("Sweep: got %d, %v; want what has expired", n, err)
	}
}
