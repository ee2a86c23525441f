//go:build linux

package integration_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

const million = 1_000_000

// loads are the statements that make sessions 1 to N of 208 bytes of data, two
// for each user, each odd one past its deadline. Parameters are in braces.
var loads = map[sqlstore.Dialect]string{
	sqlstore.PostgreSQL: `INSERT INTO {prefix}sessions (id, version, usr, auth_time, created, seen, expires, deadline, data)
		SELECT sha256(i::text::bytea), i, ('user' || (i / 2))::bytea, {now}, {now}, {now},
			{now} + (1 - 2 * (i % 2)) * 3600000000 + i, {now} + (1 - 2 * (i % 2)) * 3600000000 + i, decode(repeat(md5(i::text), 13), 'hex')
		FROM generate_series(1::bigint, {n}) AS i`,
	sqlstore.MySQL: `INSERT INTO {prefix}sessions (id, version, usr, auth_time, created, seen, expires, deadline, data)
		SELECT UNHEX(SHA2(seq, 256)), seq, CONCAT('user', seq DIV 2), {now}, {now}, {now},
			{now} + IF(seq % 2, -3600000000, 3600000000) + seq, {now} + IF(seq % 2, -3600000000, 3600000000) + seq, UNHEX(REPEAT(MD5(seq), 13))
		FROM seq_1_to_{n}`,
	sqlstore.SQLite: `WITH RECURSIVE seq(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM seq WHERE i < {n})
		INSERT INTO {prefix}sessions (id, version, usr, auth_time, created, seen, expires, deadline, data)
		SELECT randomblob(32), i, CAST('user' || (i / 2) AS BLOB), {now}, {now}, {now},
			{now} + (1 - 2 * (i % 2)) * 3600000000 + i, {now} + (1 - 2 * (i % 2)) * 3600000000 + i, randomblob(208) FROM seq`,
}

func load(t *testing.T, db *sql.DB, dialect sqlstore.Dialect, prefix string, n int) {
	t.Helper()
	query := strings.NewReplacer("{prefix}", prefix, "{n}", fmt.Sprint(n), "{now}", fmt.Sprint(time.Now().UnixMicro())).Replace(loads[dialect])
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

// sample returns ids of sessions that are not over.
func sample(t *testing.T, db *sql.DB, dialect sqlstore.Dialect, prefix string, n int) []store.ID {
	t.Helper()
	list := make([]store.ID, 500)
	for i := range list {
		number := (rand.IntN(n/2) + 1) * 2
		if dialect != sqlstore.SQLite {
			list[i] = sha256.Sum256(fmt.Append(nil, number))
			continue
		}
		var id []byte
		if err := db.QueryRowContext(t.Context(), "SELECT id FROM "+prefix+"sessions WHERE version = rowid AND rowid = ?", number).Scan(&id); err != nil {
			t.Fatal(err)
		}
		list[i] = store.ID(id)
	}
	return list
}

// times are how long calls took, in order.
type times []time.Duration

func (d times) String() string {
	slices.Sort(d)
	return fmt.Sprintf("median %v, 99 of 100 within %v, longest %v", d[len(d)/2], d[len(d)*99/100], d[len(d)-1])
}

// readAll loads each of the ids and returns how long that took.
func readAll(ctx context.Context, st store.Store, ids []store.ID) (took times, err error) {
	for _, id := range ids {
		start := time.Now()
		if _, err := st.Load(ctx, id); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// testMillion compares a million sessions with a thousand, and removes half of
// them while reads go on. Times are reported and decide nothing.
func testMillion(t *testing.T, db *sql.DB, dialect sqlstore.Dialect, n int) {
	few := newSQLStore(t, db, dialect, "few_")
	many := newSQLStore(t, db, dialect, "many_")
	before, err := many.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	load(t, db, dialect, "few_", 1000)
	start := time.Now()
	load(t, db, dialect, "many_", n)
	t.Logf("loaded in %v", time.Since(start))
	st, err := many.Stats(t.Context())
	if counted := st.Sessions != -1 || st.Tombstones != -1 || st.Users != -1; err != nil || counted && n == million {
		t.Errorf("Stats of so many: got %+v and error %v, want -1 for what is counted", st, err)
	}
	t.Logf("%d bytes a session of 208 bytes of data, all indexes included", (st.Bytes-before.Bytes)/int64(n))

	ids := sample(t, db, dialect, "many_", n)
	for _, s := range []struct {
		name  string
		store store.Store
		ids   []store.ID
	}{{"1000", few, sample(t, db, dialect, "few_", 1000)}, {fmt.Sprint(n), many, ids}} {
		_, _ = readAll(t.Context(), s.store, s.ids) // connections, caches
		took, err := readAll(t.Context(), s.store, s.ids)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("Load among %s: %v", s.name, took)
	}
	listUsers(t, many, n)
	sweepHalf(t, many, ids, n)
	var left int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM many_sessions").Scan(&left); err != nil || left != n/2 {
		t.Errorf("after Sweep: got %d sessions and error %v, want %d", left, err, n/2)
	}
	behindConsole(t, many, n)
}

func listUsers(t *testing.T, st store.Store, n int) {
	t.Helper()
	var took times
	for range 300 {
		start := time.Now()
		list, err := st.User(t.Context(), fmt.Sprint("user", 1+rand.IntN(n/2-1)))
		if err != nil || len(list) != 2 {
			t.Fatalf("User: got %d sessions and error %v, want 2", len(list), err)
		}
		took = append(took, time.Since(start))
	}
	t.Logf("User among %d: %v", n, took)
}

func sweepHalf(t *testing.T, st store.Store, ids []store.ID, all int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type result struct {
		took times
		err  error
	}
	reads := make(chan result, 1)
	go func() {
		var total result
		for total.err == nil && ctx.Err() == nil {
			var took times
			took, total.err = readAll(t.Context(), st, ids[:50])
			total.took = append(total.took, took...)
		}
		reads <- total
	}()
	start, removed := time.Now(), 0
	for {
		n, err := st.Sweep(t.Context(), time.Now(), 10_000)
		if err != nil {
			t.Fatal(err)
		}
		if removed += n; n == 0 {
			break
		}
	}
	t.Logf("swept %d sessions in %v", removed, time.Since(start))
	cancel()
	total := receive(t, reads, "the end of the reads")
	if total.err != nil || removed != all/2 {
		t.Errorf("Sweep while reads go on: removed %d, want %d; reads: %v", removed, all/2, total.err)
		return
	}
	t.Logf("meanwhile Load: %v (%d calls)", total.took, len(total.took))
}

func TestPostgresMillion(t *testing.T) {
	server := servers.NewPostgres(t)
	testMillion(t, openSQL(t, "pgx", server.DSN(server.NewDatabase(t))), sqlstore.PostgreSQL, million)
}

func TestMariaDBMillion(t *testing.T) {
	server := servers.NewMariaDB(t)
	testMillion(t, openSQL(t, "mysql", server.DSN(server.NewDatabase(t), "interpolateParams=true")), sqlstore.MySQL, million)
}

func TestSQLiteMillion(t *testing.T) {
	n := million
	if raced { // TestSQLiteUnraced has the million
		n = 20_000
	}
	testMillion(t, openSQLiteWith(t, filepath.Join(t.TempDir(), "sessions.db"), "&_pragma=cache_size(-200000)"+unsynced), sqlstore.SQLite, n)
}
