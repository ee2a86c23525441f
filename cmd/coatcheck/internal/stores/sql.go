package stores

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/sqlstore"
)

// Bounds of one process's pool. A server has a hundred connections or so, for
// all of its clients.
const (
	maxConnections = 16
	maxIdleTime    = 5 * time.Minute
)

// newSQL returns the store in db, which it closes on failure.
func newSQL(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect, o Options) (*Opened, error) {
	db.SetMaxOpenConns(maxConnections)
	db.SetMaxIdleConns(maxConnections)
	db.SetConnMaxIdleTime(maxIdleTime)
	store, err := sqlstore.New(db, dialect, sqlstore.Config{Prefix: o.Prefix, Schema: o.Schema})
	if err != nil { // the prefix: all else is ours
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrURL, err), db.Close())
	}
	if err := store.Ping(ctx); err != nil {
		says := strings.Join(strings.Fields(err.Error()), " ") // pgx has a line for each address
		return nil, errors.Join(fmt.Errorf("the database does not answer: %s", says), db.Close())
	}
	if err := schemaThere(ctx, db, o); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Opened{
		Store: store, Shared: true, close: db.Close, migrate: store.Migrate,
		ids:         sqlIDs(db, dialect, o),
		remove:      func(ctx context.Context) error { return dropTables(ctx, db, o.Schema, o.Prefix) },
		scratches:   func(ctx context.Context) ([]string, error) { return scratchTables(ctx, db, dialect, o.Schema) },
		removeOther: func(ctx context.Context, prefix string) error { return dropTables(ctx, db, o.Schema, prefix) },
	}, nil
}

// schemaThere refuses a schema that is not there, unless it is to be made.
func schemaThere(ctx context.Context, db *sql.DB, o Options) error {
	if o.Schema == "" || o.Create {
		return nil
	}
	var there bool
	err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1::text)", o.Schema).Scan(&there)
	if err == nil && !there {
		err = fmt.Errorf("the database has no schema %q; coatcheck store migrate makes one", o.Schema)
	}
	return err
}

// scratchTables lists the prefixes of the tables of all scratches.
func scratchTables(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect, schema string) (prefixes []string, err error) {
	query, args := "SELECT name FROM sqlite_schema WHERE type = 'table'", []any(nil)
	switch dialect {
	case sqlstore.PostgreSQL:
		query, args = "SELECT tablename FROM pg_tables WHERE schemaname = COALESCE(NULLIF($1::text, ''), current_schema())", []any{schema}
	case sqlstore.MySQL:
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
	}
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if prefix, ok := strings.CutSuffix(name, "sessions"); ok {
			prefixes = append(prefixes, prefix)
		} else if prefix, ok := strings.CutSuffix(name, "users"); ok {
			prefixes = append(prefixes, prefix)
		} else if prefix, ok := strings.CutSuffix(name, "schema"); ok {
			prefixes = append(prefixes, prefix)
		}
	}
	return prefixes, rows.Err()
}

// dropTables removes the three tables of a store.
func dropTables(ctx context.Context, db *sql.DB, schema, prefix string) error {
	var all error
	for _, name := range []string{"sessions", "users", "schema"} {
		_, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS "+table(Options{Schema: schema, Prefix: prefix}, name))
		all = errors.Join(all, err)
	}
	return all
}

// table is the whole name of a table. Schema and prefix are ones that the store
// has accepted, so that they can stand in SQL.
func table(o Options, name string) string {
	in := ""
	if o.Schema != "" {
		in = `"` + o.Schema + `".`
	}
	return in + cmp.Or(o.Prefix, "coatcheck_") + name
}
