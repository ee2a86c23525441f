// Package stores opens the store that a URL on the command line names.
package stores

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// ErrURL: the URL itself, or the prefix, is wrong, and nothing was opened.
var ErrURL = errors.New("store URL")

// openTimeout is how long a server may take to answer when a store is opened.
const openTimeout = 10 * time.Second

// Options say how a store is used. The zero Options open what is there, under
// the names that the stores have by default.
type Options struct {
	Prefix string // begins the names of tables and indexes, or of keys; empty = the store's own
	Schema string // of PostgreSQL, that the tables are in; empty = the first of search_path
	Create bool   // make a file, or a schema, that is missing
}

// An Opened is a store that was opened, and what else its engine can do.
type Opened struct {
	Store  store.Store
	Shared bool // other processes may use the same sessions

	close    func() error
	migrate  func(context.Context) error             // nil: there is no schema
	warnings func(context.Context) ([]string, error) // nil: there are none
	remove   func(context.Context) error             // nil: nothing is left when it is closed
	ids      func(context.Context) iter.Seq2[store.ID, error]

	examine func(context.Context) (Findings, error)                        // nil: there is nothing
	clock   func(context.Context) (ahead, within time.Duration, err error) // nil: the engine has none of its own

	// scratches lists the prefixes of other scratches, and removeOther removes
	// what is under one; nil where remove is.
	scratches   func(context.Context) ([]string, error)
	removeOther func(ctx context.Context, prefix string) error
}

// Close frees what the store holds.
func (o *Opened) Close() error {
	if o.close == nil {
		return nil
	}
	return o.close()
}

// Migrate makes the tables, or brings them up to date. It reports false where
// the store has none.
func (o *Opened) Migrate(ctx context.Context) (bool, error) {
	if o.migrate == nil {
		return false, nil
	}
	return true, o.migrate(ctx)
}

// Warnings tells which settings of the server break a promise of the store.
func (o *Opened) Warnings(ctx context.Context) ([]string, error) {
	if o.warnings == nil {
		return nil, nil
	}
	return o.warnings(ctx)
}

// An opener opens the store behind url. Its errors must not show the URL,
// which may hold a password.
type opener func(ctx context.Context, url string, o Options) (*Opened, error)

// openers has one opener for each scheme.
var openers = map[string]opener{
	"memory":          openMemory,
	"sqlite":          openSQLite,
	"postgres":        openPostgres,
	"postgresql":      openPostgres,
	"mysql":           openMySQL,
	"redis":           openRedis,
	"rediss":          openRedis,
	"redis+sentinel":  openRedis,
	"rediss+sentinel": openRedis,
	"redis+cluster":   openRedis,
	"rediss+cluster":  openRedis,
}

// Open opens the store behind url. A server must answer within ten seconds; the
// end of ctx is heeded at once, also by drivers that do not.
func Open(ctx context.Context, url string, o Options) (*Opened, error) {
	open, ok := openers[Scheme(url)]
	if !ok {
		// The whole URL is not shown: what lacks a scheme may be a password.
		return nil, fmt.Errorf("%w: unknown scheme %q; want one of %s", ErrURL, Scheme(url), strings.Join(Schemes(), ", "))
	}
	if o.Schema != "" && !strings.HasPrefix(Scheme(url), "postgres") {
		return nil, fmt.Errorf("%w: a schema is PostgreSQL's; want a postgres: URL with it", ErrURL)
	}
	limited, cancel := context.WithTimeout(ctx, openTimeout)
	var opened *Opened
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		opened, err = open(limited, url, o)
	}()
	select {
	case <-done:
		return opened, err
	case <-ctx.Done():
		go func() { // the program is about to end
			if <-done; err == nil {
				_ = opened.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// Scheme returns what stands before the colon, or "" where that is no scheme.
func Scheme(url string) string {
	scheme, _, ok := strings.Cut(url, ":")
	if !ok || len(scheme) > 32 || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+.-") != "" {
		return ""
	}
	return scheme
}

// Schemes returns the schemes that Open knows, sorted.
func Schemes() []string { return slices.Sorted(maps.Keys(openers)) }
