package sqlstore_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// S13: a sweep that hangs in the database, such as one of a cron job, keeps no
// request from its own.
func TestSweepWaitsForNoOther(t *testing.T) {
	t.Parallel()
	idle, hung := make(chan struct{}, 1), make(chan struct{})
	idle <- struct{}{}
	f := &fake{answer: func(ctx context.Context, query string, _ []driver.NamedValue) error {
		if !strings.HasPrefix(query, "SELECT id, deadline, ") {
			return nil
		}
		select {
		case <-idle: // the first idle pass
			close(hung)
			<-ctx.Done()
			return ctx.Err()
		default:
			return nil
		}
	}}
	st, db := newStore(t, f, sqlstore.PostgreSQL)
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := st.Sweep(ctx, time.Now(), 100)
		first <- err
	}()
	<-hung
	second := make(chan error, 1)
	go func() {
		_, err := st.Sweep(t.Context(), time.Now(), 100)
		second <- err
	}()
	select {
	case err := <-second:
		if err != nil {
			t.Errorf("Sweep: %v", err)
		}
	case <-time.After(5 * time.Minute):
		t.Error("Sweep waits for another one")
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the Sweep that hung: got error %v, want %v", err, context.Canceled)
	}
}

// G14: what is stored has a limit, also the rows of users that were only there to
// be locked: a sweep removes as many as the logins since have made, and no more
// at once than takes a moment.
func TestSweepKeepsUpWithLogins(t *testing.T) {
	t.Parallel()
	left, statements := 0, 0
	f := &fake{count: 1, rows: func(query string) [][]driver.Value {
		if !strings.HasPrefix(query, "SELECT usr FROM coatcheck_users WHERE deadline IS NULL") {
			return nil
		}
		n := min(left, 500)
		left, statements = left-n, statements+1
		rows := make([][]driver.Value, n)
		for i := range rows {
			rows[i] = []driver.Value{[]byte{byte(i >> 8), byte(i)}}
		}
		return rows
	}}
	st, db := newStore(t, f, sqlstore.PostgreSQL)
	defer db.Close()
	for _, perSecond := range []int{0, 100, 1000, 1700} {
		for second := range 5 {
			for range perSecond {
				_ = st.Create(t.Context(), store.Record{ID: store.ID{1}, User: "u"}) // the fake's answer is no matter
				left++
			}
			statements = 0
			if _, err := st.Sweep(t.Context(), time.Now(), 100); err != nil {
				t.Fatal(err)
			}
			if left >= 500 || statements > 4 {
				t.Fatalf("%d logins a second: after %d s %d rows are left, %d statements for it", perSecond, second+1, left, statements)
			}
		}
	}
}
