package sqlstore_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/sqlstore"
)

// S13: a server that does not answer one caller's preparation holds up nobody
// else, and that caller no longer than its own context.
func TestPreparationHangs(t *testing.T) {
	t.Parallel()
	hangs := make(chan struct{})
	var asked atomic.Bool
	f := &fake{
		rows: func(string) [][]driver.Value { return live(1 << 40) },
		prepare: func(ctx context.Context) error {
			if asked.Swap(true) { // only the first one hangs
				return nil
			}
			close(hangs)
			<-ctx.Done()
			return ctx.Err()
		},
	}
	st, db := newStore(t, f, sqlstore.MySQL)
	defer db.Close()
	first, cancel := context.WithTimeout(t.Context(), time.Minute) // the end of a test that fails
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := st.Load(first, record(1).ID)
		failed <- err
	}()
	<-hangs
	if _, err := st.Load(t.Context(), record(1).ID); err != nil {
		t.Errorf("Load beside a preparation that hangs: %v", err)
	}
	if first.Err() != nil {
		t.Fatal("Load waited for another's preparation")
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("Load whose preparation hangs: got error %v, want %v", err, context.Canceled)
	}
}
