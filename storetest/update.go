package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

var updateRules = []rule{
	{"S3", "Update writes where the stored Version is was", tryUpdate},
	{"S3", "Update writes nothing where it is another", tryUpdateConflict},
	{"S3", "a conflict that tells what it found tells what Load returns", tryUpdateFound},
	{"S3", "Update never creates", tryUpdateUnknown},
	{"S3", "Update never brings back an ended session", tryUpdateEnded},
	{"S3", "Update never moves Seen or Expires back behind a Touch", tryUpdateTouched},
	{"S3", "Update does not change the User", tryUpdateUser},
}

func tryUpdate(ctx context.Context, e *env) error {
	user := newUser()
	rec := e.record(user)
	two := next(rec)
	three := next(two)
	// All of it is written, also what the core leaves as it was.
	three.AuthTime, three.Created = three.AuthTime.Add(time.Second), three.Created.Add(time.Second)
	three.Deadline = three.Deadline.Add(-time.Hour)
	return errors.Join(
		e.create(ctx, rec),
		got("Update", e.Update(ctx, two, rec.Version), nil),
		e.live(ctx, two),
		e.lists(ctx, user, two),
		got("Update", e.Update(ctx, three, two.Version), nil),
		e.live(ctx, three),
		e.lists(ctx, user, three),
	)
}

func tryUpdateConflict(ctx context.Context, e *env) error {
	user := newUser()
	rec := e.record(user)
	two := next(rec)
	three := next(two)
	return errors.Join(
		e.create(ctx, rec),
		got("Update from version 0", e.Update(ctx, two, 0), store.ErrConflict),
		got("Update from the version it brings", e.Update(ctx, two, two.Version), store.ErrConflict),
		got("Update from a near version", e.Update(ctx, two, rec.Version^1<<63), store.ErrConflict),
		e.live(ctx, rec),
		got("Update", e.Update(ctx, two, rec.Version), nil),
		got("Update from a version that is gone", e.Update(ctx, three, rec.Version), store.ErrConflict),
		e.live(ctx, two),
		e.lists(ctx, user, two),
	)
}

func tryUpdateFound(ctx context.Context, e *env) error {
	var errs []error
	for _, user := range []string{"", newUser()} {
		rec := e.record(user)
		two := next(rec)
		touched := two
		touched.Seen, touched.Expires = standing(two), two.Expires.Add(time.Minute)
		errs = append(errs,
			e.create(ctx, rec),
			e.found(ctx, next(rec), 0, rec),
			got("Update", e.Update(ctx, two, rec.Version), nil),
			e.found(ctx, next(rec), rec.Version, two),
			got("Touch", e.Touch(ctx, rec.ID, touched.Seen, touched.Expires), nil),
			e.found(ctx, next(rec), rec.Version, touched),
			e.live(ctx, touched),
		)
	}
	return errors.Join(errs...)
}

// found returns an error unless an Update from that version is a conflict, which
// tells of now if it tells anything.
func (e *env) found(ctx context.Context, rec store.Record, ifVersion uint64, now store.Record) error {
	err := e.Update(ctx, rec, ifVersion)
	var conflict *store.ConflictError
	if errors.As(err, &conflict) {
		return same("ConflictError of Update", conflict.Now, now)
	}
	return got("Update from a version that is gone", err, store.ErrConflict)
}

func tryUpdateUnknown(ctx context.Context, e *env) error {
	user := newUser()
	rec := e.record(user)
	return errors.Join(
		got("Update of an unknown id", e.Update(ctx, next(rec), rec.Version), store.ErrNotFound),
		got("Update of an unknown id from version 0", e.Update(ctx, rec, 0), store.ErrNotFound),
		e.unknown(ctx, rec.ID),
		e.lists(ctx, user),
	)
}

func tryUpdateEnded(ctx context.Context, e *env) error {
	user, until := newUser(), soon()
	rec := e.record(user)
	return errors.Join(
		e.create(ctx, rec),
		e.end(ctx, rec.ID, store.ID{}, until),
		got("Update after End", e.Update(ctx, next(rec), rec.Version), store.ErrEnded),
		got("Update after End, from version 0", e.Update(ctx, next(rec), 0), store.ErrEnded),
		e.ended(ctx, rec.ID, store.ID{}, until),
		e.lists(ctx, user),
	)
}

func tryUpdateTouched(ctx context.Context, e *env) error {
	user := newUser()
	rec := e.record(user)
	touched := rec
	touched.Seen, touched.Expires = standing(rec), rec.Expires.Add(time.Minute)
	// A commit that was prepared before the touch.
	late := next(rec)
	stored := late
	stored.Seen, stored.Expires = touched.Seen, touched.Expires
	// One of its times is newer, the other is not.
	mixed := next(late)
	mixed.Seen = standing(touched)
	stored2 := mixed
	stored2.Expires = touched.Expires
	mixed2 := next(stored2)
	mixed2.Seen = rec.Seen
	stored3 := mixed2
	stored3.Seen = stored2.Seen
	return errors.Join(
		e.create(ctx, rec),
		got("Touch", e.Touch(ctx, rec.ID, touched.Seen, touched.Expires), nil),
		e.live(ctx, touched),
		got("Update", e.Update(ctx, late, rec.Version), nil),
		e.live(ctx, stored),
		e.lists(ctx, user, stored),
		got("Update", e.Update(ctx, mixed, late.Version), nil),
		e.live(ctx, stored2),
		got("Update", e.Update(ctx, mixed2, mixed.Version), nil),
		e.live(ctx, stored3),
	)
}

func tryUpdateUser(ctx context.Context, e *env) error {
	user, other := newUser(), newUser()
	rec, anonymous := e.record(user), e.record("")
	errs := []error{e.create(ctx, rec), e.create(ctx, anonymous)}
	for _, c := range []struct {
		from store.Record
		to   string
	}{{rec, other}, {rec, ""}, {anonymous, other}} {
		// Whether such a call is an error is the store's choice.
		stored, err := e.Load(ctx, c.from.ID)
		errs = append(errs, got("Load", err, nil))
		changed := next(stored)
		changed.User = c.to
		_ = e.Update(ctx, changed, stored.Version)
		if stored, err = e.Load(ctx, c.from.ID); err == nil && stored.User != c.from.User {
			err = wrong("Update", "changed the User")
		}
		errs = append(errs, err)
	}
	list, err := e.User(ctx, user)
	if err == nil && indexOf(list, rec.ID) < 0 {
		err = wrong("Update with another User", "took the session out of the user's list")
	}
	return errors.Join(append(errs, err, e.lists(ctx, other))...)
}
