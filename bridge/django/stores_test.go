package django_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/sqlstore"
)

// memory is a bridge.KV and bridge.KeyWalker of this process: what stays for ever.
type memory map[string][]byte

func (m memory) Get(_ context.Context, key string) ([]byte, time.Duration, error) {
	value, ok := m[key]
	if !ok {
		return nil, 0, bridge.ErrEnded
	}
	return value, -1, nil
}

func (m memory) Set(_ context.Context, key string, value []byte, _ time.Duration) error {
	m[key] = value
	return nil
}

func (m memory) Del(_ context.Context, key string) error {
	delete(m, key)
	return nil
}

func (m memory) Keys(_ context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for key := range m {
			if strings.HasPrefix(key, prefix) && !yield(key, nil) {
				return
			}
		}
	}
}

// oneRow is a database with the one row of a vector. The databases themselves
// are in integration/bridges.
func oneRow(t testing.TB, key, data string, end time.Time) (*sql.DB, sqlstore.Dialect) {
	db := sql.OpenDB(rowDriver{key, data, end.UTC().Format("2006-01-02 15:04:05.000000")})
	t.Cleanup(func() { db.Close() })
	return db, sqlstore.SQLite
}

type rowDriver struct{ key, data, end string }

func (d rowDriver) Connect(context.Context) (driver.Conn, error) { return d, nil }
func (d rowDriver) Driver() driver.Driver                        { return nil }
func (d rowDriver) Prepare(string) (driver.Stmt, error)          { return d, nil }
func (d rowDriver) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }
func (d rowDriver) NumInput() int                                { return 1 }
func (d rowDriver) Exec([]driver.Value) (driver.Result, error)   { return nil, errors.ErrUnsupported }
func (d rowDriver) Close() error                                 { return nil }

func (d rowDriver) Query(args []driver.Value) (driver.Rows, error) {
	return &oneRowOnly{row: d, done: args[0] != d.key}, nil
}

type oneRowOnly struct {
	row  rowDriver
	done bool
}

func (r *oneRowOnly) Columns() []string { return []string{"session_data", "expire_date"} }
func (r *oneRowOnly) Close() error      { return nil }

func (r *oneRowOnly) Next(dest []driver.Value) error {
	if r.done {
		return io.EOF
	}
	dest[0], dest[1], r.done = r.row.data, r.row.end, true
	return nil
}
