package sqlstore_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/sqlstore"
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
	store, db := newStore(t, f, sqlstore.PostgreSQL)
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := store.Sweep(ctx, time.Now(), 100)
		first <- err
	}()
	<-hung
	second := make(chan error, 1)
	go func() {
		_, err := store.Sweep(t.Context(), time.Now(), 100)
		second <- err
	}()
	select {
	case err := <-second:
		if err != nil {
			t.Errorf("Sweep: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Sweep waits for another one")
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the Sweep that hung: got error %v, want %v", err, context.Canceled)
	}
}
