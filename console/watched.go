package console

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// Store returns s with its calls counted and timed, for New; and the console reads
// sessions from it. Whatever else s can do it still can: see store.As.
// It goes around every other wrapper, such as sealedstore's, so that the console can
// read what it shows. Call it once.
func (r *Recorder) Store(s store.Store) store.Store {
	r.start()
	r.store = watched{s, r}
	return r.store
}

// A watched store measures what is asked of it.
type watched struct {
	store.Store
	r *Recorder
}

// Unwrap leads to what else the store can do.
func (w watched) Unwrap() store.Store { return w.Store }

// Format prints what the store itself does.
func (w watched) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "{recorded %v}", w.Store) }

// done notes a call that began at a time.
func (w watched) done(c call, began time.Time, err error) {
	w.r.calls.add(c, began, time.Since(began), failed(err))
}

// failed reports whether the store has failed, and not only said what is so.
func failed(err error) bool {
	return err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrEnded) &&
		!errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) &&
		!errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, context.Canceled)
}

func (w watched) Load(ctx context.Context, id store.ID) (store.Record, error) {
	began := time.Now()
	rec, err := w.Store.Load(ctx, id)
	w.done(callLoad, began, err)
	return rec, err
}

func (w watched) Create(ctx context.Context, rec store.Record) error {
	began := time.Now()
	err := w.Store.Create(ctx, rec)
	w.done(callCreate, began, err)
	if err == nil {
		w.r.note(rec.ID)
	}
	return err
}

func (w watched) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	began := time.Now()
	err := w.Store.Update(ctx, rec, ifVersion)
	w.done(callUpdate, began, err)
	return err
}

func (w watched) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	began := time.Now()
	err := w.Store.Replace(ctx, old, ifVersion, rec, until)
	w.done(callReplace, began, err)
	if err == nil {
		w.r.note(rec.ID)
	}
	return err
}

func (w watched) Touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	began := time.Now()
	err := w.Store.Touch(ctx, id, seen, expires)
	w.done(callTouch, began, err)
	return err
}

func (w watched) End(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	began := time.Now()
	next, err := w.Store.End(ctx, id, until)
	w.done(callEnd, began, err)
	return next, err
}

func (w watched) EndUser(ctx context.Context, user string, at, until time.Time, keep ...store.ID) ([]store.ID, error) {
	began := time.Now()
	ids, err := w.Store.EndUser(ctx, user, at, until, keep...)
	w.done(callEndUser, began, err)
	return ids, err
}

func (w watched) User(ctx context.Context, user string) ([]store.Record, error) {
	began := time.Now()
	list, err := w.Store.User(ctx, user)
	w.done(callUser, began, err)
	return list, err
}

func (w watched) Sweep(ctx context.Context, now time.Time, max int) (int, error) {
	began := time.Now()
	n, err := w.Store.Sweep(ctx, now, max)
	w.done(callSweep, began, err)
	return n, err
}

// maxBegun bounds the sessions that are found by their handle alone.
const maxBegun = 50_000

// begun finds the ids of the sessions that began in this process most recently: a
// handle does not lead to the id that it is of.
type begun struct {
	byHandle map[string]store.ID
	order    []string
	next     int
}

// note remembers a session that has begun, or got a new token.
func (r *Recorder) note(id store.ID) {
	handle := id.Handle()
	r.mu.Lock()
	defer r.mu.Unlock()
	b := &r.begun
	if b.byHandle == nil {
		b.byHandle = make(map[string]store.ID)
	}
	if _, ok := b.byHandle[handle]; ok {
		return
	}
	if len(b.order) < maxBegun {
		b.order = append(b.order, handle)
	} else {
		delete(b.byHandle, b.order[b.next])
		b.order[b.next] = handle
		b.next = (b.next + 1) % maxBegun
	}
	b.byHandle[handle] = id
}

// idOf returns the id of a session that began here, if it is remembered.
func (r *Recorder) idOf(handle string) (store.ID, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ok := r.begun.byHandle[handle]
	return id, ok
}
