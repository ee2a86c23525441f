package coatcheck

import (
	"context"
	"sync/atomic"
	"time"
)

// How long things may take (G2, G5). tombstoneLife less the two time-outs is
// cookieWindow: a request older than that could be answered with a cookie for
// a session whose end nobody remembers.
const (
	loadTimeout   = 5 * time.Second
	commitTimeout = 5 * time.Second
	lookTime      = time.Second // of which this is kept for the look after a call whose answer did not come
	tombstoneLife = 60 * time.Second
	cookieWindow  = tombstoneLife - loadTimeout - commitTimeout
)

// A deadline is a context with a parent's values that ends at a time, and with
// its parent unless it is detached. It costs one allocation, where
// context.WithTimeout costs five, and arms a timer only for those who wait on
// Done: a store in memory never does.
type deadline struct {
	parent   context.Context
	at       time.Time
	detached bool

	ended atomic.Bool
	timed atomic.Pointer[timer] // made by the first Done
}

type timer struct {
	context.Context
	cancel context.CancelFunc
}

func (d *deadline) Deadline() (time.Time, bool) {
	if !d.detached {
		if at, ok := d.parent.Deadline(); ok && at.Before(d.at) {
			return at, true
		}
	}
	return d.at, true
}

// Value lets package context find the timer, once there is one: whoever derives
// a context, as database/sql does for each query, then needs no goroutine to
// wait for this one.
func (d *deadline) Value(key any) any {
	if timed := d.timed.Load(); timed != nil {
		return timed.Value(key)
	}
	return d.parent.Value(key)
}

func (d *deadline) Err() error {
	if timed := d.timed.Load(); timed != nil {
		return timed.Err()
	}
	if !d.detached {
		if err := d.parent.Err(); err != nil {
			return err
		}
	}
	if d.ended.Load() {
		return context.Canceled
	}
	if time.Until(d.at) <= 0 {
		return context.DeadlineExceeded
	}
	return nil
}

func (d *deadline) Done() <-chan struct{} {
	if timed := d.timed.Load(); timed != nil {
		return timed.Done()
	}
	parent := d.parent
	if d.detached {
		parent = context.WithoutCancel(parent)
	}
	made := new(timer)
	made.Context, made.cancel = context.WithDeadline(parent, d.at)
	if !d.timed.CompareAndSwap(nil, made) {
		made.cancel()
	}
	timed := d.timed.Load()
	if d.ended.Load() { // perhaps before there was one to cancel
		timed.cancel()
	}
	return timed.Done()
}

// end releases the timer. Whoever still waits on Done is woken.
func (d *deadline) end() {
	d.ended.Store(true)
	if timed := d.timed.Load(); timed != nil {
		timed.cancel()
	}
}
