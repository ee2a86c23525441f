//go:build linux

package benchmarks_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/benchmarks"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// BenchmarkGrowHeld reads in a random one of n sessions.
func BenchmarkGrowHeld(b *testing.B) {
	for _, lib := range []benchmarks.Library{benchmarks.FloorAPI, benchmarks.Coatcheck, benchmarks.SCS, benchmarks.Fiber, benchmarks.Iris} {
		b.Run(lib.Name, func(b *testing.B) { growHeld(b, lib) })
	}
}

func growHeld(b *testing.B, lib benchmarks.Library) {
	backend := memory
	if *held > 1_000_000 { // more than a memstore keeps by itself
		backend.Sessions = *held + 1000
	}
	app := start(b, lib, backend)
	there := 0
	var some []benchmarks.Browser
	for n := 1000; n <= *held; n *= 10 {
		// At most 4,096 of them are asked: more than the caches hold.
		every := max(1, n/4096)
		again := app.Browser().Again("POST", "/fill?n=10", false)
		for ; there < n; there++ {
			if there%every != 0 {
				again()
				continue
			}
			browser, err := benchmarks.Ops[0].Prepare(app)
			if err != nil {
				b.Fatal(err)
			}
			some = append(some, browser)
		}
		b.Run(fmt.Sprintf("read-%d", n), func(b *testing.B) {
			runtime.GC()
			random := rand.New(rand.NewPCG(1, uint64(n)))
			read, _ := benchmarks.Among(some, "GET", "/read")
			for b.Loop() {
				read(random.IntN(len(some)))
			}
		})
	}
}

// BenchmarkAmong reads one value in a random session of -held and in one of a
// thousand, in turns; "times" is the median of the one over that of the other.
func BenchmarkAmong(b *testing.B) {
	for _, lib := range []benchmarks.Library{benchmarks.FloorAPI, benchmarks.Coatcheck} {
		b.Run(fmt.Sprintf("%s/%d", lib.Name, *held), func(b *testing.B) {
			few, many := amongOf(b, lib, 1000), amongOf(b, lib, *held)
			runtime.GC()
			var fewTook, manyTook []float64
			for b.Loop() {
				fewTook, manyTook = append(fewTook, few()), append(manyTook, many())
			}
			b.ReportMetric(middle(fewTook), "few-ns/op")
			b.ReportMetric(middle(manyTook), "many-ns/op")
			b.ReportMetric(middle(manyTook)/middle(fewTook), "times")
			b.ReportMetric(0, "ns/op") // of both together
		})
	}
}

const (
	asked = 1 << 16 // at most so many sessions are asked: more than the caches hold
	atOne = 64      // requests in a turn
)

// amongOf fills an application with so many sessions and returns a function that
// returns the nanoseconds of a request in one of them.
func amongOf(b *testing.B, lib benchmarks.Library, sessions int) func() float64 {
	some := holding(b, lib, sessions)
	send, warm := benchmarks.Among(some, "GET", "/read")
	random := rand.New(rand.NewPCG(1, uint64(sessions)))
	var picks [atOne]int
	return func() float64 {
		for i := range picks {
			picks[i] = random.IntN(len(some))
			warm(picks[i])
		}
		began := time.Now()
		for _, i := range picks {
			send(i)
		}
		return float64(time.Since(began)) / atOne
	}
}

// holding fills an application with so many sessions of ten small values and
// returns clients of some of them, which lie evenly among the others.
func holding(b *testing.B, lib benchmarks.Library, sessions int) (some []benchmarks.Browser) {
	backend := memory
	var st store.Store
	backend.Sessions, backend.Made = sessions+1000, func(made store.Store) { st = made }
	app := start(b, lib, backend)
	other := app.Browser().Again("POST", "/fill?n=10", false)
	every := max(1, sessions/asked)
	var like store.Record
	for i := range sessions {
		switch {
		case i%every == 0 && len(some) < asked:
			browser, err := benchmarks.Ops[0].Prepare(app)
			if err != nil {
				b.Fatal(err)
			}
			some = append(some, browser)
			if st != nil && i == 0 {
				like = loggedIn(b, st)
			}
		case st == nil:
			other()
		default: // as that would, but in a tenth of the time
			like.ID, like.User = heldID(i), fmt.Sprint("user", i/2)
			if err := st.Create(context.Background(), like); err != nil {
				b.Fatal(err)
			}
		}
	}
	return some
}

// loggedIn is the one session that a store has.
func loggedIn(b *testing.B, st store.Store) store.Record {
	all, ok := st.(store.Lister)
	if !ok {
		b.Fatalf("%T cannot be walked through", st)
	}
	for rec, err := range all.All(context.Background()) {
		if err != nil {
			b.Fatal(err)
		}
		return rec
	}
	b.Fatal("no session was made")
	return store.Record{}
}

