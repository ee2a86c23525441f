package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

var endRules = []rule{
	{"S6", "End removes the record and its index entry and leaves a tombstone", tryEnd},
	{"S6", "End leaves a tombstone also where nothing was", tryEndUnknown},
	{"S6", "a tombstone keeps the later of two times", tryEndAgain},
	{"S6", "a tombstone keeps its successor, and End returns it", tryEndReplaced},
	{"S7", "while a tombstone stands no call makes that id live", tryTombstone},
}

func tryEnd(ctx context.Context, e *env) error {
	user, until := newUser(), soon()
	rec, stays, anonymous := e.record(user), e.record(user), e.record("")
	return errors.Join(
		e.create(ctx, rec),
		e.create(ctx, stays),
		e.create(ctx, anonymous),
		e.end(ctx, rec.ID, store.ID{}, until),
		e.end(ctx, anonymous.ID, store.ID{}, until),
		e.ended(ctx, rec.ID, store.ID{}, until),
		e.ended(ctx, anonymous.ID, store.ID{}, until),
		e.live(ctx, stays),
		e.lists(ctx, user, stays),
	)
}

func tryEndUnknown(ctx context.Context, e *env) error {
	until, rec := soon(), e.record(newUser())
	return errors.Join(
		e.end(ctx, rec.ID, store.ID{}, until),
		e.ended(ctx, rec.ID, store.ID{}, until),
		got("Create of an id that was ended before it was used", e.Create(ctx, rec), store.ErrEnded),
		e.lists(ctx, rec.User),
	)
}

func tryEndAgain(ctx context.Context, e *env) error {
	until, rec, unused := soon(), e.record(newUser()), e.record("")
	errs := []error{e.create(ctx, rec)}
	for _, id := range []store.ID{rec.ID, unused.ID} {
		errs = append(errs,
			e.end(ctx, id, store.ID{}, until),
			e.end(ctx, id, store.ID{}, until.Add(-time.Second)),
			e.ended(ctx, id, store.ID{}, until),
			e.end(ctx, id, store.ID{}, until),
			e.end(ctx, id, store.ID{}, until.Add(time.Microsecond)),
			e.ended(ctx, id, store.ID{}, until.Add(time.Microsecond)))
	}
	return errors.Join(errs...)
}

func tryEndReplaced(ctx context.Context, e *env) error {
	user, until := newUser(), soon().Add(time.Minute)
	a := e.record("")
	b := e.renewed(a, user)
	c := e.renewed(b, user)
	return errors.Join(
		e.create(ctx, a),
		got("Replace", e.Replace(ctx, a.ID, a.Version, b, standing(b)), nil),
		e.end(ctx, a.ID, b.ID, a.Seen),
		e.replaced(ctx, a.ID, b),
		got("Replace", e.Replace(ctx, b.ID, b.Version, c, standing(c)), nil),
		e.end(ctx, a.ID, b.ID, until),
		e.ended(ctx, a.ID, b.ID, until),
		e.live(ctx, c),
		e.end(ctx, b.ID, c.ID, until),
		e.live(ctx, c),
		e.lists(ctx, user, c),
		e.end(ctx, c.ID, store.ID{}, until),
		e.ended(ctx, a.ID, b.ID, until),
		e.ended(ctx, b.ID, c.ID, until),
		e.ended(ctx, c.ID, store.ID{}, until),
		e.lists(ctx, user),
	)
}

// tryTombstone tries every call on every kind of tombstone.
func tryTombstone(ctx context.Context, e *env) error {
	kinds := []struct {
		name string
		make func(rec store.Record) error
	}{
		{"an ended session", func(rec store.Record) error {
			return errors.Join(e.create(ctx, rec), e.end(ctx, rec.ID, store.ID{}, soon()))
		}},
		{"an id ended before it was used", func(rec store.Record) error {
			return e.end(ctx, rec.ID, store.ID{}, soon())
		}},
		{"a replaced session", func(rec store.Record) error {
			return errors.Join(e.create(ctx, rec), e.Replace(ctx, rec.ID, rec.Version, e.renewed(rec, newUser()), soon()))
		}},
		{"a session whose user was ended", func(rec store.Record) error {
			created := e.create(ctx, rec)
			_, err := e.EndUser(ctx, rec.User, rec.AuthTime.Add(-time.Second), soon())
			return errors.Join(created, err)
		}},
	}
	var errs []error
	for _, kind := range kinds {
		rec, live, fresh := e.record(newUser()), e.record(newUser()), e.record(newUser())
		onto := e.renewed(live, rec.User)
		onto.ID = rec.ID
		later := now().Add(time.Hour)
		err := errors.Join(
			e.create(ctx, live),
			kind.make(rec),
			got("Create", e.Create(ctx, next(rec)), store.ErrEnded),
			got("Update", e.Update(ctx, next(rec), rec.Version), store.ErrEnded),
			got("Touch", e.Touch(ctx, rec.ID, later, later), store.ErrEnded),
			got("Replace of it", e.Replace(ctx, rec.ID, rec.Version, fresh, standing(fresh)), store.ErrEnded),
			got("Replace onto it", e.Replace(ctx, live.ID, live.Version, onto, standing(onto)), store.ErrEnded),
		)
		_, stood := e.tombstone(ctx, rec.ID)
		err = errors.Join(err, stood,
			e.live(ctx, live),
			e.notLive(ctx, fresh.ID),
			e.lists(ctx, rec.User),
		)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", kind.name, err))
		}
	}
	return errors.Join(errs...)
}
