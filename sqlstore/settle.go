package sqlstore

import (
	"context"
	"errors"
	"strings"
	"time"
)

const (
	// patience is how long a write that was sent may still take after its
	// caller has cancelled.
	patience = time.Second

	// maxUndone bounds how often a write is run that a database undoes.
	maxUndone = 10
)

// call makes one call of the contract. A write to a server is on its way when
// its context is cancelled: giving up at once would leave it to happen at some
// later time, after the caller has looked (S13). So there it is waited for, but
// not for long, and not beyond a deadline.
func (s *Store) call(ctx context.Context, doing string, f func(ctx context.Context) error) error {
	err := ctx.Err()
	if err == nil && s.dialect == SQLite {
		err = f(ctx) // the queue knows what is on its way
	} else if err == nil {
		err = settled(ctx, f)
	}
	return s.failed(ctx, doing, err)
}

func settled(ctx context.Context, f func(ctx context.Context) error) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			pause := time.NewTimer(patience)
			defer pause.Stop()
			select {
			case <-pause.C:
			case <-inner.Done():
			}
		}
		cancel()
	})
	defer stop()
	for try := 1; ; try++ {
		err := f(inner)
		if err == nil || try == maxUndone || !undone(err) || ctx.Err() != nil {
			return err
		}
	}
}

// undone reports whether the database refused a transaction to let another one
// go on: nothing of it was applied, because what the database has not rolled back
// the store has, and to run it again is how one waits for the other. Drivers for
// PostgreSQL tell the SQLSTATE, the one for MySQL only a text that begins with
// the number.
func undone(err error) bool {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		state := coded.SQLState()
		return state == "40001" || state == "40P01"
	}
	for _, number := range mysqlUndone {
		if strings.Contains(err.Error(), number) {
			return true
		}
	}
	return false
}

// mysqlUndone are a deadlock, a row that another transaction has changed since
// this one's snapshot (MariaDB with innodb_snapshot_isolation, on by itself since
// 11.6), and a lock that took the server too long.
var mysqlUndone = []string{"Error 1213 ", "Error 1020 ", "Error 1205 "}