// BenchmarkGrowValues reads and counts in a session of n values.
func BenchmarkGrowValues(b *testing.B) {
	for _, lib := range []benchmarks.Library{
		benchmarks.FloorAPI, benchmarks.Coatcheck, benchmarks.SCS, benchmarks.Gorilla, benchmarks.Fiber, benchmarks.Iris,
	} {
		for n := 2; n <= 256; n *= 2 {
			fill := fmt.Sprintf("/fill?n=%d", n)
			b.Run(fmt.Sprintf("%s/read-%d", lib.Name, n), func(b *testing.B) {
				request(b, lib, benchmarks.Op{Method: "GET", Path: "/read", Fill: fill})
			})
			b.Run(fmt.Sprintf("%s/count-%d", lib.Name, n), func(b *testing.B) {
				request(b, lib, benchmarks.Op{Method: "POST", Path: "/count", Fill: fill})
			})
		}
	}
}

// BenchmarkGrowCores sends requests of many sessions on one core and on two.
func BenchmarkGrowCores(b *testing.B) {
	for _, lib := range append([]benchmarks.Library{benchmarks.FloorAPI}, benchmarks.Libraries...) {
		for _, op := range []benchmarks.Op{benchmarks.Ops[2], benchmarks.Ops[3]} {
			for cores := 1; cores <= runtime.NumCPU(); cores *= 2 {
				b.Run(fmt.Sprintf("%s/%s-%d", lib.Name, op.Name, cores), func(b *testing.B) {
					app := start(b, lib, memory)
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
					b.RunParallel(func(pb *testing.PB) {
						browser, err := op.Prepare(app)
						if err != nil {
							b.Error(err)
							return
						}
						again := browser.Again(op.Method, op.Path, false)
						for pb.Next() {
							again()
						}
					})
				})
			}
		}
	}
}

// processes is how many managers share the store, as processes would: within
// one of them commits queue up and never conflict.
const processes = 4

// BenchmarkGrowInFlight sends 4,096 counts by n clients at once in one session,
// through one manager and through four that share the store.
func BenchmarkGrowInFlight(b *testing.B) {
	for _, instances := range []int{1, processes} {
		for n := 1; n <= 256; n *= 2 {
			b.Run(fmt.Sprintf("coatcheck-%d/count-%d", instances, n), func(b *testing.B) { inFlight(b, memory, instances, n) })
		}
	}
}

func inFlight(b *testing.B, backend benchmarks.Backend, instances, n int) {
	apps, err := benchmarks.Instances(backend, instances)
	if err != nil {
		b.Fatal(err)
	}
	defer apps[0].Close()
	browser, err := benchmarks.Ops[0].Prepare(apps[0])
	if err != nil {
		b.Fatal(err)
	}
	const total = 4096
	var took []time.Duration
	var elapsed time.Duration
	for b.Loop() {
		began := time.Now()
		took = make([]time.Duration, total)
		var wg sync.WaitGroup
		for i := range n {
			again := benchmarks.Join(browser, apps[i%instances]).Again("POST", "/count", false)
			mine := took[i*total/n : (i+1)*total/n]
			wg.Go(func() {
				for j := range mine {
					start := time.Now()
					again()
					mine[j] = time.Since(start)
				}
			})
		}
		wg.Wait()
		elapsed = time.Since(began)
	}
	slices.Sort(took)
	b.ReportMetric(float64(elapsed.Nanoseconds())/total, "ns/op")
	b.ReportMetric(float64(took[total/2])/float64(time.Microsecond), "p50-µs")
	b.ReportMetric(float64(took[total*99/100])/float64(time.Microsecond), "p99-µs")
	b.ReportMetric(float64(took[total-1])/float64(time.Microsecond), "longest-µs")
}

// BenchmarkGrowUser lists a user who has n sessions, among 10,000 others, and
// logs that user in once more.
func BenchmarkGrowUser(b *testing.B) {
	for n := 1; n <= 10_000; n *= 10 {
		store := memstore.New(memstore.Config{})
		for i := range 10_000 + n {
			rec := heldRecord(i)
			if i >= 10_000 {
				rec.User = "many"
			}
			if err := store.Create(context.Background(), rec); err != nil {
				b.Fatal(err)
			}
		}
		m := benchmarks.Manager(b, store)
		b.Run(fmt.Sprintf("coatcheck/list-%d", n), func(b *testing.B) {
			for b.Loop() {
				if list, err := m.Sessions(context.Background(), "many"); err != nil || len(list) != n {
					b.Fatal(len(list), err)
				}
			}
		})
		b.Run(fmt.Sprintf("coatcheck/create-end-%d", n), func(b *testing.B) {
			rec := heldRecord(0)
			rec.User = "many"
			for i := 0; b.Loop(); i++ {
				rec.ID = heldID(1_000_000 + i)
				if err := store.Create(context.Background(), rec); err != nil {
					b.Fatal(err)
				}
				if _, err := store.End(context.Background(), rec.ID, rec.Seen); err != nil {
					b.Fatal(err)
				}
				if i%100 == 99 {
					if _, err := store.Sweep(context.Background(), rec.Seen.Add(time.Minute), 100); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
