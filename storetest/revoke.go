package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

var revokeRules = []rule{
	{"S8", "EndUser ends every live session of the user and returns their ids", tryEndUser},
	{"S8", "EndUser spares the sessions in keep", tryEndUserKeep},
	{"S8", "EndUser spares what has replaced a session in keep, and what replaces that", tryEndUserKeepReplaced},
	{"S8", "a Replace that failed makes nothing what replaced a session in keep", tryEndUserKeepFailed},
	{"S8", "the zero ID in keep keeps nothing", tryEndUserKeepZero},
	{"S8", "EndUser touches nobody else", tryEndUserOthers},
	{"S8", "EndUser refuses a Create whose AuthTime is not after at", tryRevokedCreate},
	{"S8", "EndUser refuses a Replace whose AuthTime is not after at, and leaves its old session as it was", tryRevokedReplace},
	{"S8", "a Replace of a kept session is accepted, and its new id is kept too", tryKeptReplace},
	{"S8", "an earlier EndUser does not weaken a later one, nor the other way round", tryEndUserTwice},
}

// endUser returns an error unless EndUser ends exactly these records.
func (e *env) endUser(ctx context.Context, user string, at, until time.Time, keep []store.ID, want ...store.Record) error {
	ids, err := e.EndUser(ctx, user, at, until, keep...)
	if err != nil {
		return got("EndUser", err, nil)
	}
	var errs []error
	seen := make(map[store.ID]int)
	for _, id := range ids {
		seen[id]++
	}
	for _, rec := range want {
		if seen[rec.ID] != 1 {
			errs = append(errs, wrong("EndUser", "returned session %s %d times, want once", rec.ID, seen[rec.ID]))
		}
		errs = append(errs, e.ended(ctx, rec.ID, store.ID{}, until))
	}
	if len(ids) != len(want) {
		errs = append(errs, wrong("EndUser", "returned %d ids, want %d", len(ids), len(want)))
	}
	return errors.Join(errs...)
}

func tryEndUser(ctx context.Context, e *env) error {
	user, at, until := newUser(), now(), soon()
	var recs []store.Record
	var errs []error
	for i := range 25 {
		rec := e.record(user)
		// AuthTime decides what is refused, not what is ended.
		rec.AuthTime = at.Add(time.Duration(i-12) * time.Second)
		recs = append(recs, rec)
		errs = append(errs, e.create(ctx, rec))
	}
	gone := e.record(user)
	return errors.Join(append(errs,
		e.create(ctx, gone),
		e.end(ctx, gone.ID, store.ID{}, until.Add(time.Second)),
		e.endUser(ctx, user, at, until, nil, recs...),
		e.ended(ctx, gone.ID, store.ID{}, until.Add(time.Second)),
		e.lists(ctx, user),
		e.endUser(ctx, user, at, until, nil),
		e.endUser(ctx, newUser(), at, until, nil),
	)...)
}

func tryEndUserKeep(ctx context.Context, e *env) error {
	user, at, until := newUser(), now(), soon()
	a, b, c, unused := e.record(user), e.record(user), e.record(user), e.record(user)
	two := next(b)
	return errors.Join(
		e.create(ctx, a),
		e.create(ctx, b),
		e.create(ctx, c),
		e.endUser(ctx, user, at, until, []store.ID{b.ID, unused.ID, c.ID}, a),
		e.live(ctx, b),
		e.live(ctx, c),
		e.unknown(ctx, unused.ID),
		e.lists(ctx, user, b, c),
		got("Update of a kept session", e.Update(ctx, two, b.Version), nil),
		e.live(ctx, two),
		e.endUser(ctx, user, at, until, []store.ID{c.ID}, b),
		e.lists(ctx, user, c),
		e.endUser(ctx, user, at, until, nil, c),
		e.lists(ctx, user),
	)
}

