package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

func raceEndUserCreate(ctx context.Context, e *env) error {
	return e.repeat(func() error {
		user, at, until := newUser(), now(), soon()
		recs := make([]store.Record, 6)
		results := make([]error, len(recs))
		var ended []store.ID
		calls := []func() error{func() (err error) {
			ended, err = e.EndUser(ctx, user, at, until)
			return err
		}}
		for i := range recs {
			recs[i] = e.record(user)
			recs[i].AuthTime = at
			if i%3 == 2 { // a login of after the revocation
				recs[i].AuthTime = at.Add(time.Second)
			}
			calls = append(calls, outcome(&results[i], func() error { return e.Create(ctx, recs[i]) }))
		}
		err := together(calls...)
		var alive []store.Record
		for i, rec := range recs {
			refused := !rec.AuthTime.After(at)
			switch ended := slices.Contains(ended, rec.ID); {
			case results[i] == nil && ended:
				err = errors.Join(err, e.ended(ctx, rec.ID, store.ID{}, until))
			case results[i] == nil && refused:
				err = errors.Join(err, wrong("Create with AuthTime not after at", "succeeded, and EndUser did not end session %s", rec.ID))
			case results[i] == nil:
				alive = append(alive, rec)
				err = errors.Join(err, e.live(ctx, rec))
			case ended || !refused:
				err = errors.Join(err, got("Create", results[i], nil))
			default:
				err = errors.Join(err, got("Create", results[i], store.ErrEnded), e.notLive(ctx, rec.ID))
			}
		}
		return errors.Join(err, e.lists(ctx, user, alive...))
	})
}

func raceEndUserReplace(ctx context.Context, e *env) error {
	return e.repeat(func() error {
		user, until := newUser(), soon()
		anonymous, mine := e.record(""), e.record(user)
		login, renewed := e.renewed(anonymous, user), e.renewed(mine, user)
		at := now()
		if err := errors.Join(e.create(ctx, anonymous), e.create(ctx, mine)); err != nil {
			return err
		}
		var loggedIn, replaced error
		var ended []store.ID
		err := together(
			outcome(&loggedIn, func() error {
				return e.Replace(ctx, anonymous.ID, anonymous.Version, login, standing(login))
			}),
			outcome(&replaced, func() error { return e.Replace(ctx, mine.ID, mine.Version, renewed, standing(renewed)) }),
			func() (err error) {
				ended, err = e.EndUser(ctx, user, at, until)
				return err
			})
		var want []store.ID
		if loggedIn == nil {
			want = append(want, login.ID)
			err = errors.Join(err, e.replaced(ctx, anonymous.ID, login), e.ended(ctx, login.ID, store.ID{}, until))
		} else {
			err = errors.Join(err, got("Replace from anonymous", loggedIn, store.ErrEnded),
				e.live(ctx, anonymous), e.notLive(ctx, login.ID))
		}
		if replaced == nil {
			want = append(want, renewed.ID)
			err = errors.Join(err, e.replaced(ctx, mine.ID, renewed), e.ended(ctx, renewed.ID, store.ID{}, until))
		} else {
			want = append(want, mine.ID)
			err = errors.Join(err, got("Replace", replaced, store.ErrEnded),
				e.ended(ctx, mine.ID, store.ID{}, until), e.notLive(ctx, renewed.ID))
		}
		return errors.Join(err, sameIDs(ended, want), e.lists(ctx, user))
	})
}

// sameIDs returns an error unless EndUser returned exactly these.
func sameIDs(got, want []store.ID) error {
	for _, id := range want {
		if !slices.Contains(got, id) {
			return wrong("EndUser", "did not return session %s", id)
		}
	}
	if len(got) != len(want) {
		return wrong("EndUser", "returned %d ids, want %d", len(got), len(want))
	}
	return nil
}

func raceEndUserKeep(ctx context.Context, e *env) error {
	return e.repeat(func() error {
		user, until := newUser(), soon()
		mine, other := e.record(user), e.record(user)
		renewed := e.renewed(mine, user)
		at := now()
		if err := errors.Join(e.create(ctx, mine), e.create(ctx, other)); err != nil {
			return err
		}
		var ended []store.ID
		err := together(
			func() error {
				return got("Replace of a kept session", e.Replace(ctx, mine.ID, mine.Version, renewed, standing(renewed)), nil)
			},
			func() (err error) {
				ended, err = e.EndUser(ctx, user, at, until, mine.ID)
				return err
			})
		err = errors.Join(err, e.replaced(ctx, mine.ID, renewed), e.ended(ctx, other.ID, store.ID{}, until))
		return errors.Join(err, sameIDs(ended, []store.ID{other.ID}),
			e.live(ctx, renewed), e.lists(ctx, user, renewed))
	})
}

// raceUser lists a user of whose sessions one stays, one is replaced over and
// over, and others come and go.
func raceUser(ctx context.Context, e *env) error {
	user := newUser()
	stays, first := e.record(user), e.record(user)
	if err := errors.Join(e.create(ctx, stays), e.create(ctx, first)); err != nil {
		return err
	}
	chain := []store.Record{first}
	for range e.rounds {
		chain = append(chain, e.renewed(chain[len(chain)-1], user))
	}
	work := func() error {
		for i, rec := range chain[1:] {
			if err := e.Replace(ctx, chain[i].ID, chain[i].Version, rec, standing(rec)); err != nil {
				return got("Replace", err, nil)
			}
			passing := e.record(user)
			if err := errors.Join(e.create(ctx, passing), e.end(ctx, passing.ID, store.ID{}, soon())); err != nil {
				return err
			}
		}
		return nil
	}
	err := e.during(work, func() error {
		list, err := e.User(ctx, user)
		if err != nil {
			return got("User", err, nil)
		}
		if indexOf(list, stays.ID) < 0 {
			return wrong("User", "a session is missing that was live all the time")
		}
		if !slices.ContainsFunc(chain, func(rec store.Record) bool { return indexOf(list, rec.ID) >= 0 }) {
			return wrong("User", "a session that was being replaced is missing, and so is its successor")
		}
		return nil
	})
	return errors.Join(err, e.lists(ctx, user, stays, chain[len(chain)-1]))
}
