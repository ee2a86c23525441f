package sqlstore

import (
	"context"
	"database/sql"
	"sync"
)

// A prepared compiles each statement once, which for SQLite is half of the work
// of a read. On a connection that is for the writes of one transaction; on the
// database it is for good, and database/sql compiles anew on each connection.
type prepared struct {
	querier
	compile func(ctx context.Context, query string) (*sql.Stmt, error)

	mu    sync.RWMutex
	stmts map[string]*sql.Stmt
}

// stmt returns the compiled statement, or nil if it does not compile: running it
// then gives the error.
func (p *prepared) stmt(ctx context.Context, query string) *sql.Stmt {
	p.mu.RLock()
	stmt := p.stmts[query]
	p.mu.RUnlock()
	if stmt != nil {
		return stmt
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if stmt := p.stmts[query]; stmt != nil {
		return stmt
	}
	stmt, err := p.compile(ctx, query)
	if err != nil {
		return nil
	}
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
		return stmt.ExecContext(ctx, args...)
	}
	return p.querier.ExecContext(ctx, query, args...)
}

func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := p.stmt(ctx, query); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return p.querier.QueryContext(ctx, query, args...)
}

func (p *prepared) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if stmt := p.stmt(ctx, query); stmt != nil {
		return stmt.QueryRowContext(ctx, args...)
	}
	return p.querier.QueryRowContext(ctx, query, args...)
}
