package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

var contextRules = []rule{
	{"S13", "a cancelled context gives its error and leaves the state before or after", tryCancelled},
}

func tryCancelled(ctx context.Context, e *env) error {
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	late, cancel := context.WithDeadline(ctx, time.Unix(0, 0))
	defer cancel()
	return errors.Join(
		e.callsWith(ctx, cancelled, context.Canceled),
		e.callsWith(ctx, late, context.DeadlineExceeded),
	)
}

// callsWith makes every call with a context that is over.
func (e *env) callsWith(ctx, over context.Context, want error) error {
	user, until := newUser(), soon()
	rec, other, never := e.record(user), e.record(user), e.record(user)
	two, renewed := next(rec), e.renewed(other, user)
	touched := other
	touched.Seen, touched.Expires = other.Seen.Add(time.Second), other.Expires.Add(time.Second)
	errs := []error{e.create(ctx, rec), e.create(ctx, other)}

	_, err := e.Load(over, rec.ID)
	errs = append(errs, got("Load", err, want))
	_, err = e.User(over, user)
	errs = append(errs, got("User", err, want))
	_, err = e.Sweep(over, longAgo, 1)
	errs = append(errs, got("Sweep", err, want))

	errs = append(errs,
		got("Create", e.Create(over, never), want),
		e.either(ctx, never.ID, &never, nil),
		got("Update", e.Update(over, two, rec.Version), want),
		e.either(ctx, rec.ID, &rec, &two),
		got("Touch", e.Touch(over, other.ID, touched.Seen, touched.Expires), want),
		e.either(ctx, other.ID, &other, &touched),
		got("Replace", e.Replace(over, other.ID, other.Version, renewed, standing(renewed)), want))
	if _, err := e.Load(ctx, renewed.ID); err == nil {
		errs = append(errs, e.replaced(ctx, other.ID, renewed))
	} else {
		errs = append(errs, e.notLive(ctx, renewed.ID), e.either(ctx, other.ID, &other, &touched))
	}

	_, err = e.EndUser(over, newUser(), now(), until)
	errs = append(errs, got("EndUser", err, want))
	_, err = e.End(over, rec.ID, until)
	errs = append(errs, got("End", err, want))
	return errors.Join(errs...)
}

// either returns an error unless the id holds one of the two records; a nil
// record stands for an unknown id.
func (e *env) either(ctx context.Context, id store.ID, one, two *store.Record) error {
	stored, err := e.Load(ctx, id)
	if errors.Is(err, store.ErrNotFound) && (one == nil || two == nil) {
		return nil
	}
	if err != nil {
		return got("Load", err, nil)
	}
	for _, rec := range []*store.Record{one, two} {
		if rec != nil && same("Load", stored, *rec) == nil {
			return nil
		}
	}
	return fmt.Errorf("session %s is neither as before the call nor as after it", id)
}
