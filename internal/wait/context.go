// Package wait has a mutex and a context that do not wait for ever: of a request,
// which ends in time whatever the store, the application or the clock does.
package wait

import (
	"context"
	"sync/atomic"
	"time"
)

// A Context is one with a parent's values that ends at a time, and with
// its parent unless it is detached. It costs one allocation, where
// context.WithTimeout costs five, and arms a timer only for those who wait on
// Done: a store in memory never does.
type Context struct {
	Parent   context.Context
	At       time.Time
	Detached bool

	ended atomic.Bool
	timed atomic.Pointer[timer] // made by the first Done
}

// Detached returns one that ends at a time, whatever becomes of its parent.
func Detached(parent context.Context, at time.Time) *Context {
	return &Context{Parent: parent, Detached: true, At: at}
}

type timer struct {
	context.Context
	cancel context.CancelFunc
}

// Deadline returns the earlier of its own time and, unless it is detached, its
// parent's.
func (c *Context) Deadline() (time.Time, bool) {
	if !c.Detached {
		if at, ok := c.Parent.Deadline(); ok && at.Before(c.At) {
			return at, true
		}
	}
	return c.At, true
}

// Value lets package context find the timer, once there is one: whoever derives
// a context, as database/sql does for each query, then needs no goroutine to
// wait for this one.
func (c *Context) Value(key any) any {
	if timed := c.timed.Load(); timed != nil {
		return timed.Value(key)
	}
	return c.Parent.Value(key)
}

// Err says whether it has ended, without a timer.
func (c *Context) Err() error {
	if timed := c.timed.Load(); timed != nil {
		return timed.Err()
	}
	if !c.Detached {
		if err := c.Parent.Err(); err != nil {
			return err
		}
	}
	if c.ended.Load() {
		return context.Canceled
	}
	if time.Until(c.At) <= 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// Done arms the timer.
func (c *Context) Done() <-chan struct{} {
	if timed := c.timed.Load(); timed != nil {
		return timed.Done()
	}
	parent := c.Parent
	if c.Detached {
		parent = context.WithoutCancel(parent)
	}
	made := new(timer)
	made.Context, made.cancel = context.WithDeadline(parent, c.At)
	if !c.timed.CompareAndSwap(nil, made) {
		made.cancel()
	}
	timed := c.timed.Load()
	if c.ended.Load() { // perhaps before there was one to cancel
		timed.cancel()
	}
	return timed.Done()
}

// End releases the timer. Whoever still waits on Done is woken.
func (c *Context) End() {
	c.ended.Store(true)
	if timed := c.timed.Load(); timed != nil {
		timed.cancel()
	}
}
