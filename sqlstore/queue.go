package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A queue lets concurrent writes to SQLite share transactions: a durable commit
// waits for the disk, and one wait is enough for many. The first caller that
// waits begins a transaction, runs the writes of all who wait by then, and
// commits; who came meanwhile wait for the next, and the first of them leads
// that. A caller has its answer only when the transaction is on the disk.
type queue struct {
	db *sql.DB

	mu      sync.Mutex
	waiting []*write
	led     bool  // somebody leads, or has been told to
	blocked error // what the one who leads was told, while another connection has the database
}

// A write is one caller's part of a transaction. Its error is one of the
// contract, with nothing written, or a fault of the database.
type write struct {
	run  func(ctx context.Context, q querier) error
	err  error
	wake chan bool // true: lead; false: done, see err
}

// maxTogether bounds the writes of one transaction.
const maxTogether = 256

// do runs one write and returns when it is committed. It gives up when ctx is
// over and nobody has begun to run it.
func (w *queue) do(ctx context.Context, run func(ctx context.Context, q querier) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	me := &write{run: run, wake: make(chan bool, 1)}
	w.mu.Lock()
	w.waiting = append(w.waiting, me)
	lead := !w.led
	w.led = true
	w.mu.Unlock()
	if !lead {
		select {
		case lead = <-me.wake:
		case <-ctx.Done():
			if w.leave(me) {
				return w.because(ctx.Err())
			}
			lead = <-me.wake // it is in a transaction: that ends soon (S13)
		}
	}
	if lead {
		w.lead(ctx, me)
	}
	return me.err
}

// because adds to the end of a wait what it was for.
func (w *queue) because(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.blocked != nil {
		err = fmt.Errorf("%w: %w", err, w.blocked)
	}
	return err
}

// leave takes a write out of the queue, unless somebody has taken it already.
// Who has been told to lead passes that on.
func (w *queue) leave(me *write) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.waiting, me)
	if i < 0 {
		return false
	}
	w.waiting = slices.Delete(w.waiting, i, i+1)
	select {
	case <-me.wake: // lead: a write that waits is not done
		w.pass()
	default:
	}
	return true
}

// pass tells the first who waits to lead. The lock is held.
func (w *queue) pass() {
	w.led = len(w.waiting) > 0
	if w.led {
		w.waiting[0].wake <- true
	}
}

// lead runs transactions until the caller's own write is done.
func (w *queue) lead(ctx context.Context, me *write) {
	defer func() {
		w.mu.Lock()
		w.pass()
		w.mu.Unlock()
	}()
	for done := false; !done; {
		conn, err := w.begin(ctx)
		if err != nil { // of this caller: the next one tries for itself
			me.err = err
			w.leave(me)
			return
		}
		w.mu.Lock()
		n := min(len(w.waiting), maxTogether)
		together := slices.Clone(w.waiting[:n])
		w.waiting = slices.Delete(w.waiting, 0, n)
		w.mu.Unlock()
		for _, other := range w.transact(conn, together) {
			if other == me {
				done = true
			} else {
				other.wake <- false
			}
		}
	}
}

// transact runs the writes and commits, under a context of its own: that the
// caller who leads gives up fails nobody. It returns the writes that are done.
// After a fault nothing has been written, and only the write at fault is done;
// the others are put back in front of the queue.
func (w *queue) transact(conn *sql.Conn, together []*write) (done []*write) {
	ctx := context.Background()
	defer conn.Close()
	var q querier = conn
	if len(together) > 1 {
		p := &prepared{querier: conn, compile: conn.PrepareContext}
		defer p.close()
		q = p
	}
	for i, one := range together {
		one.err = one.run(ctx, q)
		if one.err == nil || refusal(one.err) {
			continue
		}
		if err := rollback(ctx, conn); err != nil {
			return failAll(together, err) // nothing is certain about any of them
		}
		w.mu.Lock()
		w.waiting = slices.Concat(together[:i], together[i+1:], w.waiting)
		w.mu.Unlock()
		return together[i : i+1]
	}
	if err := w.commit(ctx, conn); err != nil {
		_ = rollback(ctx, conn)
		return failAll(together, err)
	}
	return together
}

func failAll(together []*write, err error) []*write {
	for _, one := range together {
		one.err = err
	}
	return together
}

// begin starts a transaction that may write, on a connection of its own. While
// others have the database it waits, as long as ctx lasts.
func (w *queue) begin(ctx context.Context) (conn *sql.Conn, err error) {
	err = unbusy(ctx, func() error {
		if conn, err = w.db.Conn(ctx); err != nil {
			return err
		}
		_, err = conn.ExecContext(ctx, "BEGIN IMMEDIATE")
		if err == nil || busy(err) {
			w.mu.Lock()
			w.blocked = err
			w.mu.Unlock()
		}
		if err == nil {
			return nil
		}
		if !busy(err) { // perhaps ctx ended just when it had begun
			_ = rollback(context.WithoutCancel(ctx), conn)
		}
		conn.Close()
		return err
	})
	return conn, err
}

// commitTimeout bounds the wait for readers without a write-ahead log; with one
// a commit waits for nobody.
const commitTimeout = 10 * time.Second

func (w *queue) commit(ctx context.Context, conn *sql.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return unbusy(ctx, func() error {
		_, err := conn.ExecContext(ctx, "COMMIT")
		return err
	})
}

// rollback ends the transaction without a trace. A connection on which that
// fails is thrown away, so that the next user does not find it in a transaction.
// SQLite has done it already after some faults, and says so.
func rollback(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "ROLLBACK")
	if err == nil || strings.Contains(err.Error(), "no transaction is active") {
		return nil
	}
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	return err
}

// unbusy repeats what found the database busy, until ctx is over. Such a call
// has done nothing, so this is waiting, and no retry in the sense of S14.
func unbusy(ctx context.Context, call func() error) error {
	var before error
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		err := call()
		if err != nil && before != nil && ctx.Err() != nil && !busy(err) { // interrupted in its wait
			return fmt.Errorf("%w: %w", err, before)
		}
		if err == nil || !busy(err) {
			return err
		}
		before = err
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// busy reports whether the error is SQLITE_BUSY or SQLITE_LOCKED: by its code
// where the driver tells it, else by SQLite's text.
func busy(err error) bool {
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		primary := coded.Code() & 0xff
		return primary == 5 || primary == 6
	}
	text := err.Error()
	return strings.Contains(text, "database is locked") || strings.Contains(text, "table is locked")
}
