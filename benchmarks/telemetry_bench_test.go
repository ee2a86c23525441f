package benchmarks_test

import (
	"slices"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/benchmarks"
)

// BenchmarkTelemetry is what metrics cost a request, traces off: requests with and
// without take turns, so that both meet the same machine, and of many differences the
// median counts.
func BenchmarkTelemetry(b *testing.B) {
	for _, op := range benchmarks.Ops {
		if op.Name == "read" || op.Name == "count" {
			b.Run(op.Name, func(b *testing.B) { beside(b, benchmarks.Coatcheck, benchmarks.Measured, op) })
		}
	}
}

// turn is how many requests one side makes before it is the other's turn.
const turn = 100

func beside(b *testing.B, plain, more benchmarks.Library, op benchmarks.Op) {
	var again [2]func()
	for i, lib := range []benchmarks.Library{plain, more} {
		browser, err := op.Prepare(start(b, lib, memory))
		if err != nil {
			b.Fatal(err)
		}
		again[i] = browser.Again(op.Method, op.Path, op.Follow)
		again[i]()
	}
	var extra []float64
	for b.Loop() {
		base := timed(again[0])
		extra = append(extra, float64(timed(again[1])-base)/turn)
	}
	slices.Sort(extra)
	b.ReportMetric(extra[len(extra)/2], "extra-ns/op")
	b.ReportMetric(0, "ns/op") // of both together
}

func timed(f func()) time.Duration {
	begun := time.Now()
	for range turn {
		f()
	}
	return time.Since(begun)
}
