package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

var replaceRules = []rule{
	{"S4", "Replace makes rec live and old a tombstone naming it, with data and user index moved", tryReplace},
	{"S4", "the tombstone of a replaced session stands until until", tryReplaceUntil},
	{"S4", "Replace from another version is ErrConflict and leaves everything as it was", tryReplaceConflict},
	{"S4", "Replace of an unknown or ended session makes nothing", tryReplaceGone},
	{"S4", "Replace onto an id that is live or ended leaves both as they were", tryReplaceOnto},
}

// standing is until when the tests let the tombstone stand of what rec replaces.
func standing(rec store.Record) time.Time { return rec.Seen.Add(time.Minute) }

// replaced returns an error unless old is a tombstone that names rec and
// stands as long as it should.
func (e *env) replaced(ctx context.Context, old store.ID, rec store.Record) error {
	return e.ended(ctx, old, rec.ID, standing(rec))
}

func tryReplace(ctx context.Context, e *env) error {
	user, other := newUser(), newUser()
	bystander := e.record(user)
	errs := []error{e.create(ctx, bystander)}
	for _, c := range []struct{ from, to string }{
		{"", ""}, {"", user}, {user, user}, {user, other}, {user, ""},
	} {
		a := e.record(c.from)
		b := e.renewed(a, c.to)
		d := e.renewed(b, c.to)
		err := errors.Join(
			e.create(ctx, a),
			got("Replace", e.Replace(ctx, a.ID, a.Version, b, standing(b)), nil),
			e.live(ctx, b),
			e.replaced(ctx, a.ID, b),
			got("Update of the replaced session", e.Update(ctx, next(a), a.Version), store.ErrEnded),
			got("Replace of what replaced it", e.Replace(ctx, b.ID, b.Version, d, standing(d)), nil),
			e.live(ctx, d),
			e.replaced(ctx, a.ID, b),
			e.replaced(ctx, b.ID, d),
			e.listsAmong(ctx, user, c.to == user, bystander, d),
			e.listsAmong(ctx, other, c.to == other, store.Record{}, d),
			e.end(ctx, d.ID, store.ID{}, soon()),
		)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s to %s: %w", role(c.from, user), role(c.to, user), err))
		}
	}
	return errors.Join(errs...)
}

// listsAmong returns an error unless User returns the bystander, if any, and
// rec where it is listed.
func (e *env) listsAmong(ctx context.Context, user string, listed bool, bystander, rec store.Record) error {
	var want []store.Record
	if !bystander.ID.IsZero() {
		want = append(want, bystander)
	}
	if listed {
		want = append(want, rec)
	}
	return e.lists(ctx, user, want...)
}

func role(user, first string) string {
	switch user {
	case "":
		return "anonymous"
	case first:
		return "user"
	}
	return "another user"
}

func tryReplaceUntil(ctx context.Context, e *env) error {
	var errs []error
	for _, ahead := range []time.Duration{time.Second, time.Minute, 3 * time.Hour} {
		old := e.record("")
		rec := e.renewed(old, newUser())
		until := rec.Seen.Add(ahead)
		errs = append(errs,
			e.create(ctx, old),
			got("Replace", e.Replace(ctx, old.ID, old.Version, rec, until), nil),
			e.ended(ctx, old.ID, rec.ID, until))
	}
	return errors.Join(errs...)
}

func tryReplaceConflict(ctx context.Context, e *env) error {
	user := newUser()
	a := e.record(user)
	b := next(a)
	c := e.renewed(a, user)
	return errors.Join(
		e.create(ctx, a),
		got("Replace from version 0", e.Replace(ctx, a.ID, 0, c, standing(c)), store.ErrConflict),
		got("Replace from the version it brings", e.Replace(ctx, a.ID, c.Version, c, standing(c)), store.ErrConflict),
		e.live(ctx, a),
		e.notLive(ctx, c.ID),
		e.lists(ctx, user, a),
		got("Update", e.Update(ctx, b, a.Version), nil),
		got("Replace from a version that is gone", e.Replace(ctx, a.ID, a.Version, c, standing(c)), store.ErrConflict),
		e.live(ctx, b),
		e.notLive(ctx, c.ID),
		e.lists(ctx, user, b),
		got("Touch", e.Touch(ctx, a.ID, b.Seen, b.Expires), nil),
	)
}

func tryReplaceGone(ctx context.Context, e *env) error {
	user, until := newUser(), soon()
	unknown, gone, renewed := e.record(user), e.record(user), e.record(user)
	heir := e.renewed(renewed, user)
	one, two, three := e.record(user), e.record(user), e.record(user)
	return errors.Join(
		got("Replace of an unknown id", e.Replace(ctx, unknown.ID, 0, one, standing(one)), store.ErrNotFound),
		e.unknown(ctx, unknown.ID),
		e.notLive(ctx, one.ID),

		e.create(ctx, gone),
		e.end(ctx, gone.ID, store.ID{}, until),
		got("Replace of an ended session", e.Replace(ctx, gone.ID, gone.Version, two, standing(two)), store.ErrEnded),
		e.ended(ctx, gone.ID, store.ID{}, until),
		e.notLive(ctx, two.ID),

		e.create(ctx, renewed),
		got("Replace", e.Replace(ctx, renewed.ID, renewed.Version, heir, standing(heir)), nil),
		got("Replace of a replaced session", e.Replace(ctx, renewed.ID, renewed.Version, three, standing(three)), store.ErrEnded),
		e.replaced(ctx, renewed.ID, heir),
		e.notLive(ctx, three.ID),
		e.lists(ctx, user, heir),
	)
}

func tryReplaceOnto(ctx context.Context, e *env) error {
	user, other, until := newUser(), newUser(), soon()
	old, taken, dead := e.record(user), e.record(other), e.record(other)
	ontoTaken, ontoDead, ontoSelf := e.renewed(old, user), e.renewed(old, user), next(old)
	ontoTaken.ID, ontoDead.ID = taken.ID, dead.ID
	errs := []error{
		e.create(ctx, old),
		e.create(ctx, taken),
		e.end(ctx, dead.ID, store.ID{}, until),
		got("Replace onto a live id", e.Replace(ctx, old.ID, old.Version, ontoTaken, standing(ontoTaken)), store.ErrExists),
		got("Replace onto an ended id", e.Replace(ctx, old.ID, old.Version, ontoDead, standing(ontoDead)), store.ErrEnded),
	}
	if e.Replace(ctx, old.ID, old.Version, ontoSelf, standing(ontoSelf)) == nil {
		errs = append(errs, wrong("Replace of a session by itself", "got no error"))
	}
	return errors.Join(append(errs,
		e.live(ctx, old),
		e.live(ctx, taken),
		e.ended(ctx, dead.ID, store.ID{}, until),
		e.lists(ctx, user, old),
		e.lists(ctx, other, taken),
	)...)
}
