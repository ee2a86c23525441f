package scs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/sqlstore"
)

// Redis is the store of scs's redisstore and goredisstore. The prefix is that of its
// keys; empty is "scs:session:", as there.
func Redis(kv bridge.KV, prefix string) bridge.KV {
	if prefix == "" {
		prefix = "scs:session:"
	}
	return foreign.Prefixed(kv, prefix)
}

// SQL is the store of scs's postgresstore, pgxstore, mysqlstore and sqlite3store, and of
// others with their table: token, data, expiry. The table's name is plain or behind a
// schema's and a dot; empty is "sessions", as there.
func SQL(db *sql.DB, dialect sqlstore.Dialect, table string) (bridge.KV, error) {
	if table == "" {
		table = "sessions"
	}
	if db == nil {
		return nil, errors.New("bridge: scs.SQL: the database is nil")
	}
	if err := foreign.TableName(table); err != nil {
		return nil, fmt.Errorf("bridge: scs.SQL: %w", err)
	}
	q, ok := queries[dialect]
	if !ok {
		return nil, fmt.Errorf("bridge: scs.SQL: the dialect is %v; want sqlstore.SQLite, PostgreSQL or MySQL", dialect)
	}
	return &sqlStore{db, q.of(table)}, nil
}

// A query has %s for the table.
type query struct{ get, set, del, keys string }

func (q query) of(table string) query {
	in := strings.NewReplacer("{table}", table)
	return query{in.Replace(q.get), in.Replace(q.set), in.Replace(q.del), in.Replace(q.keys)}
}

// The clock is the database's, as in scs: what is left is in seconds. Tokens are given
// back, because a database may find them whatever their case.
var queries = map[sqlstore.Dialect]query{
	sqlstore.SQLite: {
		`SELECT token, substr(data, 1, $2), (expiry - julianday('now')) * 86400.0 FROM {table} WHERE token = $1`,
		`REPLACE INTO {table} (token, data, expiry) VALUES ($1, $2, julianday('now') + $3 / 86400.0)`,
		`DELETE FROM {table} WHERE token = $1`,
		`SELECT token FROM {table} WHERE token > $1 ORDER BY token LIMIT 500`,
	},
	sqlstore.PostgreSQL: {
		`SELECT token, substr(data, 1, $2::int), extract(epoch FROM expiry - clock_timestamp())::float8 FROM {table} WHERE token = $1`,
		`INSERT INTO {table} (token, data, expiry) VALUES ($1, $2, clock_timestamp() + $3::float8 * interval '1 second') ` +
			`ON CONFLICT (token) DO UPDATE SET data = EXCLUDED.data, expiry = EXCLUDED.expiry`,
		`DELETE FROM {table} WHERE token = $1`,
		`SELECT token FROM {table} WHERE token > $1 ORDER BY token LIMIT 500`,
	},
	sqlstore.MySQL: {
		`SELECT token, substr(data, 1, ?), timestampdiff(MICROSECOND, utc_timestamp(6), expiry) / 1e6 FROM {table} WHERE token = ?`,
		`REPLACE INTO {table} (token, data, expiry) VALUES (?, ?, utc_timestamp(6) + INTERVAL ? * 1000000 MICROSECOND)`,
		`DELETE FROM {table} WHERE token = ?`,
		`SELECT token FROM {table} WHERE token > ? ORDER BY token LIMIT 500`,
	},
}

type sqlStore struct {
	db *sql.DB
	query
}

// Get implements bridge.KV.
func (s *sqlStore) Get(ctx context.Context, token string) ([]byte, time.Duration, error) {
	args := []any{token, bridge.MaxRecord + 1}
	if strings.Contains(s.get, "?") {
		args[0], args[1] = args[1], args[0]
	}
	var (
		found string
		data  []byte
		left  float64
	)
	err := s.db.QueryRowContext(ctx, s.get, args...).Scan(&found, &data, &left)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && found != token:
		return nil, 0, bridge.ErrEnded
	case err != nil:
		return nil, 0, fmt.Errorf("bridge: load from the table of scs: %w", err)
	case len(data) > bridge.MaxRecord:
		return nil, 0, bridge.Refused("a record of more than %d bytes", bridge.MaxRecord)
	case left <= 0:
		return nil, 0, bridge.ErrExpired
	}
	return data, foreign.Seconds(left), nil
}

// Set implements bridge.KV.
func (s *sqlStore) Set(ctx context.Context, token string, data []byte, left time.Duration) error {
	if _, err := s.db.ExecContext(ctx, s.set, token, data, left.Seconds()); err != nil {
		return fmt.Errorf("bridge: save in the table of scs: %w", err)
	}
	return nil
}

// Del implements bridge.KV.
func (s *sqlStore) Del(ctx context.Context, token string) error {
	if _, err := s.db.ExecContext(ctx, s.del, token); err != nil {
		return fmt.Errorf("bridge: delete from the table of scs: %w", err)
	}
	return nil
}

// Keys implements bridge.KeyWalker.
func (s *sqlStore) Keys(ctx context.Context, _ string) iter.Seq2[string, error] {
	return foreign.Pages(func(after string) ([]string, error) {
		return foreign.Column(ctx, s.db, s.keys, after)
	})
}
