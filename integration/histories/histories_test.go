//go:build linux

// Package histories_test lets processes on one store serve clients while
// something goes wrong, and checks all that the clients saw against a model of a
// session, and what callers of the store saw against one of the store.
package histories_test

import (
	"os"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

// lengthOf is how long the tests run on each engine.
func lengthOf(t testing.TB) time.Duration {
	d, err := time.ParseDuration(os.Getenv("HISTORIES"))
	if err != nil {
		d = 15 * time.Second
	}
	return d
}

// TestHistories: G1–G5, G11 and the store contract, on every engine, while
// processes, servers and connections fail.
func TestHistories(t *testing.T) {
	n := seed()
	for i, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			clocks := [][]int{together, near, far}[(n+uint64(i))%3]
			r := &run{site: e.start(t, clocks), seed: n, length: lengthOf(t), faults: true}
			r.do(t)
			r.report(t)
		})
	}
}
