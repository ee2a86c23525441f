//go:build linux

package integration_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// each runs the work in one goroutine, and in 32. "raw" is the floor: the same
// with the driver alone, on a table of an id, data and a time of expiry.
func each(b *testing.B, name string, work func(ctx context.Context, n int) error) {
	for _, parallel := range []int{1, 32} {
		label := name + "/serial"
		if parallel > 1 {
			label = name + "/32 at once"
		}
		b.Run(label, func(b *testing.B) {
			b.ReportAllocs()
			var wg sync.WaitGroup
			for worker := range parallel {
				wg.Go(func() {
					for i := worker; i < b.N; i += parallel {
						if err := work(b.Context(), worker); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func records(b *testing.B, st store.Store, n int) []store.Record {
	b.Helper()
	recs := make([]store.Record, n)
	for i := range recs {
		recs[i] = newRecord("user")
		if err := st.Create(b.Context(), recs[i]); err != nil {
			b.Fatal(err)
		}
	}
	return recs
}

// countOnce is what a request that counts does: read, and write if unchanged.
func countOnce(ctx context.Context, st store.Store, id store.ID) error {
	rec, err := st.Load(ctx, id)
	if err != nil {
		return err
	}
	ifVersion := rec.Version
	rec.Version = newVersion()
	return st.Update(ctx, rec, ifVersion)
}

func BenchmarkPostgres(b *testing.B) {
	server := servers.NewPostgres(b)
	name := server.NewDatabase(b)
	db := openSQL(b, "pgx", server.DSN(name))
	db.SetMaxOpenConns(32)
	db.SetMaxIdleConns(32)
	st := newSQLStore(b, db, sqlstore.PostgreSQL, "")
	recs := records(b, st, 32)
	pool, err := pgxpool.New(b.Context(), server.DSN(name, "pool_max_conns=32"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	if _, err := pool.Exec(b.Context(), "CREATE TABLE raw (id BYTEA PRIMARY KEY, data BYTEA, expires BIGINT)"); err != nil {
		b.Fatal(err)
	}
	for _, rec := range recs {
		if _, err := pool.Exec(b.Context(), "INSERT INTO raw VALUES ($1, $2, $3)", rec.ID[:], rec.Data, rec.Expires.UnixMicro()); err != nil {
			b.Fatal(err)
		}
	}
	read := func(ctx context.Context, n int) (data []byte, err error) {
		var expires int64
		err = pool.QueryRow(ctx, "SELECT data, expires FROM raw WHERE id = $1", recs[n].ID[:]).Scan(&data, &expires)
		return data, err
	}
	each(b, "read/raw", func(ctx context.Context, n int) error { _, err := read(ctx, n); return err })
	each(b, "read/store", func(ctx context.Context, n int) error { _, err := st.Load(ctx, recs[n].ID); return err })
	each(b, "counter/raw", func(ctx context.Context, n int) error {
		data, err := read(ctx, n)
		if err == nil {
			_, err = pool.Exec(ctx, "UPDATE raw SET data = $2, expires = $3 WHERE id = $1", recs[n].ID[:], data, int64(n))
		}
		return err
	})
	each(b, "counter/store", func(ctx context.Context, n int) error { return countOnce(ctx, st, recs[n].ID) })
}

func BenchmarkMariaDB(b *testing.B) {
	server := servers.NewMariaDB(b)
	db := openSQL(b, "mysql", server.DSN(server.NewDatabase(b), "interpolateParams=true"))
	db.SetMaxOpenConns(32)
	db.SetMaxIdleConns(32)
	st := newSQLStore(b, db, sqlstore.MySQL, "")
	recs := records(b, st, 32)
	each(b, "read/store", func(ctx context.Context, n int) error { _, err := st.Load(ctx, recs[n].ID); return err })
	each(b, "counter/store", func(ctx context.Context, n int) error { return countOnce(ctx, st, recs[n].ID) })
}

func BenchmarkSQLite(b *testing.B) {
	db := openSQLite(b, filepath.Join(b.TempDir(), "sessions.db"))
	st := newSQLStore(b, db, sqlstore.SQLite, "")
	recs := records(b, st, 64)
	if _, err := db.Exec("CREATE TABLE raw (id BLOB PRIMARY KEY, data BLOB, expires INTEGER)"); err != nil {
		b.Fatal(err)
	}
	for _, rec := range recs {
		if _, err := db.Exec("INSERT INTO raw VALUES (?, ?, ?)", rec.ID[:], rec.Data, rec.Expires.UnixMicro()); err != nil {
			b.Fatal(err)
		}
	}
	const query = "SELECT data, expires FROM raw WHERE id = ?"
	prepared, err := db.Prepare(query)
	if err != nil {
		b.Fatal(err)
	}
	scan := func(row *sql.Row) error {
		var data []byte
		var expires int64
		return row.Scan(&data, &expires)
	}
	each(b, "read/raw", func(ctx context.Context, n int) error { return scan(db.QueryRowContext(ctx, query, recs[n].ID[:])) })
	each(b, "read/raw prepared", func(ctx context.Context, n int) error { return scan(prepared.QueryRowContext(ctx, recs[n].ID[:])) })
	each(b, "read/store", func(ctx context.Context, n int) error { _, err := st.Load(ctx, recs[n].ID); return err })
	for _, writers := range []int{1, 64} {
		label := "durable update/serial"
		if writers > 1 {
			label = "durable update/64 at once"
		}
		b.Run(label, func(b *testing.B) {
			var wg sync.WaitGroup
			for worker := range writers {
				wg.Go(func() {
					for i := worker; i < b.N; i += writers {
						rec := recs[worker]
						ifVersion := rec.Version
						rec.Version = newVersion()
						if err := st.Update(b.Context(), rec, ifVersion); err != nil {
							b.Error(err)
							return
						}
						recs[worker] = rec
					}
				})
			}
			wg.Wait()
		})
	}
}
