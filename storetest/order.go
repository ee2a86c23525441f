package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

var orderRules = []rule{
	{"S7", "the steps of several requests end up as the contract says, in whatever order they fall", tryOrders},
}

// stepsPerRound is how many calls one order has.
const stepsPerRound = 40

// tryOrders forces orders instead of waiting for them: three requests take
// turns at random, each acting on what it loaded some time ago, and every
// answer is compared with the model's. The same round has the same turns.
func tryOrders(ctx context.Context, e *env) error {
	for round := range e.rounds {
		o := &order{
			e: e, m: newModel(), ctx: ctx, base: now(),
			chance: rand.New(rand.NewPCG(uint64(round), 7)),
			users:  []string{newUser(), newUser(), ""},
		}
		o.ids = append(o.ids, e.id())
		for step := range stepsPerRound {
			if err := o.step(); err != nil {
				return fmt.Errorf("round %d, step %d: %w", round, step, err)
			}
		}
		if err := o.compare(); err != nil {
			return fmt.Errorf("after round %d: %w", round, err)
		}
	}
	return nil
}

// An order is one round.
type order struct {
	e      *env
	m      *model
	ctx    context.Context
	base   time.Time
	chance *rand.Rand
	users  []string
	ids    []store.ID
	loaded [3]store.Record // by each of three requests
}

func (o *order) user() string      { return o.users[o.chance.IntN(len(o.users))] }
func (o *order) anyID() store.ID   { return o.ids[o.chance.IntN(len(o.ids))] }
func (o *order) moment() time.Time { return o.base.Add(time.Duration(o.chance.IntN(5)) * time.Second) }
func (o *order) oneIn(n int) bool  { return o.chance.IntN(n) == 0 }
func (o *order) fresh() (r store.Record) {
	r = o.e.record(o.user())
	r.AuthTime = o.moment()
	if o.oneIn(4) {
		r.ID = o.anyID()
	}
	o.ids = append(o.ids, r.ID)
	return r
}

// step makes one call of one request.
func (o *order) step() error {
	mine := &o.loaded[o.chance.IntN(len(o.loaded))]
	switch op := o.chance.IntN(16); {
	case op < 4 || mine.ID.IsZero() && op < 9:
		id := o.anyID()
		if row, err := o.m.find(id); err == nil {
			*mine = row.rec
		}
		return o.compareID(id)
	case op < 6:
		rec := next(*mine)
		err := o.e.Update(o.ctx, rec, mine.Version)
		return got("Update", err, o.m.update(rec, mine.Version))
	case op < 9:
		return o.replace(mine)
	case op < 12:
		rec := o.fresh()
		err := o.e.Create(o.ctx, rec)
		return oneOf("Create", err, o.m.create(rec))
	case op < 13:
		id, seen := o.anyID(), o.moment()
		err := o.e.Touch(o.ctx, id, seen, seen.Add(30*time.Minute))
		return got("Touch", err, o.m.touch(id, seen, seen.Add(30*time.Minute)))
	case op < 14:
		id, until := o.anyID(), o.moment().Add(2*time.Minute)
		return o.e.end(o.ctx, id, o.m.end(id, until), until)
	case op < 15:
		return o.endUser(mine)
	default:
		return o.compareUser(o.user())
	}
}

func (o *order) replace(mine *store.Record) error {
	rec := o.fresh()
	if rec.ID == mine.ID {
		return nil // an error, but which is left open
	}
	err := o.e.Replace(o.ctx, mine.ID, mine.Version, rec, standing(rec))
	return oneOf("Replace", err, o.m.replace(mine.ID, mine.Version, rec, err == nil))
}

// oneOf returns an error unless err is one of the faults, or nil without any.
func oneOf(call string, err error, faults []error) error {
	for _, fault := range faults {
		if errors.Is(err, fault) {
			return nil
		}
	}
	if len(faults) > 0 {
		return got(call, err, faults[0])
	}
	return got(call, err, nil)
}

func (o *order) endUser(mine *store.Record) error {
	user := o.users[o.chance.IntN(2)]
	var keep []store.ID
	if mine.User == user && o.oneIn(2) { // perhaps replaced since, or over
		keep = append(keep, mine.ID)
	}
	at, until := o.moment(), soon()
	var want []store.Record
	for _, id := range o.m.endUser(user, at, until, keep) {
		want = append(want, store.Record{ID: id})
	}
	return o.e.endUser(o.ctx, user, at, until, keep, want...)
}

// compare looks at every id and user of the round.
func (o *order) compare() error {
	var errs []error
	for _, id := range o.ids {
		errs = append(errs, o.compareID(id))
	}
	return errors.Join(append(errs, o.compareUser(o.users[0]), o.compareUser(o.users[1]))...)
}

func (o *order) compareID(id store.ID) error {
	row := o.m.rows[id]
	switch {
	case row == nil:
		return o.e.unknown(o.ctx, id)
	case row.ended == nil:
		return o.e.live(o.ctx, row.rec)
	}
	return o.e.ended(o.ctx, id, row.ended.Next, row.ended.Until)
}

func (o *order) compareUser(user string) error {
	if user == "" {
		return nil
	}
	return o.e.lists(o.ctx, user, o.m.user(user)...)
}
