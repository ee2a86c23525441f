package sqlstore

import (
	"context"
	"database/sql"
	"strings"
	"sync"
)

// A prepared compiles each statement once, which for SQLite is half of the work
// of a read, and for MySQL a round trip of each statement. On a connection that
// is for the writes of one transaction; on the database it is for good, and
// database/sql compiles anew on each connection.
type prepared struct {
	querier
	compile func(ctx context.Context, query string) (*sql.Stmt, error)

	mu        sync.RWMutex
	compiling sync.Mutex // a server may take its time
	stmts     map[string]*sql.Stmt
}

// stmt returns the compiled statement, or nil if it does not compile: running it
// then gives the error. While somebody compiles the others do without: they have
// contexts of their own, and would wait for that one's (S13).
func (p *prepared) stmt(ctx context.Context, query string) *sql.Stmt {
	p.mu.RLock()
	stmt := p.stmts[query]
	p.mu.RUnlock()
	if stmt != nil {
		return stmt
	}
	if !p.compiling.TryLock() {
		return nil
	}
	defer p.compiling.Unlock()
	p.mu.RLock()
	stmt = p.stmts[query]
	p.mu.RUnlock()
	if stmt != nil {
		return stmt
	}
	stmt, err := p.compile(ctx, query)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stmts == nil {
		p.stmts = make(map[string]*sql.Stmt)
	}
	p.stmts[query] = stmt
	return stmt
}

func (p *prepared) close() {
	for _, stmt := range p.stmts {
		stmt.Close()
	}
}

func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if stmt := p.stmt(ctx, query); stmt != nil {
		r, err := stmt.ExecContext(ctx, args...)
		if err == nil || !unprepared(err) {
			return r, err
		}
	}
	return p.querier.ExecContext(ctx, query, args...)
}

func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := p.stmt(ctx, query); stmt != nil {
		r, err := stmt.QueryContext(ctx, args...)
		if err == nil || !unprepared(err) {
			return r, err
		}
	}
	return p.querier.QueryContext(ctx, query, args...)
}

func (p *prepared) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if stmt := p.stmt(ctx, query); stmt != nil {
		r := stmt.QueryRowContext(ctx, args...)
		if err := r.Err(); err == nil || !unprepared(err) {
			return r
		}
	}
	return p.querier.QueryRowContext(ctx, query, args...)
}

// unprepared reports whether the server did not run a statement because it was
// prepared: it has too many of them, or lost this one, or the table has changed
// too often since. So nothing was applied, and the text itself still can be run.
func unprepared(err error) bool {
	for _, number := range mysqlUnprepared {
		if strings.Contains(err.Error(), number) {
			return true
		}
	}
	return false
}

var mysqlUnprepared = []string{"Error 1461 ", "Error 1243 ", "Error 1615 ", "Error 1295 "}
