//go:build linux

package behaviour_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/coatcheck/coatcheck"
)

// A faulty store fails while it is down.
type faulty struct {
	coatcheck.Store
	down atomic.Bool
}

var errDown = errors.New("the store is away")

func (s *faulty) Unwrap() coatcheck.Store { return s.Store }

func (s *faulty) Load(ctx context.Context, id coatcheck.ID) (coatcheck.Record, error) {
	if s.down.Load() {
		return coatcheck.Record{}, errDown
	}
	return s.Store.Load(ctx, id)
}

func (s *faulty) Create(ctx context.Context, rec coatcheck.Record) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Create(ctx, rec)
}

func (s *faulty) Update(ctx context.Context, rec coatcheck.Record, was uint64) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Update(ctx, rec, was)
}

func (s *faulty) Replace(ctx context.Context, old coatcheck.ID, was uint64, rec coatcheck.Record) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Replace(ctx, old, was, rec)
}

func (s *faulty) Touch(ctx context.Context, id coatcheck.ID, seen, expires time.Time) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Touch(ctx, id, seen, expires)
}

func (s *faulty) End(ctx context.Context, id coatcheck.ID, until time.Time) (coatcheck.ID, error) {
	if s.down.Load() {
		return coatcheck.ID{}, errDown
	}
	return s.Store.End(ctx, id, until)
}
