//go:build linux

package benchmarks_test

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/benchmarks"
	ours "github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// BenchmarkHeld is what each of -held sessions takes, with 200 bytes of data and
// with all indexes, two sessions to a user, and how long a store takes to load
// one of them and one among a thousand. Servers make the sessions themselves, in
// the layout of the store, which then loads them.
func BenchmarkHeld(b *testing.B) {
	b.Run("memstore", func(b *testing.B) {
		few, many := memoryHolding(b, 1000), memoryHolding(b, *held)
		heldRows(b, few, many)
	})
	b.Run("sqlite", func(b *testing.B) {
		heldRows(b, sqliteHolding(b, 1000), sqliteHolding(b, *held))
	})
	b.Run("postgres", func(b *testing.B) {
		few := postgresHolding(b, 1000)
		heldRows(b, few, postgresHolding(b, *held))
	})
	b.Run("redis", func(b *testing.B) {
		few := redisHolding(b, 1000)
		heldRows(b, few, redisHolding(b, *held))
	})
}

// A filled store has n sessions.
type filled struct {
	st   store.Store
	n    int
	each float64 // bytes
	id   func(i int) store.ID
}

func heldRows(b *testing.B, stores ...filled) {
	for _, f := range stores {
		b.Run(fmt.Sprintf("load-%d", f.n), func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, uint64(f.n)))
			for b.Loop() {
				if _, err := f.st.Load(context.Background(), f.id(random.IntN(f.n))); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(f.each, "B/session")
		})
	}
}

func memoryHolding(b *testing.B, n int) filled {
	before := heap()
	st := ours.New(ours.Config{MaxSessions: n, MaxBytes: 1 << 40})
	data := make([]byte, 200)
	for i := range n {
		rec := heldRecord(i)
		rec.Data = data
		if err := st.Create(context.Background(), rec); err != nil {
			b.Fatal(err)
		}
	}
	return filled{st, n, float64(heap().HeapAlloc-before.HeapAlloc) / float64(n), heldID}
}

// The statements that make sessions {from} to {to}. An id is a hash, so that
// indexes have it anywhere.
const (
	postgresFill = `INSERT INTO coatcheck_sessions (id, version, usr, auth_time, created, seen, expires, deadline, data)
		SELECT sha256(i::text::bytea), i + 1, ('user' || (i / 2))::bytea, {now}, {now}, {now}, {now} + 3600000000 + i, {now} + 43200000000 + i,
			decode(left(repeat(md5(i::text), 13), 400), 'hex') FROM generate_series({from}::bigint, {to}) AS i`
	sqliteFill = `WITH RECURSIVE seq(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM seq WHERE i < {to})
		INSERT INTO coatcheck_sessions (id, version, usr, auth_time, created, seen, expires, deadline, data)
		SELECT randomblob(32), i + 1, CAST('user' || (i / 2) AS BLOB), {now}, {now}, {now}, {now} + 3600000000 + i, {now} + 43200000000 + i,
			randomblob(200) FROM seq`
	// See redisstore/value.go for the layout.
	redisFill = `local prefix, now, expires, till, lease = ARGV[1], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
		for i = tonumber(ARGV[2]), tonumber(ARGV[3]) do
			local id, user = string.sub(redis.sha1hex(i), 1, 32), 'user' .. math.floor(i / 2)
			redis.call('SET', prefix .. 's' .. id, '\1' .. struct.pack('>I8', i + 1) .. now .. expires .. till .. now .. now ..
				string.char(#user) .. user .. string.sub(string.rep(id, 7), 1, 200), 'PXAT', lease)
			redis.call('HSET', prefix .. 'u{}' .. user, id, now .. now .. till)
			redis.call('PEXPIREAT', prefix .. 'u{}' .. user, lease + 120000)
		end`
)

// chunks calls f for the sessions of 0 to n, some at a time.
func chunks(b *testing.B, n, size int, f func(from, to int) error) {
	b.Helper()
	for from := 0; from < n; from += size {
		if err := f(from, min(from+size, n)-1); err != nil {
			b.Fatal(err)
		}
	}
}

