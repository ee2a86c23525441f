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
	store, err := sqlstore.New(db, dialect, sqlstore.Config{Prefix: o.Prefix})
	if err != nil { // the prefix: all else is ours
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrURL, err), db.Close())
	}
	if err := store.Ping(ctx); err != nil {
		says := strings.Join(strings.Fields(err.Error()), " ") // pgx has a line for each address
		return nil, errors.Join(fmt.Errorf("the database does not answer: %s", says), db.Close())
	}
	return &Opened{
		Store: store, Shared: true, close: db.Close, migrate: store.Migrate,
		remove: func(ctx context.Context) error { return dropTables(ctx, db, o.Prefix) },
	}, nil
}

// dropTables removes the three tables of a store. The prefix is one that the
// store has accepted, so that it can stand in SQL.
func dropTables(ctx context.Context, db *sql.DB, prefix string) error {
	var all error
	for _, table := range []string{"sessions", "users", "schema"} {
		_, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS "+cmp.Or(prefix, "coatcheck_")+table)
		all = errors.Join(all, err)
	}
	return all
}
