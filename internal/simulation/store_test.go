package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// errUnknown is that of a call of which nobody knows whether it was applied (S15).
var errUnknown = errors.New("connection lost")

// A fate is what becomes of one call.
type fate int

const (
	healthy     fate = iota
	lostBefore       // the connection breaks before the call is applied
	lostAfter        // and after
	hungBefore       // nothing is heard until the caller gives up, and nothing done
	hungAfter        // the same, and it was applied
	appliedLate      // the connection breaks, and then it is applied
	full             // the store has no room, and says so
)

// A call is one call to a store.
type call struct {
	store, process  int
	kind            string
	id, next        store.ID
	version         uint64
	actor           *actor
	began, effected time.Time
	answered        time.Time
	applied         bool // and changed something
	err             error
	lookPossible    bool // it was applied and lost, and the next call of the same commit meets no fault
	request         *request
}

// A wire is the way of one process to one store. Its clock is that process's
// clock less the true time: all times that pass are shifted, as if the process's
// clock were wrong.
type wire struct {
	w              *world
	store, process int
	engine         *memstore.Store
	clock          time.Duration
}

// do carries one call: effect is what it does at the store.
func (v *wire) do(ctx context.Context, c *call, effect func() error) error {
	a := v.w.actorOf(ctx)
	c.store, c.process, c.actor, c.request = v.store, v.process, a, requestOf(ctx)
	a.settle()
	c.began = time.Now()
	if err := ctx.Err(); err != nil {
		return err
	}
	v.w.keepCall(c)
	f, there, back := v.w.fate(a, c)
	err := v.carry(ctx, a, c, f, there, back, effect)
	if v.w.answered(c, f, err) {
		a.healNext()
	}
	v.w.note(a, "%s", c)
	return err
}

// answered takes note of a call's answer, and reports whether it was applied, the
// answer lost, and a look would tell.
func (w *world) answered(c *call, f fate, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.answered, c.err = time.Now(), err
	c.lookPossible = c.applied && err != nil && !told(err) && (f == lostAfter || f == hungAfter || f == healthy)
	return c.lookPossible
}

func (v *wire) carry(ctx context.Context, a *actor, c *call, f fate, there, back time.Duration, effect func() error) error {
	apply := func() error {
		err := effect()
		v.w.mu.Lock()
		defer v.w.mu.Unlock()
		c.effected, c.applied = time.Now(), err == nil
		return err
	}
	at := a.after(there)
	if !a.sleepUntil(ctx, at) { // the caller gave up; what is on its way arrives
		if f == appliedLate && c.mutates() {
			time.AfterFunc(time.Until(a.after(there)), func() { v.w.note(a, "%s takes effect late: %v", c, apply()) })
		}
		return ctx.Err()
	}
	switch f {
	case lostBefore:
		return errUnknown
	case full:
		return coatcheck.ErrFull
	case appliedLate:
		if c.mutates() {
			late := a.after(back + a.between(0, 8*time.Second))
			time.AfterFunc(time.Until(late), func() { v.w.note(a, "%s takes effect late: %v", c, apply()) })
		}
		return errUnknown
	case hungBefore:
		return a.hang(ctx)
	}
	err := apply()
	if f == hungAfter {
		return a.hang(ctx)
	}
	if !a.sleep(ctx, back) {
		return ctx.Err()
	}
	if f == lostAfter {
		return errUnknown
	}
	return err
}

// hang waits until the caller gives up; one that never does is told in the end.
func (a *actor) hang(ctx context.Context) error {
	if a.sleep(ctx, 20*time.Second) {
		return errUnknown
	}
	return ctx.Err()
}

func (a *actor) healNext() {
	a.mu.Lock()
	a.heal = true
	a.mu.Unlock()
}

func (a *actor) healed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	heal := a.heal
	a.heal = false
	return heal
}

func told(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) || errors.Is(err, coatcheck.ErrConflict) ||
		errors.Is(err, coatcheck.ErrEnded) || errors.Is(err, coatcheck.ErrFull)
}

func (c *call) mutates() bool { return c.kind != "Load" && c.kind != "User" }

