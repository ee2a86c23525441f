package storetest

import (
	"context"
	"errors"

	"github.com/coatcheck/coatcheck/store"
)

var createRules = []rule{
	{"S1", "an unknown id is ErrNotFound, and asking for it makes nothing", tryUnknown},
	{"S1", "ids are compared in every bit", trySimilarIDs},
	{"S2", "Create makes an unknown id live", tryCreate},
	{"S2", "Create never replaces a record", tryCreateLive},
	{"S2", "Create never replaces a tombstone", tryCreateEnded},
	{"S15", "a refusal of the contract applied nothing", tryRefusals},
}

func tryUnknown(ctx context.Context, e *env) error {
	user := newUser()
	rec, other := e.record(user), e.record(user)
	return errors.Join(
		e.unknown(ctx, rec.ID),
		got("Update of an unknown id", e.Update(ctx, rec, rec.Version), store.ErrNotFound),
		got("Touch of an unknown id", e.Touch(ctx, rec.ID, rec.Seen, rec.Expires), store.ErrNotFound),
		got("Replace of an unknown id", e.Replace(ctx, rec.ID, rec.Version, other, standing(other)), store.ErrNotFound),
		e.unknown(ctx, rec.ID),
		e.notLive(ctx, other.ID),
		e.lists(ctx, user),
	)
}

// trySimilarIDs catches engines that fold case, pad with spaces or cut at a
// zero byte when they compare keys.
func trySimilarIDs(ctx context.Context, e *env) error {
	base := e.record("")
	copy(base.ID[26:], "a\x00b c ")
	e.known(base.ID)
	errs := []error{e.create(ctx, base)}
	for _, change := range []struct {
		at   int
		to   byte
		what string
	}{
		{0, base.ID[0] ^ 0x80, "the first bit"},
		{31, ' ' ^ 0x01, "the last bit"},
		{31, 0x00, "a zero byte for the space at the end"},
		{28, 'B', "what follows a zero byte"},
		{26, 'A', "the case of a letter"},
		{26, 0xe1, "an accent"},
	} {
		id := base.ID
		id[change.at] = change.to
		if err := e.unknown(ctx, id); err != nil {
			errs = append(errs, errors.New("another id is taken for a stored one that differs in "+change.what))
		}
	}
	return errors.Join(append(errs, e.live(ctx, base))...)
}

func tryCreate(ctx context.Context, e *env) error {
	user := newUser()
	one, two, anonymous := e.record(user), e.record(user), e.record("")
	return errors.Join(
		e.create(ctx, one),
		e.create(ctx, two),
		e.create(ctx, anonymous),
		e.live(ctx, one),
		e.live(ctx, two),
		e.live(ctx, anonymous),
		e.lists(ctx, user, one, two),
	)
}

func tryCreateLive(ctx context.Context, e *env) error {
	user, other := newUser(), newUser()
	rec := e.record(user)
	again := next(rec)
	again.User = other
	return errors.Join(
		e.create(ctx, rec),
		got("Create of a live id", e.Create(ctx, again), store.ErrExists),
		got("Create of the very same record", e.Create(ctx, rec), store.ErrExists),
		e.live(ctx, rec),
		e.lists(ctx, user, rec),
		e.lists(ctx, other),
	)
}

func tryCreateEnded(ctx context.Context, e *env) error {
	user, until := newUser(), soon()
	rec, never := e.record(user), e.record(user)
	return errors.Join(
		e.create(ctx, rec),
		e.end(ctx, rec.ID, store.ID{}, until),
		got("Create of an ended id", e.Create(ctx, rec), store.ErrEnded),
		got("Create of an ended id", e.Create(ctx, next(rec)), store.ErrEnded),
		e.ended(ctx, rec.ID, store.ID{}, until),
		e.end(ctx, never.ID, store.ID{}, until),
		got("Create of an id that was ended before it was used", e.Create(ctx, never), store.ErrEnded),
		e.ended(ctx, never.ID, store.ID{}, until),
		e.lists(ctx, user),
	)
}

func tryRefusals(ctx context.Context, e *env) error {
	user, until := newUser(), soon()
	rec, dead, fresh := e.record(user), e.record(user), e.record(user)
	changed := next(rec)
	return errors.Join(
		e.create(ctx, rec),
		e.end(ctx, dead.ID, store.ID{}, until),
		got("Create", e.Create(ctx, changed), store.ErrExists),
		got("Update", e.Update(ctx, changed, changed.Version), store.ErrConflict),
		got("Update", e.Update(ctx, fresh, fresh.Version), store.ErrNotFound),
		got("Update", e.Update(ctx, next(dead), dead.Version), store.ErrEnded),
		got("Replace", e.Replace(ctx, rec.ID, changed.Version, fresh, standing(fresh)), store.ErrConflict),
		got("Replace", e.Replace(ctx, rec.ID, rec.Version, dead, standing(dead)), store.ErrEnded),
		got("Touch", e.Touch(ctx, dead.ID, changed.Seen, changed.Expires), store.ErrEnded),
		e.live(ctx, rec),
		e.notLive(ctx, fresh.ID),
		e.ended(ctx, dead.ID, store.ID{}, until),
		e.lists(ctx, user, rec),
	)
}
