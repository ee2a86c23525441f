package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A Dialect is the SQL that a database understands. The zero value is none.
type Dialect int

// The dialects. MySQL is MariaDB as well.
const (
	SQLite     Dialect = iota + 1 // 3.35 or later
	PostgreSQL                    // 12 or later
	MySQL                         // MySQL 8.0 or MariaDB 10.5, or later; InnoDB
)

// String returns the name of the database.
func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "SQLite"
	case PostgreSQL:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	}
	return fmt.Sprintf("Dialect(%d)", int(d))
}

// Config names what a Store uses of its database. The zero value is right for
// most programs.
type Config struct {
	// Prefix begins the name of every table and index: lower-case letters,
	// digits and underscores, at most 30, not a digit first. Empty means
	// "coatcheck_". Stores with different prefixes share a database and know
	// nothing of each other.
	Prefix string

	// Schema is the schema of PostgreSQL that the tables are in: at most 63
	// bytes of letters, digits, _ and -, as it is written, capitals included.
	// Every statement names it, so it works through a pooler that gives each
	// transaction another connection, where search_path does not. Migrate makes
	// one that is missing. Empty means the first of search_path. The other
	// databases have no schemas of this kind: New refuses it there.
	Schema string
}

// A Store keeps sessions in a SQL database. It is a store.Store,
// store.Pinger, store.Counter and store.Lister, safe for concurrent use. It starts no
// goroutine and closes nothing: the *sql.DB stays the caller's.
type Store struct {
	db      *sql.DB
	dialect Dialect
	names   names
	text    texts
	engine  engine
	idle    atomic.Int64 // how far this process's idle pass has come: a deadline
	logins  atomic.Int64 // of this process, whose users' rows it is yet to sweep
}

// An engine is what the databases do differently. A method returns an error of
// the contract, or the database's own.
type engine interface {
	create(ctx context.Context, rec store.Record) error
	update(ctx context.Context, rec store.Record, ifVersion uint64) error
	replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error
	touch(ctx context.Context, id store.ID, seen, expires time.Time) error
	end(ctx context.Context, id store.ID, until time.Time) (store.ID, error)
	endUser(ctx context.Context, user []byte, at, until time.Time, keep []byte) ([]store.ID, error)
	write(ctx context.Context, f func(ctx context.Context, q querier) error) error
	read(ctx context.Context, query func(q querier) error) error
	migrate(ctx context.Context) error
}

// New returns a store in db, whose driver the caller has chosen and imported.
// It does not connect; the tables must be there before the first use, see
// Migrate. The error names what is wrong with the arguments.
func New(db *sql.DB, dialect Dialect, cfg Config) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: New: db is nil")
	}
	n, err := cfg.names(dialect)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, dialect: dialect, names: n, text: newTexts(dialect, n)}
	switch dialect {
	case SQLite:
		s.engine = &sqlite{s: s, queue: queue{db: db}, reads: prepared{querier: db, compile: db.PrepareContext}}
	case PostgreSQL:
		s.engine = &postgres{s: s, text: newPostgresTexts(n)}
	case MySQL:
		s.engine = &mysql{s: s, alike: prepared{querier: db, compile: db.PrepareContext}}
	}
	return s, nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return s.failed(ctx, "ping", s.db.PingContext(ctx))
}

// failed adds to an error of the database what was done. Errors of the contract
// stay as they are. A driver may report a cancelled context in words of its
// own, so that error is put in front.
func (s *Store) failed(ctx context.Context, doing string, err error) error {
	if err == nil || refusal(err) {
		return err
	}
	over := ctx.Err()
	if over != nil && !errors.Is(err, over) {
		err = fmt.Errorf("%w: %w", over, err)
	}
	if why := s.stuck(err); why != "" && errors.Is(over, context.DeadlineExceeded) {
		return fmt.Errorf("sqlstore: %s: %w: %s", doing, err, why)
	}
	return fmt.Errorf("sqlstore: %s: %w", doing, err)
}

// stuck says what a call has waited for in vain that its own caller may hold: a
// handler with an open transaction waits for its session, and the session for
// the handler.
func (s *Store) stuck(err error) string {
	if pool := s.db.Stats(); pool.MaxOpenConnections > 0 && pool.InUse >= pool.MaxOpenConnections {
		return fmt.Sprintf("all connections of the pool are in use (MaxOpenConns is %d): a handler that holds one must commit its session first", pool.MaxOpenConnections)
	}
	if s.dialect == SQLite && busy(err) {
		return "another connection is writing: a handler with a transaction of its own must commit its session first"
	}
	return ""
}

// refusal reports whether err is one that the contract names, so that nothing
// was written.
func refusal(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) ||
		errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrEnded)
}
