//go:build linux

package behaviour_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A faulty store fails while it is down.
type faulty struct {
	store.Store
	down atomic.Bool
}

var errDown = errors.New("the store is away")

func (s *faulty) Unwrap() store.Store { return s.Store }

func (s *faulty) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if s.down.Load() {
		return store.Record{}, errDown
	}
	return s.Store.Load(ctx, id)
}

func (s *faulty) Create(ctx context.Context, rec store.Record) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Create(ctx, rec)
}

func (s *faulty) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Update(ctx, rec, ifVersion)
}

func (s *faulty) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Replace(ctx, old, ifVersion, rec, until)
}

func (s *faulty) Touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Touch(ctx, id, seen, expires)
}

func (s *faulty) End(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	if s.down.Load() {
		return store.ID{}, errDown
	}
	return s.Store.End(ctx, id, until)
}