func tryEndUserKeepReplaced(ctx context.Context, e *env) error {
	user, at, until := newUser(), now().Add(time.Second), soon()
	a, other, away := e.record(user), e.record(user), e.record(user)
	b := e.renewed(a, user)
	c := e.renewed(b, user)
	d := e.renewed(c, user)
	gone := e.renewed(away, user)
	return errors.Join(
		e.create(ctx, a),
		e.create(ctx, other),
		e.create(ctx, away),
		got("Replace", e.Replace(ctx, a.ID, a.Version, b, standing(b)), nil),
		got("Replace", e.Replace(ctx, b.ID, b.Version, c, standing(c)), nil),
		got("Replace", e.Replace(ctx, away.ID, away.Version, gone, standing(gone)), nil),
		e.endUser(ctx, user, at, until, []store.ID{a.ID}, other, gone),
		e.replaced(ctx, a.ID, b),
		e.replaced(ctx, b.ID, c),
		e.live(ctx, c),
		got("Replace of what had replaced a kept session", e.Replace(ctx, c.ID, c.Version, d, standing(d)), nil),
		e.lists(ctx, user, d),
		e.end(ctx, d.ID, store.ID{}, until),
		e.endUser(ctx, user, at, until, []store.ID{a.ID}),
		e.ended(ctx, d.ID, store.ID{}, until),
		e.lists(ctx, user),
	)
}

func tryEndUserKeepFailed(ctx context.Context, e *env) error {
	user, at, until := newUser(), now().Add(time.Second), soon()
	a, other, stale := e.record(user), e.record(user), e.record(user)
	onto := e.renewed(a, user)
	onto.ID = other.ID
	late := e.renewed(a, user)
	return errors.Join(
		e.create(ctx, a),
		e.create(ctx, other),
		e.create(ctx, stale),
		got("Replace onto a live id", e.Replace(ctx, a.ID, a.Version, onto, standing(onto)), store.ErrExists),
		got("Replace of another version", e.Replace(ctx, a.ID, a.Version+1, late, standing(late)), store.ErrConflict),
		e.endUser(ctx, user, at, until, []store.ID{a.ID}, other, stale),
		e.live(ctx, a),
		e.lists(ctx, user, a),
		got("Create of an id that failed to replace it", e.Create(ctx, late), store.ErrEnded),
	)
}

func tryEndUserKeepZero(ctx context.Context, e *env) error {
	user, until := newUser(), soon()
	at := now().Add(time.Second)
	a, stray, anonymous := e.record(user), e.record(user), e.record("")
	login := e.renewed(anonymous, user)
	return errors.Join(
		e.create(ctx, a),
		e.create(ctx, anonymous),
		e.endUser(ctx, user, at, until, []store.ID{{}}, a),
		got("Create with AuthTime before at", e.Create(ctx, stray), store.ErrEnded),
		got("Replace with AuthTime before at", e.Replace(ctx, anonymous.ID, anonymous.Version, login, standing(login)), store.ErrEnded),
		e.lists(ctx, user),
		e.unknown(ctx, store.ID{}),
	)
}

func tryEndUserOthers(ctx context.Context, e *env) error {
	user, other, until := newUser(), newUser(), soon()
	at := now().Add(time.Minute)
	rec, others, anonymous := e.record(user), e.record(other), e.record("")
	late, lateAnonymous, login := e.record(other), e.record(""), e.renewed(anonymous, other)
	return errors.Join(
		e.create(ctx, rec),
		e.create(ctx, others),
		e.create(ctx, anonymous),
		e.endUser(ctx, user, at, until, nil, rec),
		e.live(ctx, others),
		e.live(ctx, anonymous),
		e.create(ctx, late),
		e.create(ctx, lateAnonymous),
		got("Replace for another user", e.Replace(ctx, anonymous.ID, anonymous.Version, login, standing(login)), nil),
		e.lists(ctx, other, others, late, login),
		e.lists(ctx, user),
	)
}

func tryRevokedCreate(ctx context.Context, e *env) error {
	user, until := newUser(), soon()
	before, exact, after := e.record(user), e.record(user), e.record(user)
	at := exact.AuthTime
	before.AuthTime, after.AuthTime = at.Add(-time.Microsecond), at.Add(time.Microsecond)
	return errors.Join(
		e.endUser(ctx, user, at, until, nil),
		got("Create with AuthTime before at", e.Create(ctx, before), store.ErrEnded),
		got("Create with AuthTime equal to at", e.Create(ctx, exact), store.ErrEnded),
		e.notLive(ctx, before.ID),
		e.notLive(ctx, exact.ID),
		got("Create with AuthTime after at", e.Create(ctx, after), nil),
		e.live(ctx, after),
		e.lists(ctx, user, after),
	)
}

