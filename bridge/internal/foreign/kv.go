package foreign

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
)

// Prefixed is a store under whose keys prefix stands. It lists keys if kv does.
func Prefixed(kv bridge.KV, prefix string) bridge.KV {
	if kv == nil {
		return nil
	}
	p := prefixed{kv, prefix}
	if keys, ok := kv.(bridge.KeyWalker); ok {
		return prefixedKeys{p, keys}
	}
	return p
}

type prefixed struct {
	kv     bridge.KV
	prefix string
}

func (p prefixed) Get(ctx context.Context, key string) ([]byte, time.Duration, error) {
	return p.kv.Get(ctx, p.prefix+key)
}

func (p prefixed) Set(ctx context.Context, key string, value []byte, left time.Duration) error {
	return p.kv.Set(ctx, p.prefix+key, value, left)
}

func (p prefixed) Del(ctx context.Context, key string) error { return p.kv.Del(ctx, p.prefix+key) }

type prefixedKeys struct {
	prefixed
	keys bridge.KeyWalker
}

func (p prefixedKeys) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for key, err := range p.keys.Keys(ctx, p.prefix+prefix) {
			if !yield(strings.TrimPrefix(key, p.prefix), err) || err != nil {
				return
			}
		}
	}
}

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// TableName refuses what would have to be quoted.
func TableName(name string) error {
	if !tableName.MatchString(name) {
		return fmt.Errorf("the table's name is %q; want letters, digits and _, perhaps behind a schema's and a dot", name)
	}
	return nil
}

// Pages yields all pages, each of what comes after the last of the one before.
func Pages(page func(after string) ([]string, error)) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for after := ""; ; {
			list, err := page(after)
			if err != nil {
				yield("", err)
				return
			}
			if len(list) == 0 {
				return
			}
			for _, key := range list {
				if !yield(key, nil) {
					return
				}
			}
			after = list[len(list)-1]
		}
	}
}

// Column returns the only column of a query.
func Column(ctx context.Context, db *sql.DB, query string, args ...any) (list []string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("bridge: list sessions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, fmt.Errorf("bridge: list sessions: %w", err)
		}
		list = append(list, key)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("bridge: list sessions: %w", err)
	}
	return list, nil
}

// Seconds gives a number of seconds that a database has calculated.
func Seconds(n float64) time.Duration {
	if n > math.MaxInt64/1e10 {
		return math.MaxInt64 / 10
	}
	return time.Duration(n * float64(time.Second))
}
