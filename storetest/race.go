package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// The rules on calls at the same time: of one session here, of all sessions of
// a user in raceuser.go.
var raceRules = []rule{
	{"S3", "of concurrent Updates from one version exactly one writes, so that none is lost", raceUpdate},
	{"S2", "of concurrent Creates of one id exactly one makes it live", raceCreate},
	{"S4", "of concurrent Replaces of one session exactly one wins", raceReplace},
	{"S4", "of an Update and a Replace from one version exactly one wins", raceUpdateReplace},
	{"S5", "concurrent Touches leave the latest of their times", raceTouch},
	{"S6", "End returns the successor exactly where a Replace came before it", raceEndReplace},
	{"S6", "concurrent Ends leave the latest of their times", raceEnd},
	{"S7", "an End is final over every Update, Touch and Create in flight", raceResurrect},
	{"S8", "a Create at the same time is before an EndUser and ended, or after it and refused", raceEndUserCreate},
	{"S8", "a Replace at the same time is before an EndUser and ended, or after it and refused", raceEndUserReplace},
	{"S8", "a session that is kept or its successor survives a Replace at the same time", raceEndUserKeep},
	{"S10", "User misses no session while others come and go, nor one that is being replaced", raceUser},
	{"S12", "a Load sees a record as one call wrote it", raceTorn},
	{"S13", "a context cancelled during a call leaves the state before or after", raceCancel},
}

