package coatcheck

import (
	"context"
	"sync"
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

	ended bool
	mu    sync.Mutex // guards ended and timed
	timed *timer     // made by the first Done
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
	d.mu.Lock()
	timed := d.timed
	d.mu.Unlock()
	if timed != nil {
		return timed.Value(key)
	}
	return d.parent.Value(key)
}

func (d *deadline) Err() error {
	d.mu.Lock()
	timed, ended := d.timed, d.ended
	d.mu.Unlock()
	if timed != nil {
		return timed.Err()
	}
	if !d.detached {
		if err := d.parent.Err(); err != nil {
			return err
		}
	}
	if ended {
		return context.Canceled
	}
	if time.Until(d.at) <= 0 {
		return context.DeadlineExceeded
	}
	return nil
}

func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		parent := d.parent
		if d.detached {
			parent = context.WithoutCancel(parent)
		}
		d.timed = new(timer)
		d.timed.Context, d.timed.cancel = context.WithDeadline(parent, d.at)
		if d.ended {
			d.timed.cancel()
		}
	}
	return d.timed.Done()
}

// end releases the timer. Whoever still waits on Done is woken.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	if d.timed != nil {
		d.timed.cancel()
	}
}
