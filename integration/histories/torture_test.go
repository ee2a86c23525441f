//go:build linux

package histories_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// turn is how long TestTorture stays on one engine.
const turn = time.Minute

// TestTorture goes round the engines, the clocks and the faults for as long as
// TORTURE says (make torture), until something is found. SEED begins it anew: the
// same engines, clocks, requests and faults in the same order, as far as real
// servers repeat themselves.
func TestTorture(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("TORTURE"))
	if err != nil {
		t.Skip("TORTURE is not set; make torture does")
	}
	n := seed()
	t.Logf("for %v; SEED=%d", length, n)
	all := make(map[string]*total)
	for end, i := time.Now().Add(length), 0; time.Now().Before(end) && !t.Failed(); i++ {
		e := engines[i%len(engines)]
		clocks := [][]int{together, near, far}[(i+i/len(engines))%3]
		t.Run(fmt.Sprintf("%d %s %v", i, e.name, clocks), func(t *testing.T) {
			r := &run{site: e.start(t, clocks), seed: n + uint64(i), length: min(turn, time.Until(end)), faults: true}
			r.do(t)
			if all[e.name] == nil {
				all[e.name] = &total{faults: make(map[string]int), verdicts: make(map[porcupine.CheckResult]int)}
			}
			all[e.name].add(r)
			r.report(t)
		})
	}
	for _, e := range engines {
		if sum := all[e.name]; sum != nil {
			t.Logf("all of %s: %s", e.name, sum)
		}
	}
}

// A total is the sum of runs on one engine.
type total struct {
	requests, ended, conflicts, unknown int64
	operations                          int
	faults                              map[string]int
	verdicts                            map[porcupine.CheckResult]int
}

func (s *total) add(r *run) {
	s.requests += r.site.requests.Load()
	s.ended += r.site.ended.Load()
	s.conflicts += r.site.conflicts.Load()
	s.unknown += r.site.unknown.Load()
	s.operations += r.calls
	for name, n := range r.byFault {
		s.faults[name] += n
	}
	for result, n := range r.verdicts {
		s.verdicts[result] += n
	}
}

func (s *total) String() string {
	faults := strings.TrimPrefix(fmt.Sprint(s.faults), "map")
	return fmt.Sprintf("%d requests and calls, %d operations checked; %d answers that a session had ended, %d conflicts, %d unknown; faults %s; verdicts: %d ok, %d illegal, %d undecided",
		s.requests, s.operations, s.ended, s.conflicts, s.unknown, faults,
		s.verdicts[porcupine.Ok], s.verdicts[porcupine.Illegal], s.verdicts[porcupine.Unknown])
}
