//go:build linux

package benchmarks_test

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coatcheck/coatcheck/benchmarks"
	"github.com/coatcheck/coatcheck/benchmarks/internal/load"
)

// BenchmarkSteady is how long /profile takes at a pace that is given: 80 of 100
// of what Fair, which has no sessions, can answer. The server has one core of
// its own, and the load generator another.
func BenchmarkSteady(b *testing.B) {
	if runtime.NumCPU() < 2 {
		b.Skip("needs two cores")
	}
	most := pacedLoad(b, benchmarks.Fair, 0)
	pace := 0.8 * most.PerSecond()
	for _, lib := range []benchmarks.Library{benchmarks.Fair, benchmarks.FloorAPI, benchmarks.FloorKept, benchmarks.Coatcheck, benchmarks.SCS, benchmarks.Iris} {
		b.Run(lib.Name, func(b *testing.B) {
			var r load.Result
			for b.Loop() {
				r = pacedLoad(b, lib, pace)
			}
			b.ReportMetric(pace, "due/s")
			b.ReportMetric(r.PerSecond(), "req/s")
			b.ReportMetric(float64(r.P50)/float64(time.Microsecond), "p50-µs")
			b.ReportMetric(float64(r.P99)/float64(time.Microsecond), "p99-µs")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// pacedLoad is one run on two cores of their own.
func pacedLoad(b *testing.B, lib benchmarks.Library, perSecond float64) load.Result {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := unix.SchedSetaffinity(0, &all); err != nil {
			b.Error(err)
		}
	}()
	first, second := twoOf(&all)
	pin(b, second) // which the server inherits
	s := startServer(b, lib, memory)
	defer s.stop()
	pin(b, first)
	l := load.Load{
		Addr: s.addr, Method: "GET", Path: "/profile", Fill: "/fill?n=10",
		UserAgent: benchmarks.UserAgent, Connections: 64, For: *loadFor,
	}
	r, err := l.RunPaced(perSecond)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// twoOf returns two of the processors of a set.
func twoOf(set *unix.CPUSet) (first, second int) {
	first = -1
	for cpu := range 8 * len(set) * 8 {
		if !set.IsSet(cpu) {
			continue
		}
		if first >= 0 {
			return first, cpu
		}
		first = cpu
	}
	return first, first
}

// pin binds this thread, and what it starts, to a processor.
func pin(b *testing.B, cpu int) {
	b.Helper()
	var one unix.CPUSet
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		b.Fatal(err)
	}
}
