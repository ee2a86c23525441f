package simulation_test

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var (
	schedules = flag.Int("schedules", 3000, "how many worlds TestSimulation runs")
	from      = flag.Uint64("from", 1, "the seed of the first of them; the others follow")
	seed      = flag.Uint64("seed", 0, "run the world of this seed alone, and tell its story with -v")
	keepOn    = flag.Int("keep", 1, "after how many broken worlds to stop")
)

// Of no world is it seen that a promise is broken: G1 to G5, G11, G12.
func TestSimulation(t *testing.T) {
	if *seed != 0 {
		one(t, *seed)
		return
	}
	var next atomic.Int64
	var failed atomic.Int32
	workers := max(1, runtime.GOMAXPROCS(0))
	for i := range workers {
		t.Run(fmt.Sprint("worker ", i+1), func(t *testing.T) {
			t.Parallel()
			for int(failed.Load()) < *keepOn {
				n := next.Add(1) - 1
				if n >= int64(*schedules) {
					return
				}
				p := newPlan(*from + uint64(n))
				if w := run(t, p); len(w.broken) > 0 {
					failed.Add(1)
					report(t, p, w)
				}
			}
		})
	}
}

// one runs one world, for as long as a second if it depends on the scheduler.
func one(t *testing.T, seed uint64) {
	p := newPlan(seed)
	w := run(t, p)
	for start := time.Now(); p.shape == closing && len(w.broken) == 0 && time.Since(start) < time.Second; {
		w = run(t, p)
	}
	if len(w.broken) == 0 {
		t.Logf("seed %d, %s: nothing broken\n%s", seed, shapeNames[p.shape], w.story())
		return
	}
	report(t, p, w)
}

// report tells what was broken in the smallest world in which it still is.
func report(t *testing.T, p *plan, w *world) {
	t.Helper()
	small := shrink(t, p)
	if again := run(t, small); len(again.broken) > 0 {
		p, w = small, again
	}
	t.Errorf("seed %d: %s\nclock of process 2: %v; one call in %d goes wrong; slowest %v; limit %d; shape: %s\n%s\nto see it again: go test ./internal/simulation -run 'TestSimulation$' -seed %d",
		p.seed, strings.Join(w.broken, "\n"), p.clock, p.faults, p.slow, p.limit, shapeNames[p.shape], w.story(), p.seed)
}

// shrink takes requests and steps away as long as something stays broken.
func shrink(t *testing.T, p *plan) *plan {
	breaks := func(q plan) bool {
		for range 1 + 200*btoi(q.shape == closing) {
			if len(run(t, &q).broken) > 0 {
				return true
			}
		}
		return false
	}
	small := *p
	for again := true; again; {
		again = false
		for i := len(small.visits) - 1; i >= 0; i-- {
			less := small
			less.visits = append(append([]visit{}, small.visits[:i]...), small.visits[i+1:]...)
			if breaks(less) {
				small, again = less, true
			}
		}
		for i := range small.visits {
			for j := len(small.visits[i].steps) - 1; j >= 0; j-- {
				less := small
				less.visits = append([]visit{}, small.visits...)
				steps := small.visits[i].steps
				less.visits[i].steps = append(append([]step{}, steps[:j]...), steps[j+1:]...)
				if breaks(less) {
					small, again = less, true
				}
			}
		}
	}
	return &small
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
