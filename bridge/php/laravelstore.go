package php

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/bridge/internal/phpdata"
	"github.com/coatcheck/coatcheck/sqlstore"
)

// LaravelRedis is the store of Laravel's session driver redis. The prefix is that of the
// Redis connection and that of the cache behind each other, such as
// "laravel_database_laravel_cache:".
func LaravelRedis(kv bridge.KV, prefix string) bridge.KV {
	if kv == nil {
		return nil
	}
	cached := cache{foreign.Prefixed(kv, prefix)}
	if keys, ok := cached.KV.(bridge.KeyWalker); ok {
		return cacheKeys{cached, keys}
	}
	return cached
}

// cache is what Laravel's cache makes of a record: it serializes the text once more.
type cache struct{ bridge.KV }

type cacheKeys struct {
	cache
	bridge.KeyWalker
}

func (c cache) Get(ctx context.Context, id string) ([]byte, time.Duration, error) {
	data, left, err := c.KV.Get(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	data, err = unwrap(data)
	return data, left, err
}

func (c cache) Set(ctx context.Context, id string, data []byte, left time.Duration) error {
	return c.KV.Set(ctx, id, phpdata.Append(nil, string(data)), left)
}

// LaravelSQL is the store of Laravel's session driver database, a table with the
// columns id, payload and last_activity. Its name is plain or behind a schema's and a
// dot; empty is "sessions", as there. The column user_id is filled when the session is
// next used there.
func LaravelSQL(db *sql.DB, dialect sqlstore.Dialect, table string) (bridge.KV, error) {
	if table == "" {
		table = "sessions"
	}
	if db == nil {
		return nil, errors.New("bridge: php.LaravelSQL: the database is nil")
	}
	if err := foreign.TableName(table); err != nil {
		return nil, fmt.Errorf("bridge: php.LaravelSQL: %w", err)
	}
	mark := strings.NewReplacer("{table}", table)
	switch dialect {
	case sqlstore.SQLite, sqlstore.PostgreSQL:
	case sqlstore.MySQL:
		mark = strings.NewReplacer("{table}", table, "$1", "?", "$2", "?", "$3", "?")
	default:
		return nil, fmt.Errorf("bridge: php.LaravelSQL: the dialect is %v; want sqlstore.SQLite, PostgreSQL or MySQL", dialect)
	}
	return &laravelTable{
		db:     db,
		get:    mark.Replace(`SELECT id, payload, last_activity FROM {table} WHERE id = $1 AND length(payload) <= $2`),
		update: mark.Replace(`UPDATE {table} SET payload = $1, last_activity = $2 WHERE id = $3`),
		insert: mark.Replace(`INSERT INTO {table} (id, payload, last_activity) VALUES ($1, $2, $3)`),
		del:    mark.Replace(`DELETE FROM {table} WHERE id = $1`),
		keys:   mark.Replace(`SELECT id FROM {table} WHERE id > $1 ORDER BY id LIMIT 500`),
	}, nil
}

type laravelTable struct {
	db                             *sql.DB
	get, update, insert, del, keys string
	lifetime                       time.Duration
}

func (t *laravelTable) during(lifetime time.Duration) bridge.KV {
	aged := *t
	aged.lifetime = lifetime
	return &aged
}

// Get implements bridge.KV. A row that is too large counts as none.
func (t *laravelTable) Get(ctx context.Context, id string) ([]byte, time.Duration, error) {
	var (
		found, payload string
		used           int64
	)
	err := t.db.QueryRowContext(ctx, t.get, id, base64.StdEncoding.EncodedLen(bridge.MaxRecord)).Scan(&found, &payload, &used)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && found != id: // a database may find it whatever its case
		return nil, 0, bridge.ErrEnded
	case err != nil:
		return nil, 0, fmt.Errorf("bridge: load from the table of Laravel: %w", err)
	}
	left := time.Until(time.Unix(used, 0).Add(t.lifetime))
	if left <= 0 {
		return nil, 0, bridge.ErrExpired
	}
	data, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		return nil, 0, bridge.Refused("a payload that is not base64")
	}
	return data, left, nil
}

// Set implements bridge.KV.
func (t *laravelTable) Set(ctx context.Context, id string, data []byte, _ time.Duration) error {
	payload, now := base64.StdEncoding.EncodeToString(data), time.Now().Unix()
	result, err := t.db.ExecContext(ctx, t.update, payload, now, id)
	if err == nil {
		var n int64
		if n, err = result.RowsAffected(); err == nil && n == 0 {
			_, err = t.db.ExecContext(ctx, t.insert, id, payload, now)
		}
	}
	if err != nil {
		return fmt.Errorf("bridge: save in the table of Laravel: %w", err)
	}
	return nil
}

// Del implements bridge.KV.
func (t *laravelTable) Del(ctx context.Context, id string) error {
	if _, err := t.db.ExecContext(ctx, t.del, id); err != nil {
		return fmt.Errorf("bridge: delete from the table of Laravel: %w", err)
	}
	return nil
}

// Keys implements bridge.KeyWalker.
func (t *laravelTable) Keys(ctx context.Context, _ string) iter.Seq2[string, error] {
	return foreign.Pages(func(after string) ([]string, error) {
		return foreign.Column(ctx, t.db, t.keys, after)
	})
}
