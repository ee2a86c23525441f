package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

var sweepRules = []rule{
	{"S11", "Sweep removes what was over by now, and nothing else", trySweep},
	{"S11", "Sweep removes at most max", trySweepMax},
	{"S11", "Sweep removes a revocation past its until", trySweepRevocation},
	{"S14", "an expired record is live until it is swept", tryExpired},
}

// longAgo is when the records of these rules were over: nobody else's were, so
// on a database in use Sweep finds no others.
var longAgo = time.Date(2001, time.January, 1, 0, 0, 0, 0, time.UTC)

// maxSweeps bounds how often a rule calls Sweep until nothing is left.
const maxSweeps = 100

// sweepAll sweeps until nothing is left and returns how much that was.
func (e *env) sweepAll(ctx context.Context, at time.Time) (total int, err error) {
	for range maxSweeps {
		n, err := e.Sweep(ctx, at, 100)
		if err != nil || n == 0 {
			return total, got("Sweep", err, nil)
		}
		total += n
	}
	return total, wrong("Sweep", "after %d calls there is still something left", maxSweeps)
}

// kept reports whether the store still has the id, be it live or ended. An
// engine that expires by itself drops at once what was over long ago.
func (e *env) kept(ctx context.Context, id store.ID) bool {
	_, err := e.Load(ctx, id)
	return err == nil || errors.Is(err, store.ErrEnded)
}

func trySweep(ctx context.Context, e *env) error {
	user := newUser()
	at := longAgo.Add(time.Hour)
	past, due := at.Add(-time.Microsecond), at.Add(time.Microsecond)
	over, notYet, today := e.record(user), e.record(user), e.record(user)
	over.Expires, over.Deadline = past, past
	notYet.Expires, notYet.Deadline = due, due
	tomb, tombNotYet, tombToday := e.record(""), e.record(""), e.record("")
	until := soon()
	errs := []error{
		e.create(ctx, over),
		e.create(ctx, notYet),
		e.create(ctx, today),
		e.end(ctx, tomb.ID, store.ID{}, past),
		e.end(ctx, tombNotYet.ID, store.ID{}, due),
		e.end(ctx, tombToday.ID, store.ID{}, until),
	}
	expiresItself := !e.kept(ctx, notYet.ID) || !e.kept(ctx, tombNotYet.ID)
	removable := 0
	for _, id := range []store.ID{over.ID, tomb.ID} {
		if e.kept(ctx, id) {
			removable++
		}
	}
	n, err := e.sweepAll(ctx, at)
	errs = append(errs, err, e.unknown(ctx, over.ID, tomb.ID))
	if e.alone && !expiresItself {
		if n != removable {
			errs = append(errs, wrong("Sweep", "removed %d by its own account, want %d", n, removable))
		}
		errs = append(errs,
			e.live(ctx, notYet),
			e.ended(ctx, tombNotYet.ID, store.ID{}, due),
			e.lists(ctx, user, notYet, today))
	}
	_, err = e.sweepAll(ctx, due.Add(time.Microsecond))
	return errors.Join(append(errs, err,
		e.unknown(ctx, notYet.ID, tombNotYet.ID),
		e.live(ctx, today),
		e.ended(ctx, tombToday.ID, store.ID{}, until),
		e.lists(ctx, user, today),
		// What was swept is unknown: the id may be used again.
		e.create(ctx, e.asToday(over)),
	)...)
}

// asToday returns a record of now under the id of an old one.
func (e *env) asToday(old store.Record) store.Record {
	rec := e.record(old.User)
	rec.ID = old.ID
	return rec
}

func trySweepMax(ctx context.Context, e *env) error {
	user := newUser()
	past := longAgo.Add(-time.Hour)
	var ids []store.ID
	var errs []error
	for i := range 10 {
		rec := e.record(user)
		rec.Expires, rec.Deadline = past, past
		if i%2 == 0 {
			errs = append(errs, e.create(ctx, rec))
		} else {
			errs = append(errs, e.end(ctx, rec.ID, store.ID{}, past))
		}
		ids = append(ids, rec.ID)
	}
	count := func() (n int) {
		for _, id := range ids {
			if e.kept(ctx, id) {
				n++
			}
		}
		return n
	}
	left := count()
	for _, max := range []int{0, 1, 3} {
		n, err := e.Sweep(ctx, longAgo, max)
		errs = append(errs, got("Sweep", err, nil))
		if n < 0 || n > max {
			errs = append(errs, wrong("Sweep", "got %d, with max %d", n, max))
		}
		// On a database in use, or where the engine expires by itself,
		// others may have removed more.
		now := count()
		if e.alone && n > 0 && left-now != n || e.alone && left == len(ids) && left-now > max {
			errs = append(errs, wrong("Sweep", "got %d, and %d are gone, with max %d", n, left-now, max))
		}
		left = now
	}
	_, err := e.sweepAll(ctx, longAgo)
	return errors.Join(append(errs, err, e.unknown(ctx, ids...), e.lists(ctx, user))...)
}

func trySweepRevocation(ctx context.Context, e *env) error {
	user, standing := newUser(), newUser()
	past, until := longAgo.Add(-time.Hour), soon()
	rec, refused := e.record(user), e.record(standing)
	rec.AuthTime, refused.AuthTime = past, past
	errs := []error{
		e.endUser(ctx, user, past, past.Add(time.Minute), nil),
		e.endUser(ctx, standing, past, until, nil),
	}
	_, err := e.sweepAll(ctx, longAgo)
	return errors.Join(append(errs, err,
		got("Create after the revocation was swept", e.Create(ctx, rec), nil),
		got("Create while a revocation stands", e.Create(ctx, refused), store.ErrEnded),
	)...)
}

// tryExpired uses a record that is over, but not for so long that an engine's
// own expiry could take it. On a database in use others sweep it.
func tryExpired(ctx context.Context, e *env) error {
	if !e.alone {
		return nil
	}
	user := newUser()
	rec := e.record(user)
	over := now().Add(-5 * time.Second)
	rec.Expires, rec.Deadline = over, over
	two := rec
	two.Version, two.Data, two.Seen = newVersion(), newData(9), rec.Seen.Add(time.Second)
	three := e.renewed(two, user)
	three.Expires, three.Deadline = over, over
	return errors.Join(
		e.create(ctx, rec),
		e.live(ctx, rec),
		got("Update of an expired record", e.Update(ctx, two, rec.Version), nil),
		e.live(ctx, two),
		e.lists(ctx, user, two),
		got("Touch of an expired record", e.Touch(ctx, rec.ID, rec.Seen, over), nil),
		got("Replace of an expired record", e.Replace(ctx, rec.ID, two.Version, three, standing(three)), nil),
		e.live(ctx, three),
		e.endUser(ctx, user, now(), soon(), nil, three),
	)
}
