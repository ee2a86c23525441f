package simulation_test

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

var (
	schedules = flag.Int("schedules", 2000, "how many worlds TestSimulation runs")
	from      = flag.Uint64("from", 1, "the seed of the first of them; the others follow")
	seed      = flag.Uint64("seed", 0, "run the world of this seed alone, and tell its story with -v")
	under     = flag.String("under", "TestSimulation", "the test that runs these worlds, for whoever wants to see one again")
	keepOn    = flag.Int("keep", 1, "after how many broken worlds to stop")
)

// Of no world is it seen that a promise is broken: G1 to G5, G11, G12.
func TestSimulation(t *testing.T) {
	if *seed != 0 {
		one(t, *seed)
		return
	}
	var next atomic.Int64
	var failed, gaveUp atomic.Int32
	t.Cleanup(func() {
		t.Logf("%d worlds; in %d of them the search for an order gave up", min(next.Load(), int64(*schedules)), gaveUp.Load())
		if int(gaveUp.Load()) > 5+*schedules/1000 {
			t.Errorf("the search for an order gave up in %d worlds: that is too many to prove much", gaveUp.Load())
		}
	})
	workers := runtime.GOMAXPROCS(0)
	for i := range workers {
		t.Run(fmt.Sprint("worker ", i+1), func(t *testing.T) {
			t.Parallel()
			for int(failed.Load()) < *keepOn {
				n := next.Add(1) - 1
				if n >= int64(*schedules) {
					return
				}
				p := newPlan(*from + uint64(n))
				w := run(t, p)
				if w.gaveUp {
					gaveUp.Add(1)
				}
				if len(w.broken) > 0 {
					failed.Add(1)
					report(t, p, w)
				}
			}
		})
	}
}

// A world takes the same course each time: its story, written twice, is the same.
func TestSameCourse(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		p := newPlan(1_000_000 + seed)
		first, second := run(t, p).story(), run(t, p).story()
		if first != second {
			t.Fatalf("seed %d takes two courses:\n%s\n%s", p.seed, first, second)
		}
	}
}

// one runs one world and tells its story.
func one(t *testing.T, seed uint64) {
	p := newPlan(seed)
	w := run(t, p)
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
	t.Errorf("seed %d: %s\nclock of process 2: %v; one call in %d goes wrong; slowest %v; limit %d; shape: %s\n%s\nto see it again: go test ./internal/simulation -run '^%s$' -seed %d",
		p.seed, strings.Join(w.broken, "\n"), p.clock, p.faults, p.slow, p.limit, shapeNames[p.shape], w.story(), *under, p.seed)
}

// shrink takes requests and steps away as long as something stays broken.
func shrink(t *testing.T, p *plan) *plan {
	breaks := func(q plan) bool { return len(run(t, &q).broken) > 0 }
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
