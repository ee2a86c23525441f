package sqlstore_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// MySQL counts changed rows: none may mean that there was nothing to change.
func TestNoRowsIsFollowedByALook(t *testing.T) {
	t.Parallel()
	const was = 7
	rec := record(1)
	same := rec
	same.Version = was
	for _, c := range []struct {
		name string
		call func(*sqlstore.Store) error
		rows [][]driver.Value
		want error
	}{
		{"Touch with equal times", func(s *sqlstore.Store) error { return s.Touch(t.Context(), rec.ID, rec.Seen, rec.Expires) }, live(was), nil},
		{"Touch of an unknown id", func(s *sqlstore.Store) error { return s.Touch(t.Context(), rec.ID, rec.Seen, rec.Expires) }, nil, store.ErrNotFound},
		{"Touch of a tombstone", func(s *sqlstore.Store) error { return s.Touch(t.Context(), rec.ID, rec.Seen, rec.Expires) }, live(0), store.ErrEnded},
		{"Update with what is stored", func(s *sqlstore.Store) error { return s.Update(t.Context(), same, was) }, live(was), nil},
		{"Update from another version", func(s *sqlstore.Store) error { return s.Update(t.Context(), rec, was+1) }, live(was), store.ErrConflict},
		{"Update with the version that is stored", func(s *sqlstore.Store) error { return s.Update(t.Context(), same, was+1) }, live(was), store.ErrConflict},
		{"Update of an unknown id", func(s *sqlstore.Store) error { return s.Update(t.Context(), rec, was) }, nil, store.ErrNotFound},
	} {
		f := &fake{rows: func(string) [][]driver.Value { return c.rows }}
		st, db := newStore(t, f, sqlstore.MySQL)
		f.count = 0
		if err := c.call(st); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.want)
		}
		db.Close()
	}
}

// A stateError is an error as drivers for PostgreSQL have it.
type stateError string

func (e stateError) Error() string    { return "SQLSTATE " + string(e) }
func (e stateError) SQLState() string { return string(e) }

// What the database has undone is run again, but not for ever; nothing else is.
func TestUndoneRunsAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err      error
		failures int
		runs     int
		ok       bool
	}{
		{stateError("40001"), 1, 2, true},
		{stateError("40P01"), 3, 4, true},
		{errors.New("Error 1213 (40001): Deadlock found when trying to get lock"), 1, 2, true},
		{errors.New("Error 1020 (HY000): Record has changed since last read in table 'coatcheck_sessions'"), 1, 2, true},
		{errors.New("Error 1205 (HY000): Lock wait timeout exceeded; try restarting transaction"), 2, 3, true},
		{errors.New("Error 1317 (70100): Query execution was interrupted"), 1, 1, false},
		{stateError("40001"), 1000, 10, false},
		{stateError("40003"), 1, 1, false}, // completion unknown
		{errors.New("unexpected EOF"), 1, 1, false},
	} {
		runs := 0
		f := &fake{answer: func(context.Context, string, []driver.NamedValue) error {
			if runs++; runs <= c.failures {
				return c.err
			}
			return nil
		}}
		st, db := newStore(t, f, sqlstore.PostgreSQL)
		err := st.Create(t.Context(), record(1))
		if runs != c.runs || (err == nil) != c.ok {
			t.Errorf("%v, %d times: ran %d times, got error %v; want %d times", c.err, c.failures, runs, err, c.runs)
		}
		db.Close()
	}
}

// S13: what was sent when its caller gives up is waited for, but not for long.
func TestCancelledWriteIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		takes time.Duration // of the database
		bound func(context.Context) (context.Context, context.CancelFunc)
		after time.Duration
		want  error
	}{
		{"done soon after", 300 * time.Millisecond, context.WithCancel, 300 * time.Millisecond, nil},
		{"hangs", time.Hour, context.WithCancel, 1100 * time.Millisecond, context.Canceled},
		{"a deadline is one", time.Hour, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 50*time.Millisecond)
		}, 50 * time.Millisecond, context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{answer: func(ctx context.Context, _ string, _ []driver.NamedValue) error {
					select {
					case <-time.After(c.takes):
						return nil
					case <-ctx.Done():
						return errors.New("the driver's words for a cancelled context")
					}
				}}
				st, db := newStore(t, f, sqlstore.PostgreSQL)
				defer db.Close()
				ctx, cancel := c.bound(t.Context())
				defer cancel()
				time.AfterFunc(100*time.Millisecond, cancel)
				start := time.Now()
				err := st.Create(ctx, record(1))
				if took := time.Since(start); took != c.after || !errors.Is(err, c.want) || c.want == nil && err != nil {
					t.Errorf("got error %v after %v, want %v after %v", err, took, c.want, c.after)
				}
			})
		})
	}
}

// S13: a COMMIT whose answer does not come ends with the context of the call.
func TestCommitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{rows: func(string) [][]driver.Value { return nil }, answer: func(ctx context.Context, query string, _ []driver.NamedValue) error {
			if query != "COMMIT" {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Hour):
				return errors.New("gone")
			}
		}}
		st, db := newStore(t, f, sqlstore.MySQL)
		defer db.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := st.EndUser(ctx, "u", time.Now(), time.Now())
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Second {
			t.Errorf("got %v after %v, want %v after a second", err, took, context.DeadlineExceeded)
		}
		if f.closed == 0 && f.said("ROLLBACK") == 0 {
			t.Error("the connection goes back into the pool with its transaction")
		}
	})
}

// S5: a record that is made between the statement of a Touch and its look is
// touched all the same.
func TestTouchOfARecordJustMade(t *testing.T) {
	t.Parallel()
	f := &fake{rows: func(string) [][]driver.Value { return live(7) }}
	st, db := newStore(t, f, sqlstore.PostgreSQL)
	defer db.Close()
	f.count = 0
	f.answer = func(_ context.Context, query string, _ []driver.NamedValue) error {
		if strings.HasPrefix(query, "SELECT") {
			f.count = 1 // from now on it is there
		}
		return nil
	}
	later := time.Now().Add(time.Hour)
	if err := st.Touch(t.Context(), record(1).ID, later, later); err != nil || f.said("UPDATE") != 2 {
		t.Errorf("got %v after %d statements, want none after the second", err, f.said("UPDATE"))
	}
}

// S3: where MySQL's isolation level undoes a single statement because another has
// changed the row, it runs again in a transaction at the level of our own, which
// waits for the other.
func TestUndoneStatementRunsInTransaction(t *testing.T) {
	t.Parallel()
	var said []string
	undo := true
	f := &fake{answer: func(_ context.Context, query string, _ []driver.NamedValue) error {
		said = append(said, query)
		if undo && strings.HasPrefix(query, "UPDATE") {
			undo = false
			return errors.New("Error 1020 (HY000): Record has changed since last read in table 'coatcheck_sessions'")
		}
		return nil
	}}
	st, db := newStore(t, f, sqlstore.MySQL)
	defer db.Close()
	if err := st.Update(t.Context(), record(1), 1); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"UPDATE", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION", "UPDATE", "COMMIT"} {
		if len(said) != 5 || !strings.HasPrefix(said[i], want) {
			t.Fatalf("statement %d of %q is not %s", i+1, said, want)
		}
	}
}
