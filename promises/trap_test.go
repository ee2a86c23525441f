package promises_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A trap is a store whose calls a test can block, fail before they are applied,
// or fail after that. Unset hooks let everything through.
type trap struct {
	store.Store

	mu     sync.Mutex
	before func(ctx context.Context, method string) error // its error is returned, nothing is applied
	after  func(ctx context.Context, method string) error // its error is returned, though all is applied
	calls  map[string]int
}

func (t *trap) set(before, after func(context.Context, string) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.before, t.after = before, after
}

// count returns how often a method was called; "" means all of them.
func (t *trap) count(method string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if method != "" {
		return t.calls[method]
	}
	n := 0
	for _, calls := range t.calls {
		n += calls
	}
	return n
}

// call runs f between the hooks.
func (t *trap) call(ctx context.Context, method string, f func() error) error {
	t.mu.Lock()
	if t.calls == nil {
		t.calls = make(map[string]int)
	}
	t.calls[method]++
	before, after := t.before, t.after
	t.mu.Unlock()
	if before != nil {
		if err := before(ctx, method); err != nil {
			return err
		}
	}
	err := f()
	if after != nil {
		if afterErr := after(ctx, method); afterErr != nil {
			return afterErr
		}
	}
	return err
}

func (t *trap) Load(ctx context.Context, id store.ID) (rec store.Record, err error) {
	err = t.call(ctx, "Load", func() (err error) { rec, err = t.Store.Load(ctx, id); return err })
	return rec, err
}

func (t *trap) Create(ctx context.Context, rec store.Record) error {
	return t.call(ctx, "Create", func() error { return t.Store.Create(ctx, rec) })
}

func (t *trap) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	return t.call(ctx, "Update", func() error { return t.Store.Update(ctx, rec, ifVersion) })
}

func (t *trap) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	return t.call(ctx, "Replace", func() error { return t.Store.Replace(ctx, old, ifVersion, rec, until) })
}

func (t *trap) Touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	return t.call(ctx, "Touch", func() error { return t.Store.Touch(ctx, id, seen, expires) })
}

func (t *trap) End(ctx context.Context, id store.ID, until time.Time) (next store.ID, err error) {
	err = t.call(ctx, "End", func() (err error) { next, err = t.Store.End(ctx, id, until); return err })
	return next, err
}

func (t *trap) EndUser(ctx context.Context, user string, at, until time.Time, keep ...store.ID) (ids []store.ID, err error) {
	err = t.call(ctx, "EndUser", func() (err error) { ids, err = t.Store.EndUser(ctx, user, at, until, keep...); return err })
	return ids, err
}

func (t *trap) User(ctx context.Context, user string) (recs []store.Record, err error) {
	err = t.call(ctx, "User", func() (err error) { recs, err = t.Store.User(ctx, user); return err })
	return recs, err
}

func (t *trap) Sweep(ctx context.Context, now time.Time, max int) (n int, err error) {
	err = t.call(ctx, "Sweep", func() (err error) { n, err = t.Store.Sweep(ctx, now, max); return err })
	return n, err
}

var errAway = errors.New("dial tcp 10.0.0.7:6379: connection refused")

// away fails every call of the given methods before it is applied; of all
// methods if none is given.
func away(methods ...string) func(context.Context, string) error {
	return func(_ context.Context, method string) error {
		for _, m := range methods {
			if m == method {
				return errAway
			}
		}
		if len(methods) == 0 {
			return errAway
		}
		return nil
	}
}