func fillSQL(b *testing.B, db *sql.DB, dialect string, n int) {
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	run := func(text string) error {
		_, err := conn.ExecContext(ctx, text)
		return err
	}
	text, size := postgresFill, 200_000
	if dialect == benchmarks.SQLite {
		// Rows go anywhere in the indexes: with few in memory, each chunk would
		// write all of the file again.
		text, size = sqliteFill, 2_000_000
		if err := run("PRAGMA cache_size = -1500000; PRAGMA synchronous = OFF"); err != nil {
			b.Fatal(err)
		}
		defer run("PRAGMA cache_size = -2000; PRAGMA synchronous = NORMAL")
	}
	chunks(b, n, size, func(from, to int) error {
		return run(strings.NewReplacer("{from}", strconv.Itoa(from), "{to}", strconv.Itoa(to),
			"{now}", strconv.FormatInt(time.Now().UnixMicro(), 10)).Replace(text))
	})
}

// sqlHolding fills what a backend names.
func sqlHolding(b *testing.B, backend benchmarks.Backend, n int) (filled, *sql.DB) {
	st, db, err := benchmarks.SQLStore(backend)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	before, err := st.Stats(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	fillSQL(b, db, backend.Kind, n)
	after, err := st.Stats(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	return filled{st: st, n: n, each: float64(after.Bytes-before.Bytes) / float64(n)}, db
}

func sqliteHolding(b *testing.B, n int) filled {
	backend := benchmarks.Backend{Kind: benchmarks.SQLite, Addr: filepath.Join(b.TempDir(), "sessions.db")}
	f, db := sqlHolding(b, backend, n)
	ids := make([]store.ID, min(n, 4096)) // more than the caches of a processor hold
	for i := range ids {
		var id []byte
		if err := db.QueryRow("SELECT id FROM coatcheck_sessions WHERE rowid = ?", 1+i*(n/len(ids))).Scan(&id); err != nil {
			b.Fatal(err)
		}
		ids[i] = store.ID(id)
	}
	f.id = func(i int) store.ID { return ids[i%len(ids)] }
	return f
}

func postgresHolding(b *testing.B, n int) filled {
	server := postgresServer.get(b)
	name := fmt.Sprint("held", n)
	db, err := sql.Open("pgx", postgresURL(server.Addr))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		b.Fatal(err)
	}
	addr := strings.Replace(postgresURL(server.Addr), "/postgres?", "/"+name+"?", 1)
	f, _ := sqlHolding(b, benchmarks.Backend{Kind: benchmarks.Postgres, Addr: addr}, n)
	f.id = func(i int) store.ID { return sha256.Sum256([]byte(strconv.Itoa(i))) }
	return f
}

func redisHolding(b *testing.B, n int) filled {
	server := redisServer.get(b)
	prefix := fmt.Sprintf("held%d:", n)
	st, c, err := benchmarks.RedisStore(server.Addr, prefix)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	stamp := func(t time.Time) string {
		var text [8]byte
		for i, v := 0, uint64(t.UnixMicro())^1<<63; i < 8; i++ {
			text[i] = byte(v >> (56 - 8*i))
		}
		return string(text[:])
	}
	now := time.Now()
	till := now.Add(12 * time.Hour)
	before := redisMemory(b, c)
	chunks(b, n, 5000, func(from, to int) error {
		err := c.Do(context.Background(), c.B().Eval().Script(redisFill).Numkeys(0).Arg(prefix, strconv.Itoa(from), strconv.Itoa(to),
			stamp(now), stamp(now.Add(time.Hour)), stamp(till), strconv.FormatInt(till.Add(time.Minute).UnixMilli(), 10)).Build()).Error()
		if rueidis.IsRedisNil(err) { // which is what the script returns
			return nil
		}
		return err
	})
	return filled{st, n, (redisMemory(b, c) - before) / float64(n), func(i int) store.ID {
		sum := sha1.Sum([]byte(strconv.Itoa(i)))
		return store.ID([]byte(hex.EncodeToString(sum[:])[:32]))
	}}
}

func redisMemory(b *testing.B, c rueidis.Client) float64 {
	b.Helper()
	info, err := c.Do(context.Background(), c.B().Info().Section("memory").Build()).ToString()
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(info, "used_memory:")
	digits, _, _ := strings.Cut(rest, "\r\n")
	bytes, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}