func (c *call) String() string {
	w := c.actor.w
	w.mu.Lock()
	defer w.mu.Unlock()
	s := fmt.Sprintf("  %s process %d, %s %s", storeNames[c.store], c.process+1, c.kind, w.labelOf(c.id))
	if !c.next.IsZero() {
		s += " by " + w.labelOf(c.next)
	}
	if !c.effected.IsZero() {
		s += fmt.Sprintf(" at %v", w.since(c.effected))
	}
	return fmt.Sprintf("%s, begun %v: %v", s, w.since(c.began), c.err)
}

func (v *wire) out(r store.Record) store.Record { return shift(r, v.clock) }
func (v *wire) in(r store.Record) store.Record  { return shift(r, -v.clock) }

func shift(r store.Record, d time.Duration) store.Record {
	for _, t := range []*time.Time{&r.AuthTime, &r.Created, &r.Seen, &r.Expires, &r.Deadline} {
		*t = t.Add(d)
	}
	return r
}

// inError brings the times that an error holds into the clock of the process.
func (v *wire) inError(err error) error {
	var conflict *store.ConflictError
	if errors.As(err, &conflict) {
		return &store.ConflictError{Now: v.in(conflict.Now)}
	}
	var ended *store.EndedError
	if errors.As(err, &ended) && !ended.Until.IsZero() {
		return &store.EndedError{Next: ended.Next, Until: ended.Until.Add(-v.clock)}
	}
	return err
}

func (v *wire) Load(ctx context.Context, id store.ID) (store.Record, error) {
	var rec store.Record
	err := v.do(ctx, &call{kind: "Load", id: id}, func() (err error) {
		rec, err = v.engine.Load(context.Background(), id)
		return err
	})
	if err != nil {
		return store.Record{}, v.inError(err)
	}
	return v.in(rec), nil
}

func (v *wire) Create(ctx context.Context, rec store.Record) error {
	return v.inError(v.do(ctx, &call{kind: "Create", id: rec.ID, version: rec.Version}, func() error {
		return v.engine.Create(context.Background(), v.out(rec))
	}))
}

func (v *wire) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	return v.inError(v.do(ctx, &call{kind: "Update", id: rec.ID, version: rec.Version}, func() error {
		return v.engine.Update(context.Background(), v.out(rec), ifVersion)
	}))
}

func (v *wire) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	return v.inError(v.do(ctx, &call{kind: "Replace", id: old, next: rec.ID, version: rec.Version}, func() error {
		return v.engine.Replace(context.Background(), old, ifVersion, v.out(rec), until)
	}))
}

func (v *wire) Touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	return v.inError(v.do(ctx, &call{kind: "Touch", id: id}, func() error {
		return v.engine.Touch(context.Background(), id, seen.Add(v.clock), expires.Add(v.clock))
	}))
}

func (v *wire) End(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	var next store.ID
	err := v.do(ctx, &call{kind: "End", id: id}, func() (err error) {
		next, err = v.engine.End(context.Background(), id, until.Add(v.clock))
		return err
	})
	if err != nil {
		return store.ID{}, err
	}
	return next, nil
}

func (v *wire) EndUser(ctx context.Context, user string, at, until time.Time, keep ...store.ID) ([]store.ID, error) {
	var ended []store.ID
	kept := slices.Clone(keep)
	err := v.do(ctx, &call{kind: "EndUser"}, func() (err error) {
		ended, err = v.engine.EndUser(context.Background(), user, at.Add(v.clock), until.Add(v.clock), kept...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

func (v *wire) User(ctx context.Context, user string) ([]store.Record, error) {
	var list []store.Record
	err := v.do(ctx, &call{kind: "User"}, func() (err error) {
		list, err = v.engine.User(context.Background(), user)
		return err
	})
	if err != nil {
		return nil, err
	}
	list = slices.Clone(list)
	for i := range list {
		list[i] = v.in(list[i])
	}
	return list, nil
}

func (v *wire) Sweep(ctx context.Context, now time.Time, max int) (int, error) {
	n := 0
	err := v.do(ctx, &call{kind: "Sweep"}, func() (err error) {
		n, err = v.engine.Sweep(context.Background(), now.Add(v.clock), max)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