func tryRevokedReplace(ctx context.Context, e *env) error {
	user, until := newUser(), soon()
	old, older, fresh := e.record(""), e.record(""), e.record(user)
	before, exact, after, back := e.renewed(old, user), e.renewed(old, user), e.renewed(old, user), e.renewed(fresh, user)
	at := now()
	exact.AuthTime, back.AuthTime = at, at
	before.AuthTime, after.AuthTime = at.Add(-time.Microsecond), at.Add(time.Microsecond)
	fresh.AuthTime = after.AuthTime
	again := e.renewed(fresh, user)
	again.AuthTime = fresh.AuthTime
	return errors.Join(
		e.create(ctx, old),
		e.create(ctx, older),
		e.endUser(ctx, user, at, until, nil),
		got("Replace with AuthTime before at", e.Replace(ctx, old.ID, old.Version, before, standing(before)), store.ErrEnded),
		got("Replace with AuthTime equal to at", e.Replace(ctx, old.ID, old.Version, exact, standing(exact)), store.ErrEnded),
		e.live(ctx, old),
		e.notLive(ctx, before.ID),
		e.notLive(ctx, exact.ID),
		e.lists(ctx, user),
		got("Replace with AuthTime after at", e.Replace(ctx, old.ID, old.Version, after, standing(after)), nil),
		e.lists(ctx, user, after),
		// A session of after the revocation lives, and is still not kept.
		e.create(ctx, fresh),
		got("Replace of a session of after at, with AuthTime equal to at", e.Replace(ctx, fresh.ID, fresh.Version, back, standing(back)), store.ErrEnded),
		e.live(ctx, fresh),
		got("Replace of a session of after at, with AuthTime after at", e.Replace(ctx, fresh.ID, fresh.Version, again, standing(again)), nil),
		e.lists(ctx, user, after, again),
	)
}

func tryKeptReplace(ctx context.Context, e *env) error {
	user, other, until := newUser(), newUser(), soon()
	at := now().Add(time.Second) // after the AuthTime of all of them
	a, anonymous, stray := e.record(user), e.record(""), e.record(user)
	b := e.renewed(a, user)
	c := e.renewed(b, user)
	d := e.renewed(c, user)
	away := e.renewed(d, other)
	login := e.renewed(anonymous, user)
	return errors.Join(
		e.create(ctx, a),
		e.create(ctx, anonymous),
		e.endUser(ctx, user, at, until, []store.ID{a.ID}),
		got("Replace of a kept session", e.Replace(ctx, a.ID, a.Version, b, standing(b)), nil),
		e.live(ctx, b),
		got("Replace of what replaced a kept session", e.Replace(ctx, b.ID, b.Version, c, standing(c)), nil),
		e.replaced(ctx, b.ID, c),
		e.lists(ctx, user, c),
		got("Create", e.Create(ctx, stray), store.ErrEnded),
		got("Replace of a session that is not kept", e.Replace(ctx, anonymous.ID, anonymous.Version, login, standing(login)), store.ErrEnded),
		e.live(ctx, anonymous),
		e.endUser(ctx, user, at, until, []store.ID{c.ID}),
		got("Replace of a session kept twice", e.Replace(ctx, c.ID, c.Version, d, standing(d)), nil),
		e.lists(ctx, user, d),
		got("Replace of a kept session for another user", e.Replace(ctx, d.ID, d.Version, away, standing(away)), nil),
		e.lists(ctx, user),
		e.lists(ctx, other, away),
	)
}

func tryEndUserTwice(ctx context.Context, e *env) error {
	user, until := newUser(), soon()
	a, b, c := e.record(user), e.record(user), e.record(user)
	at := a.AuthTime
	b.AuthTime, c.AuthTime = at.Add(time.Minute), at.Add(time.Minute+time.Microsecond)
	renewed := e.renewed(b, user)
	renewed.AuthTime = b.AuthTime
	return errors.Join(
		e.endUser(ctx, user, at, until, nil),
		e.endUser(ctx, user, at.Add(-time.Hour), until.Add(-time.Second), nil),
		got("Create, refused by the first of two", e.Create(ctx, a), store.ErrEnded),
		e.create(ctx, b),
		e.endUser(ctx, user, at.Add(time.Minute), until, []store.ID{b.ID}),
		got("Create, refused by the last", e.Create(ctx, a), store.ErrEnded),
		got("Replace of a session kept by the last", e.Replace(ctx, b.ID, b.Version, renewed, standing(renewed)), nil),
		e.endUser(ctx, user, at, until, nil, renewed),
		got("Create, refused by the one before", e.Create(ctx, renewed), store.ErrEnded),
		e.create(ctx, c),
		e.lists(ctx, user, c),
	)
}