// together runs the calls at once and returns their errors, joined. They start
// in any order and at most some microseconds apart: for a store in memory that
// is what makes calls overlap, for one behind a network its own delays do.
func together(calls ...func() error) error {
	errs := make([]error, len(calls))
	var ready atomic.Int64
	var wg sync.WaitGroup
	for _, i := range rand.Perm(len(calls)) {
		wg.Go(func() {
			ready.Add(1)
			for spin := 1; ready.Load() < int64(len(calls)); spin++ {
				// At first without giving way, so that another core takes the rest.
				if spin%500 == 0 {
					runtime.Gosched()
				}
			}
			for range rand.IntN(500) {
				ready.Load()
			}
			errs[i] = calls[i]()
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// outcome returns a call that notes the error of another.
func outcome(err *error, call func() error) func() error {
	return func() error {
		*err = call()
		return nil
	}
}

// during makes the look over and over while work runs, and returns the errors
// of both. The looks are bounded by the rounds.
func (e *env) during(work, look func() error) error {
	var over atomic.Bool
	looks := func() error {
		for i := 0; i < 50*e.rounds && !over.Load(); i++ {
			if err := look(); err != nil {
				return err
			}
			runtime.Gosched()
		}
		return nil
	}
	return together(looks, looks, func() error {
		defer over.Store(true)
		return work()
	})
}

// repeat runs the rule in as many rounds as asked for.
func (e *env) repeat(try func() error) error {
	for round := range e.rounds {
		if err := try(); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

// raceUpdate counts in the record's data, as handlers do with a value.
func raceUpdate(ctx context.Context, e *env) error {
	const callers, maxTries = 4, 1000
	rec := e.record(newUser())
	rec.Data = make([]byte, 8)
	if err := e.create(ctx, rec); err != nil {
		return err
	}
	count := func() error {
		for range e.rounds {
			for try := 0; ; try++ {
				stored, err := e.Load(ctx, rec.ID)
				if err != nil {
					return err
				}
				changed := next(stored)
				n, err := counter(stored)
				if err != nil {
					return err
				}
				changed.Data = binary.BigEndian.AppendUint64(nil, n+1)
				err = e.Update(ctx, changed, stored.Version)
				if err == nil {
					break
				}
				if !errors.Is(err, store.ErrConflict) || try == maxTries {
					return got("Update", err, nil)
				}
			}
		}
		return nil
	}
	calls := make([]func() error, callers)
	for i := range calls {
		calls[i] = count
	}
	err := together(calls...)
	stored, loadErr := e.Load(ctx, rec.ID)
	if err = errors.Join(err, loadErr); err != nil {
		return err
	}
	switch n, err := counter(stored); {
	case err != nil:
		return err
	case n != uint64(callers*e.rounds):
		return fmt.Errorf("%d increments were stored, %d are left", callers*e.rounds, n)
	}
	return nil
}

// counter reads what raceUpdate counts. A store may have lost it.
func counter(rec store.Record) (uint64, error) {
	if len(rec.Data) != 8 {
		return 0, fmt.Errorf("a record of 8 bytes of data came back with %d", len(rec.Data))
	}
	return binary.BigEndian.Uint64(rec.Data), nil
}

func raceCreate(ctx context.Context, e *env) error {
	return e.repeat(func() error {
		rec := e.record(newUser())
		recs := []store.Record{rec, next(rec), next(next(rec)), next(rec)}
		recs[3].User = newUser()
		won, err := e.oneWins(recs, store.ErrExists, func(rec store.Record) error { return e.Create(ctx, rec) })
		if err != nil {
			return err
		}
		return errors.Join(e.live(ctx, won), e.lists(ctx, won.User, won))
	})
}

// oneWins makes the call for each record at once and returns the one that
// succeeded. All others must get the error.
func (e *env) oneWins(recs []store.Record, otherwise error, call func(store.Record) error) (won store.Record, err error) {
	results := make([]error, len(recs))
	calls := make([]func() error, len(recs))
	for i := range recs {
		calls[i] = outcome(&results[i], func() error { return call(recs[i]) })
	}
	err = together(calls...)
	winners := 0
	for i, result := range results {
		if result == nil {
			won = recs[i]
			winners++
		} else {
			err = errors.Join(err, got("the call that lost", result, otherwise))
		}
	}
	if winners != 1 {
		err = errors.Join(err, fmt.Errorf("%d of %d calls succeeded, want 1", winners, len(recs)))
	}
	return won, err
}

func raceReplace(ctx context.Context, e *env) error {
	return e.repeat(func() error {
		user := newUser()
		old := e.record(user)
		recs := []store.Record{e.renewed(old, user), e.renewed(old, user), e.renewed(old, user)}
		if err := e.create(ctx, old); err != nil {
			return err
		}
		won, err := e.oneWins(recs, store.ErrEnded, func(rec store.Record) error {
			return e.Replace(ctx, old.ID, old.Version, rec, standing(rec))
		})
		if err != nil {
			return err
		}
		errs := []error{e.live(ctx, won), e.replaced(ctx, old.ID, won), e.lists(ctx, user, won)}
		for _, rec := range recs {
			if rec.ID != won.ID {
				errs = append(errs, e.notLive(ctx, rec.ID))
			}
		}
		return errors.Join(errs...)
	})
}

func raceUpdateReplace(ctx context.Context, e *env) error {
	return e.repeat(func() error {
		user := newUser()
		old := e.record(user)
		changed, renewed := next(old), e.renewed(old, user)
		if err := e.create(ctx, old); err != nil {
			return err
		}
		var updated, replaced error
		err := together(
			outcome(&updated, func() error { return e.Update(ctx, changed, old.Version) }),
			outcome(&replaced, func() error { return e.Replace(ctx, old.ID, old.Version, renewed, standing(renewed)) }))
		if updated == nil {
			return errors.Join(err,
				got("Replace after the Update", replaced, store.ErrConflict),
				e.live(ctx, changed), e.notLive(ctx, renewed.ID), e.lists(ctx, user, changed))
		}
		return errors.Join(err, got("Replace", replaced, nil),
			got("Update after the Replace", updated, store.ErrEnded),
			e.replaced(ctx, old.ID, renewed), e.live(ctx, renewed), e.lists(ctx, user, renewed))
	})
}

func raceTouch(ctx context.Context, e *env) error {
	return e.repeat(func() error {
		rec := e.record("")
		if err := e.create(ctx, rec); err != nil {
			return err
		}
		const callers = 4
		var calls []func() error
		for i := range callers {
			ahead := time.Duration(i+1) * time.Second
			calls = append(calls, func() error {
				return e.Touch(ctx, rec.ID, rec.Seen.Add(ahead), rec.Expires.Add(callers*time.Second-ahead))
			})
		}
		changed := rec
		changed.Version, changed.Data = newVersion(), newData(50)
		calls = append(calls, func() error { return e.Update(ctx, changed, rec.Version) })
		err := together(calls...)
		changed.Seen, changed.Expires = rec.Seen.Add(callers*time.Second), rec.Expires.Add((callers-1)*time.Second)
		return errors.Join(got("Touch or Update", err, nil), e.live(ctx, changed))
	})
}

func raceEndReplace(ctx context.Context, e *env) error {
	return e.repeat(func() error {
		user, until := newUser(), soon()
		old := e.record(user)
		renewed := e.renewed(old, user)
		if err := e.create(ctx, old); err != nil {
			return err
		}
		var replaced error
		var successor store.ID
		err := together(
			outcome(&replaced, func() error { return e.Replace(ctx, old.ID, old.Version, renewed, standing(renewed)) }),
			func() (err error) {
				successor, err = e.End(ctx, old.ID, until)
				return err
			})
		if replaced == nil {
			if successor != renewed.ID {
				err = errors.Join(err, wrong("End", "got successor %v, want %v", named(successor), renewed.ID))
			}
			return errors.Join(err, e.ended(ctx, old.ID, renewed.ID, later(until, standing(renewed))), e.live(ctx, renewed), e.lists(ctx, user, renewed))
		}
		if !successor.IsZero() {
			err = errors.Join(err, wrong("End", "got a successor, and the Replace failed"))
		}
		return errors.Join(err, got("Replace after End", replaced, store.ErrEnded),
			e.ended(ctx, old.ID, store.ID{}, until), e.notLive(ctx, renewed.ID), e.lists(ctx, user))
	})
}

func raceEnd(ctx context.Context, e *env) error {
	return e.repeat(func() error {
		until := soon()
		rec := e.record(newUser())
		if err := e.create(ctx, rec); err != nil {
			return err
		}
		var calls []func() error
		for i := range 4 {
			calls = append(calls, func() error {
				return e.end(ctx, rec.ID, store.ID{}, until.Add(time.Duration(i)*time.Second))
			})
		}
		return errors.Join(together(calls...),
			e.ended(ctx, rec.ID, store.ID{}, until.Add(3*time.Second)), e.lists(ctx, rec.User))
	})
}

// raceResurrect ends a session while a request that has it loaded commits,
// bumps and tries to make it anew.
func raceResurrect(ctx context.Context, e *env) error {
	return e.repeat(func() error {
		until := soon()
		rec := e.record(newUser())
		changed := next(rec)
		if err := e.create(ctx, rec); err != nil {
			return err
		}
		var updated, touched, created error
		err := together(
			outcome(&updated, func() error { return e.Update(ctx, changed, rec.Version) }),
			outcome(&touched, func() error { return e.Touch(ctx, rec.ID, changed.Seen, changed.Expires) }),
			outcome(&created, func() error { return e.Create(ctx, changed) }),
			func() error { return e.end(ctx, rec.ID, store.ID{}, until) })
		if updated != nil {
			err = errors.Join(err, got("Update after End", updated, store.ErrEnded))
		}
		if touched != nil {
			err = errors.Join(err, got("Touch after End", touched, store.ErrEnded))
		}
		if !errors.Is(created, store.ErrExists) {
			err = errors.Join(err, got("Create after End", created, store.ErrEnded))
		}
		return errors.Join(err, e.ended(ctx, rec.ID, store.ID{}, until), e.lists(ctx, rec.User))
	})
}

// raceTorn looks for records of which one part is older than another.
func raceTorn(ctx context.Context, e *env) error {
	rec := e.record(newUser())
	mark := func(rec store.Record, n int) store.Record {
		rec.Version = newVersion()
		rec.Data = binary.BigEndian.AppendUint64(newData(n%7*100), rec.Version)
		return rec
	}
	torn := func(rec store.Record) error {
		if n := len(rec.Data) - 8; n < 0 || binary.BigEndian.Uint64(rec.Data[n:]) != rec.Version {
			return wrong("Load or User", "Version and Data of one record are of two commits")
		}
		return nil
	}
	first := mark(rec, 0)
	if err := e.create(ctx, first); err != nil {
		return err
	}
	write := func() error {
		last := first
		for n := range 4 * e.rounds {
			changed := mark(last, n)
			if err := e.Update(ctx, changed, last.Version); err != nil {
				return got("Update", err, nil)
			}
			last = changed
		}
		return nil
	}
	return e.during(write, func() error {
		stored, err := e.Load(ctx, rec.ID)
		if err == nil {
			err = torn(stored)
		}
		if err != nil {
			return err
		}
		list, err := e.User(ctx, rec.User)
		if err != nil || len(list) != 1 {
			return wrong("User", "got %d sessions and error %v, want 1", len(list), err)
		}
		return torn(list[0])
	})
}

// raceCancel cancels while a Replace is under way.
func raceCancel(ctx context.Context, e *env) error {
	return e.repeat(func() error {
		user := newUser()
		old := e.record(user)
		renewed := e.renewed(old, user)
		if err := e.create(ctx, old); err != nil {
			return err
		}
		calling, cancel := context.WithCancel(ctx)
		defer cancel()
		var replaced error
		err := together(
			outcome(&replaced, func() error { return e.Replace(calling, old.ID, old.Version, renewed, standing(renewed)) }),
			func() error { cancel(); return nil })
		if replaced != nil {
			err = errors.Join(err, got("Replace", replaced, context.Canceled))
			if _, loadErr := e.Load(ctx, renewed.ID); loadErr != nil {
				return errors.Join(err, e.live(ctx, old), e.notLive(ctx, renewed.ID), e.lists(ctx, user, old))
			}
		}
		return errors.Join(err, e.replaced(ctx, old.ID, renewed), e.live(ctx, renewed), e.lists(ctx, user, renewed))
	})
}
