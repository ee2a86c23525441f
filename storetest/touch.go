package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

var touchRules = []rule{
	{"S5", "Touch moves Seen and Expires forward, and nothing else", tryTouch},
	{"S5", "Touch never moves a time back, and earlier or equal values succeed", tryTouchBack},
	{"S5", "Touch never brings back an ended session", tryTouchEnded},
}

func tryTouch(ctx context.Context, e *env) error {
	user := newUser()
	rec := e.record(user)
	touched := rec
	touched.Seen, touched.Expires = rec.Seen.Add(time.Microsecond), rec.Expires.Add(time.Hour)
	two := next(touched)
	return errors.Join(
		e.create(ctx, rec),
		got("Touch", e.Touch(ctx, rec.ID, touched.Seen, touched.Expires), nil),
		e.live(ctx, touched),
		e.lists(ctx, user, touched),
		got("Update after a Touch, from the version before it", e.Update(ctx, two, rec.Version), nil),
		e.live(ctx, two),
	)
}

func tryTouchBack(ctx context.Context, e *env) error {
	user := newUser()
	rec := e.record(user)
	seen, both := rec, rec
	seen.Seen = standing(rec)
	both.Seen, both.Expires = seen.Seen, rec.Expires.Add(time.Minute)
	return errors.Join(
		e.create(ctx, rec),
		got("Touch with equal times", e.Touch(ctx, rec.ID, rec.Seen, rec.Expires), nil),
		e.live(ctx, rec),
		got("Touch with earlier times", e.Touch(ctx, rec.ID, rec.Seen.Add(-time.Second), rec.Expires.Add(-time.Second)), nil),
		e.live(ctx, rec),
		got("Touch with an earlier Expires", e.Touch(ctx, rec.ID, seen.Seen, rec.Expires.Add(-time.Second)), nil),
		e.live(ctx, seen),
		got("Touch with an earlier Seen", e.Touch(ctx, rec.ID, rec.Seen, both.Expires), nil),
		e.live(ctx, both),
		got("Touch with earlier times", e.Touch(ctx, rec.ID, rec.Seen, rec.Expires), nil),
		e.live(ctx, both),
		e.lists(ctx, user, both),
	)
}

func tryTouchEnded(ctx context.Context, e *env) error {
	user, until := newUser(), soon()
	rec := e.record(user)
	return errors.Join(
		e.create(ctx, rec),
		e.end(ctx, rec.ID, store.ID{}, until),
		got("Touch after End", e.Touch(ctx, rec.ID, rec.Seen.Add(time.Hour), rec.Expires.Add(time.Hour)), store.ErrEnded),
		e.ended(ctx, rec.ID, store.ID{}, until),
		e.lists(ctx, user),
	)
}
