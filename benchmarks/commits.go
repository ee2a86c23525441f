package benchmarks

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

// Commits write the next version of one of several sessions. Of one session
// there is one call at a time.
type Commits struct {
	Next  func(ctx context.Context, session int) error
	Close func() error
}

// StoreCommits commits to n sessions of 200 bytes through the store of a backend.
func StoreCommits(b Backend, n int) (Commits, error) {
	st, closeStore, err := coatcheckStore(b)
	if err != nil {
		return Commits{}, err
	}
	recs, err := committed(st, n)
	return Commits{
		Next: func(ctx context.Context, i int) error {
			ifVersion := recs[i].Version
			recs[i].Version++
			return st.Update(ctx, recs[i], ifVersion)
		},
		Close: closeStore,
	}, err
}

// committed makes n sessions.
func committed(st store.Store, n int) ([]store.Record, error) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	recs := make([]store.Record, n)
	for i := range recs {
		recs[i] = store.Record{
			Version: binary.LittleEndian.Uint64([]byte(rand.Text())) >> 1, User: "user" + strconv.Itoa(i), AuthTime: now, Created: now,
			Seen: now, Expires: now.Add(time.Hour), Deadline: now.Add(12 * time.Hour), Data: make([]byte, 200),
		}
		rand.Read(recs[i].ID[:])
		rand.Read(recs[i].Data)
		if err := st.Create(context.Background(), recs[i]); err != nil {
			return nil, err
		}
	}
	return recs, nil
}

// RawCommits is StoreCommits through the driver alone: the statement of the
// store, with the same parameters, in the same tables, for sessions of its own.
func RawCommits(b Backend, n int) (Commits, error) {
	st, closeStore, err := coatcheckStore(b)
	if err != nil {
		return Commits{}, err
	}
	recs, err := committed(st, n)
	if err = errors.Join(err, closeStore()); err != nil {
		return Commits{}, err
	}
	var write func(ctx context.Context, rec *store.Record, ifVersion uint64) (rows int64, err error)
	var closeDriver func() error
	switch b.Kind {
	case Postgres:
		write, closeDriver, err = rawPostgresCommit(b)
	case RedisDurable:
		write, closeDriver, err = rawRedisCommit(b, recs)
	default:
		write, closeDriver, err = rawSQLCommit(b)
	}
	return Commits{
		Next: func(ctx context.Context, i int) error {
			ifVersion := recs[i].Version
			recs[i].Version++
			rows, err := write(ctx, &recs[i], ifVersion)
			if err == nil && rows != 1 {
				err = fmt.Errorf("wrote %d rows; want 1", rows)
			}
			return err
		},
		Close: closeDriver,
	}, err
}

// updateText is the statement of sqlstore's Update.
func updateText(most string) string {
	return "UPDATE coatcheck_sessions SET version = ?, auth_time = ?, created = ?," +
		" seen = " + most + "(seen, ?), expires = " + most + "(expires, ?), deadline = ?, data = ?" +
		" WHERE id = ? AND version = ? AND version <> 0"
}

func updateArgs(rec *store.Record, ifVersion uint64) []any {
	return []any{
		int64(rec.Version), rec.AuthTime.UnixMicro(), rec.Created.UnixMicro(), rec.Seen.UnixMicro(), rec.Expires.UnixMicro(),
		rec.Deadline.UnixMicro(), rec.Data, rec.ID[:], int64(ifVersion),
	}
}

type rawCommit = func(ctx context.Context, rec *store.Record, ifVersion uint64) (int64, error)

func rawPostgresCommit(b Backend) (rawCommit, func() error, error) {
	cfg, err := pgxpool.ParseConfig(b.Addr)
	if err != nil {
		return nil, nil, err
	}
	cfg.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return nil, nil, err
	}
	text := updateText("GREATEST")
	for i := 1; strings.Contains(text, "?"); i++ {
		text = strings.Replace(text, "?", "$"+strconv.Itoa(i), 1)
	}
	return func(ctx context.Context, rec *store.Record, ifVersion uint64) (int64, error) {
		tag, err := pool.Exec(ctx, text, updateArgs(rec, ifVersion)...)
		return tag.RowsAffected(), err
	}, func() error { pool.Close(); return nil }, nil
}

// rawSQLCommit is a statement that is prepared once.
func rawSQLCommit(b Backend) (rawCommit, func() error, error) {
	db, err := openSQL(b)
	if err != nil {
		return nil, nil, err
	}
	most := "max"
	if b.Kind == MariaDB {
		most = "GREATEST"
	}
	statement, err := db.Prepare(updateText(most))
	return func(ctx context.Context, rec *store.Record, ifVersion uint64) (int64, error) {
		result, err := statement.ExecContext(ctx, updateArgs(rec, ifVersion)...)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}, db.Close, err
}

// redisScripts is where the scripts of redisstore are, seen from this folder,
// in which benchmarks run.
const redisScripts = "../redisstore/lua/"

// rawRedisCommit is the store's script with the same arguments. Its value is
// that of the session, with another version.
func rawRedisCommit(b Backend, recs []store.Record) (rawCommit, func() error, error) {
	update, err := os.ReadFile(redisScripts + "update.lua")
	if err != nil {
		return nil, nil, err
	}
	prelude, err := os.ReadFile(redisScripts + "prelude.lua")
	if err != nil {
		return nil, nil, err
	}
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{b.Addr}, DisableCache: true})
	if err != nil {
		return nil, nil, err
	}
	values := make(map[store.ID][]byte)
	for _, rec := range recs {
		values[rec.ID], err = c.Do(context.Background(), c.B().Get().Key("coatcheck:s"+string(rec.ID[:])).Build()).AsBytes()
		if err != nil {
			return nil, nil, err
		}
	}
	script := rueidis.NewLuaScript(strings.Replace(string(update), "--prelude\n", string(prelude), 1))
	return func(ctx context.Context, rec *store.Record, ifVersion uint64) (int64, error) {
		key := "coatcheck:s" + string(rec.ID[:])
		lease := strconv.FormatInt(rec.Expires.UnixMilli()+60_000, 10)
		value := bytes.Clone(values[rec.ID])
		binary.BigEndian.PutUint64(value[1:], rec.Version) // see redisstore/value.go
		was := string(binary.BigEndian.AppendUint64(nil, ifVersion))
		done, err := script.Exec(ctx, c, []string{key}, []string{rueidis.BinaryString(value), was, lease, ""}).AsInt64()
		return 1 - done, err
	}, func() error { c.Close(); return nil }, nil
}
