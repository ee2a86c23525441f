package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/sqlstore"
)

var (
	errLocked = errors.New("database is locked")
	errBad    = errors.New("bad row")
)

// createAll creates n sessions at once, so that all of them wait before the
// first transaction begins, and returns their errors. before runs meanwhile.
func createAll(t *testing.T, f *fake, n int, contexts func(i int) context.Context, before func()) []error {
	t.Helper()
	var held atomic.Bool
	held.Store(true)
	answer := f.answer
	f.answer = func(ctx context.Context, query string, args []driver.NamedValue) error {
		if query == "BEGIN IMMEDIATE" && held.Load() {
			return errLocked
		}
		if answer != nil {
			return answer(ctx, query, args)
		}
		return nil
	}
	store, db := newStore(t, f, sqlstore.SQLite)
	defer db.Close()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = store.Create(contexts(i), record(byte(i))) })
		synctest.Wait() // so they queue up in this order
	}
	if before != nil {
		before()
		synctest.Wait()
	}
	held.Store(false)
	wg.Wait()
	return errs
}

func allContexts(t *testing.T) func(int) context.Context {
	return func(int) context.Context { return t.Context() }
}

// inserts reports whether the statement inserts the session of that number.
func inserts(query string, args []driver.NamedValue, n byte) bool {
	if len(args) == 0 || query[0] != 'I' {
		return false
	}
	id := record(n).ID
	return bytes.Equal(args[0].Value.([]byte), id[:])
}

func TestWritesShareATransaction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		for i, err := range createAll(t, f, 64, allContexts(t), nil) {
			if err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		}
		if f.said("BEGIN") != 1 || f.said("INSERT") != 64 || f.said("COMMIT") != 1 {
			t.Errorf("got %d transactions, %d inserts, %d commits; want 1, 64, 1", f.said("BEGIN"), f.said("INSERT"), f.said("COMMIT"))
		}
	})
}

func TestBadRowFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(_ context.Context, query string, args []driver.NamedValue) error {
			if inserts(query, args, 0) || inserts(query, args, 5) {
				return errBad
			}
			return nil
		}}
		for i, err := range createAll(t, f, 10, allContexts(t), nil) {
			if bad := i == 0 || i == 5; bad != errors.Is(err, errBad) || !bad && err != nil {
				t.Errorf("write %d: got error %v", i, err)
			}
		}
		if f.said("COMMIT") != 1 || f.said("ROLLBACK") != 2 {
			t.Errorf("got %d commits and %d rollbacks, want 1 and 2", f.said("COMMIT"), f.said("ROLLBACK"))
		}
	})
}

// Who gives up while waiting is never written, also the one who leads.
func TestGivingUpFailsNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		over, cancel := context.WithCancel(t.Context())
		f := &fake{answer: func(_ context.Context, query string, args []driver.NamedValue) error {
			if inserts(query, args, 0) || inserts(query, args, 4) {
				t.Error("a write was run that had been given up")
			}
			return nil
		}}
		contexts := func(i int) context.Context {
			if i == 0 || i == 4 {
				return over
			}
			return t.Context()
		}
		for i, err := range createAll(t, f, 8, contexts, cancel) {
			if gone := i == 0 || i == 4; gone != errors.Is(err, context.Canceled) || !gone && err != nil {
				t.Errorf("write %d: got error %v", i, err)
			}
		}
		if f.said("INSERT") != 6 || f.said("COMMIT") != 1 {
			t.Errorf("got %d inserts and %d commits, want 6 and 1", f.said("INSERT"), f.said("COMMIT"))
		}
	})
}

// A caller that gives up during the transaction waits for its end, and knows.
func TestGivingUpDuringTheTransaction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		over, cancel := context.WithCancel(t.Context())
		f := &fake{answer: func(_ context.Context, query string, _ []driver.NamedValue) error {
			if query == "COMMIT" {
				cancel()
				time.Sleep(time.Second)
			}
			return nil
		}}
		for i, err := range createAll(t, f, 3, func(int) context.Context { return over }, nil) {
			if err != nil {
				t.Errorf("write %d: got error %v, and it is committed", i, err)
			}
		}
	})
}

func TestFailedCommitFailsAll(t *testing.T) {
	t.Parallel()
	for _, stuck := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{answer: func(_ context.Context, query string, _ []driver.NamedValue) error {
				if query == "COMMIT" || stuck && query == "ROLLBACK" {
					return errBad
				}
				return nil
			}}
			for i, err := range createAll(t, f, 5, allContexts(t), nil) {
				if !errors.Is(err, errBad) {
					t.Errorf("write %d: got error %v, want that of the commit", i, err)
				}
			}
			if n := f.said("ROLLBACK"); n != 1 && !stuck {
				t.Errorf("got %d rollbacks, want 1", n)
			}
			if f.closed == 0 {
				t.Error("the connection is still in use")
			}
		})
	}
}

// A write that waits in vain says what for, also when it waits behind another
// one of its process: the likely reason is the caller's own transaction.
func TestWaitingInVainSaysWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(_ context.Context, query string, _ []driver.NamedValue) error {
			if query == "BEGIN IMMEDIATE" {
				return errLocked
			}
			return nil
		}}
		store, db := newStore(t, f, sqlstore.SQLite)
		defer db.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				err := store.Create(ctx, record(byte(i)))
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "another connection is writing") {
					t.Errorf("got %v, want the end of the wait and its reason", err)
				}
			})
		}
		wg.Wait()
	})
}
