// Package storetest checks a store.Store against the rules S1 to S14 of
// the store contract (docs/spec/store.md). S15 leaves what it names open, so
// only its other half can be checked: that a plain refusal applied nothing.
//
// Authors of stores call Run, and Race with more rounds now and then; Check
// runs the same rules on a database that is in use.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return newEmptyStore(t) })
//	}
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A rule is one sentence of the contract and the calls that try it. Several
// rules may carry one number.
type rule struct {
	id   string
	says string
	try  func(ctx context.Context, e *env) error
}

// steps are the rules that one caller can try.
func steps() []rule {
	return slices.Concat(createRules, updateRules, replaceRules, touchRules, endRules,
		revokeRules, userRules, sweepRules, exactRules, contextRules, orderRules)
}

// Rounds of the rules that depend on chance: how calls fall among each other.
const (
	runRounds   = 20
	checkRounds = 3
)

// Run checks a store: one subtest for each rule, with a store of its own from
// newStore, which ends the test itself if it cannot make one and cleans up with
// t.Cleanup. What newStore returns must be empty, and nobody else may use it.
func Run(t *testing.T, newStore func(t *testing.T) store.Store) {
	t.Helper()
	run(t, newStore, steps(), runRounds)
	run(t, newStore, raceRules, runRounds)
}

// Race repeats the rules on concurrent calls, rounds times each. Run includes
// a few rounds; a store that is to be trusted has passed 1,000, and some of
// them under the race detector.
func Race(t *testing.T, newStore func(t *testing.T) store.Store, rounds int) {
	t.Helper()
	run(t, newStore, slices.Concat(orderRules, raceRules), rounds)
}

func run(t *testing.T, newStore func(t *testing.T) store.Store, rules []rule, rounds int) {
	for _, r := range rules {
		t.Run(r.id+" "+r.says, func(t *testing.T) {
			e := &env{Store: newStore(t), alone: true, rounds: rounds}
			if err := r.try(t.Context(), e); err != nil {
				t.Errorf("%s: %s:\n%v", r.id, r.says, err)
			}
		})
	}
}

// Check checks a store that may be in use and returns every violation, joined;
// each begins with the rule's number and sentence. It uses random ids and
// users that begin with "storetest-", sweeps nothing that was due after the
// year 2001, and ends the sessions it made: what stays are tombstones and
// revocations of a few minutes. A few things that other users of the
// database could disturb are left to Run. Two Checks of one database at once
// can disturb each other.
//
// It makes some thousands of calls, a few at a time. When ctx ends it cleans
// up, for at most ten seconds, and returns ctx's error as well.
func Check(ctx context.Context, st store.Store) error {
	var violations []error
	for _, r := range slices.Concat(steps(), raceRules) {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(violations, fmt.Errorf("storetest: stopped before %s: %w", r.id, err))...)
		}
		e := &env{Store: st, rounds: checkRounds}
		if err := r.try(ctx, e); err != nil {
			violations = append(violations, fmt.Errorf("%s: %s: %w", r.id, r.says, err))
		}
		if err := e.clean(ctx); err != nil {
			violations = append(violations, fmt.Errorf("storetest: clean up after %s: %w", r.id, err))
		}
	}
	return errors.Join(violations...)
}

// cleanTimeout bounds the cleaning up after one rule.
const cleanTimeout = 10 * time.Second

// clean ends what the rule left live, also when the caller has given up.
func (e *env) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	var errs []error
	for _, id := range e.made {
		_, err := e.Load(ctx, id)
		switch {
		case err == nil:
			_, err = e.End(ctx, id, soon())
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrEnded):
			err = nil
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
