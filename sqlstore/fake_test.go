package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// A fake is a database that only notes what it is asked and answers what the
// test says. The databases themselves are in integration/.
type fake struct {
	mu     sync.Mutex
	log    []string // the first word of each statement that succeeded
	closed int      // connections thrown away

	// answer is asked first; without an error a statement affects one row, and
	// rows are what a query returns.
	answer func(ctx context.Context, query string, args []driver.NamedValue) error
	count  int64
	rows   func(query string) [][]driver.Value

	prepare func(ctx context.Context) error // asked before a statement is prepared
}

func (f *fake) ask(ctx context.Context, query string, args []driver.NamedValue) error {
	if f.answer != nil {
		if err := f.answer(ctx, query, args); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, strings.Fields(query)[0])
	return nil
}

// said returns how often a statement succeeded that begins with the word.
func (f *fake) said(word string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.log {
		if w == word {
			n++
		}
	}
	return n
}

func (f *fake) Connect(context.Context) (driver.Conn, error) { return &fakeConn{f}, nil }
func (f *fake) Driver() driver.Driver                        { return nil }

type fakeConn struct{ *fake }

func (c *fakeConn) Begin() (driver.Tx, error) { return c, c.ask(context.Background(), "BEGIN", nil) }
func (c *fakeConn) Commit() error             { return c.ask(context.Background(), "COMMIT", nil) }
func (c *fakeConn) Rollback() error           { return c.ask(context.Background(), "ROLLBACK", nil) }

func (c *fakeConn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *fakeConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if c.prepare != nil {
		if err := c.prepare(ctx); err != nil {
			return nil, err
		}
	}
	return &fakeStmt{c, query}, nil
}

func (c *fakeConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed++
	return nil
}

func (c *fakeConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return c.Begin() }

func (c *fakeConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(c.count), c.ask(ctx, query, args)
}

func (c *fakeConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.ask(ctx, query, args); err != nil {
		return nil, err
	}
	var rows [][]driver.Value
	if c.rows != nil {
		rows = c.rows(query)
	}
	return &fakeRows{rows}, nil
}

type fakeStmt struct {
	c     *fakeConn
	query string
}

func (s *fakeStmt) Close() error                               { return nil }
func (s *fakeStmt) NumInput() int                              { return -1 }
func (s *fakeStmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (s *fakeStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }
func (s *fakeStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.c.ExecContext(ctx, s.query, args)
}
func (s *fakeStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.c.QueryContext(ctx, s.query, args)
}

type fakeRows struct{ rows [][]driver.Value }

func (r *fakeRows) Close() error { return nil }
func (r *fakeRows) Columns() []string {
	if len(r.rows) == 0 {
		return nil
	}
	return make([]string, len(r.rows[0]))
}
func (r *fakeRows) Next(dest []driver.Value) error {
	if len(r.rows) == 0 {
		return io.EOF
	}
	copy(dest, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

// newStore returns a store on the fake database. Close it within the test: its
// goroutine is part of a synctest bubble.
func newStore(t *testing.T, f *fake, dialect sqlstore.Dialect) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	f.count = max(f.count, 1)
	db := sql.OpenDB(f)
	st, err := sqlstore.New(db, dialect, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return st, db
}

// record returns an anonymous record with an id of its own.
func record(n byte) store.Record {
	return store.Record{ID: store.ID{31: n}, Version: 1 << 40}
}

// live is the row of a record as a look finds it.
func live(version int64) [][]driver.Value {
	return [][]driver.Value{{version, nil, int64(0), int64(0), int64(0), int64(0), int64(0), []byte("data")}}
}
