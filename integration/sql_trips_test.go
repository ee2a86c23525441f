//go:build linux

package integration_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// trips are the calls of the contract and how many statements the server sees
// for each, those that begin and end a transaction included.
func trips(t *testing.T, st store.Store, count func() int, want map[string]int) {
	t.Helper()
	anonymous, a, b := newRecord(""), newRecord("user"), newRecord("user")
	login := newRecord("user")
	until := time.Now().Add(time.Hour)
	next := a
	next.Version = newVersion()
	ctx := t.Context()
	for _, step := range []struct {
		name string
		call func() error
	}{
		{"Create anonymous", func() error { return st.Create(ctx, anonymous) }},
		{"Create", func() error { return st.Create(ctx, a) }},
		{"Load", func() error { _, err := st.Load(ctx, a.ID); return err }},
		{"Update", func() error { return st.Update(ctx, next, a.Version) }},
		{"Touch", func() error { return st.Touch(ctx, a.ID, a.Seen.Add(time.Minute), a.Expires) }},
		{"Replace", func() error {
			return st.Replace(ctx, anonymous.ID, anonymous.Version, login, login.Seen.Add(time.Minute))
		}},
		{"User", func() error { _, err := st.User(ctx, "user"); return err }},
		{"End", func() error { _, err := st.End(ctx, a.ID, until); return err }},
		{"Create again", func() error { return st.Create(ctx, b) }},
		{"EndUser", func() error { _, err := st.EndUser(ctx, "user", time.Now(), until); return err }},
	} {
		before := count()
		if err := step.call(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := count() - before; want[step.name] != 0 && got != want[step.name] {
			t.Errorf("%s: the server saw %d statements, want %d", step.name, got, want[step.name])
		}
	}
}

func TestPostgresTrips(t *testing.T) {
	server := servers.Postgres(t)
	name := server.NewDatabase(t)
	observer := openSQL(t, "pgx", server.DSN(name))
	db := openSQL(t, "pgx", server.DSN(name))
	db.SetMaxOpenConns(1)
	st := newSQLStore(t, db, sqlstore.PostgreSQL, "")
	count := func() int { return statements(t, observer) }
	trips(t, st, count, map[string]int{
		"Create anonymous": 1, "Create": 1, "Load": 1, "Update": 1, "Touch": 1, "Replace": 1, "User": 1, "End": 1,
		"EndUser": 4, // begin, revocation, sessions, commit
	})
}

// statements is how many the server has run in this database, but for this one.
func statements(t *testing.T, observer *sql.DB) (n int) {
	t.Helper()
	err := observer.QueryRowContext(t.Context(), `SELECT COALESCE(SUM(calls), 0) FROM pg_stat_statements
		JOIN pg_database ON pg_database.oid = dbid WHERE datname = current_database() AND query NOT LIKE '%pg_stat_statements%'`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What is touched or updated gets no new entry in any index.
func TestPostgresTouchesNoIndex(t *testing.T) {
	server := servers.Postgres(t)
	db := openSQL(t, "pgx", server.DSN(server.NewDatabase(t)))
	db.SetMaxOpenConns(1) // so that its counters are flushed together
	st := newSQLStore(t, db, sqlstore.PostgreSQL, "")
	const sessions, rounds = 50, 20
	for range sessions {
		rec := newRecord("user")
		if err := st.Create(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		for n := range rounds {
			next := rec
			next.Version = newVersion()
			if err := st.Update(t.Context(), next, rec.Version); err != nil {
				t.Fatal(err)
			}
			rec = next
			if err := st.Touch(t.Context(), rec.ID, rec.Seen.Add(time.Duration(n)*time.Second), rec.Expires); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := db.ExecContext(t.Context(), "SELECT pg_stat_force_next_flush()"); err != nil {
		t.Fatal(err)
	}
	var updates, hot int
	err := db.QueryRowContext(t.Context(), "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'coatcheck_sessions'").Scan(&updates, &hot)
	if err != nil {
		t.Fatal(err)
	}
	if updates != 2*sessions*rounds || hot < updates*95/100 {
		t.Errorf("got %d updates, %d of them without a change of an index; want %d, nearly all", updates, hot, 2*sessions*rounds)
	}
	t.Logf("%d of %d updates changed no index", hot, updates)
}

func TestMariaDBTrips(t *testing.T) {
	server := servers.NewMariaDB(t) // the server counts for all databases together
	name := server.NewDatabase(t)
	dsn := server.DSN(name, "interpolateParams=true")
	observer := openSQL(t, "mysql", dsn)
	db := openSQL(t, "mysql", dsn)
	db.SetMaxOpenConns(1)
	st := newSQLStore(t, db, sqlstore.MySQL, "")
	status, err := observer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer status.Close()
	own := 0
	count := func() int {
		t.Helper()
		n := questions(t.Context(), t, status)
		own++
		return n - own
	}
	trips(t, st, count, map[string]int{
		"Create anonymous": 1, "Load": 1, "Update": 1, "Touch": 1, "User": 1,
		"End":     2, // and its successor
		"Create":  6, // level, begin, hold, lock, insert, commit
		"Replace": 8, // and the old session: lock, entomb
		"EndUser": 7, // level, begin, revocation, list, two sessions, commit
	})
}

// Without interpolateParams the driver prepares each statement; those of nearly
// every request are prepared once on a connection and then are one round trip.
func TestMariaDBPreparesOnce(t *testing.T) {
	server := servers.NewMariaDB(t)
	name := server.NewDatabase(t)
	db := openSQL(t, "mysql", server.DSN(name))
	db.SetMaxOpenConns(1)
	st := newSQLStore(t, db, sqlstore.MySQL, "")
	observer := openSQL(t, "mysql", server.DSN(name, "interpolateParams=true"))
	rec := newRecord("user")
	if err := st.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	request := func() {
		t.Helper()
		if err := useOnce(t.Context(), st, &rec); err != nil {
			t.Fatal(err)
		}
	}
	prepared := func() int { return status(t.Context(), t, observer, "Com_stmt_prepare") }
	before := prepared()
	for range 3 { // a statement is prepared when it is first used, and again where it was not yet known
		request()
	}
	if first := prepared() - before; first < 3 {
		t.Fatalf("%d statements were prepared, want those of Load, Update and Touch", first)
	}
	before = prepared()
	for range 20 {
		request()
	}
	if more := prepared() - before; more != 0 {
		t.Errorf("%d statements were prepared once more, want none", more)
	}
}

// Where the server takes no more prepared statements, the store does without.
func TestMariaDBWithoutPrepared(t *testing.T) {
	server := servers.NewMariaDB(t)
	name := server.NewDatabase(t)
	db := openSQL(t, "mysql", server.DSN(name, "interpolateParams=true"))
	st := newSQLStore(t, db, sqlstore.MySQL, "")
	rec := newRecord("user")
	if err := st.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := useOnce(t.Context(), st, &rec); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(t.Context(), "SET GLOBAL max_prepared_stmt_count = 0"); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"on a new connection", "from the start"} {
		if how == "on a new connection" {
			db.SetMaxIdleConns(0) // each call has one
		} else {
			st = newSQLStore(t, db, sqlstore.MySQL, "")
		}
		if err := useOnce(t.Context(), st, &rec); err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// useOnce is what a request does that counts and is the first for a while.
func useOnce(ctx context.Context, st store.Store, rec *store.Record) error {
	if _, err := st.Load(ctx, rec.ID); err != nil {
		return err
	}
	ifVersion := rec.Version
	rec.Version = newVersion()
	if err := st.Update(ctx, *rec, ifVersion); err != nil {
		return err
	}
	rec.Seen, rec.Expires = rec.Seen.Add(time.Second), rec.Expires.Add(time.Second)
	return st.Touch(ctx, rec.ID, rec.Seen, rec.Expires)
}

// status is a number that the server counts.
func status(ctx context.Context, t *testing.T, db *sql.DB, what string) (n int) {
	t.Helper()
	var name string
	if err := db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE '"+what+"'").Scan(&name, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func questions(ctx context.Context, t *testing.T, conn *sql.Conn) (n int) {
	t.Helper()
	var name string
	if err := conn.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
