//go:build linux

package benchmarks_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2/memstore"
	"github.com/gofiber/fiber/v3/middleware/session"

	"github.com/coatcheck/coatcheck/benchmarks"
	ours "github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A holder keeps n sessions in memory. Where the store takes bytes they are
// 200; where it keeps Go values they are those of the session of ten. What it
// returns keeps them alive.
type holder struct {
	name string
	slow bool // takes minutes for a million
	fill func(b *testing.B, n int) any
}

var holders = []holder{
	{"floor", false, func(_ *testing.B, n int) any { return benchmarks.FloorHolding(n, 200) }},
	{"coatcheck", false, func(b *testing.B, n int) any {
		st := ours.New(ours.Config{})
		for i := range n {
			if err := st.Create(context.Background(), heldRecord(i)); err != nil {
				b.Fatal(err)
			}
		}
		return st
	}},
	{"scs", false, func(b *testing.B, n int) any {
		st := memstore.NewWithCleanupInterval(0)
		for i := range n {
			if err := st.Commit(heldToken(i), make([]byte, 200), time.Now().Add(time.Hour)); err != nil {
				b.Fatal(err)
			}
		}
		return st
	}},
	{"fiber", false, func(b *testing.B, n int) any {
		st := session.NewStore()
		for i := range n {
			if err := st.Storage.Set(heldToken(i), make([]byte, 200), time.Hour); err != nil {
				b.Fatal(err)
			}
		}
		return st
	}},
	{"gorilla", true, holdByRequests(benchmarks.Gorilla)},
	{"iris", false, holdByRequests(benchmarks.Iris)},
}

// holdByRequests makes each session by a request without a cookie.
func holdByRequests(lib benchmarks.Library) func(b *testing.B, n int) any {
	return func(b *testing.B, n int) any {
		app := start(b, lib, memory)
		again := app.Browser().Again("POST", "/fill?n=10", false)
		for range n {
			again()
		}
		return app
	}
}

// heldID spreads ids as hashes are spread.
func heldID(n int) (id store.ID) {
	x := uint64(n)*0x9e3779b97f4a7c15 + 1
	for i := 0; i < len(id); i += 8 {
		x ^= x >> 31
		x *= 0xbf58476d1ce4e5b9
		binary.LittleEndian.PutUint64(id[i:], x)
	}
	return id
}

// heldToken is as long as the tokens of scs and fiber are.
func heldToken(n int) string {
	id := heldID(n)
	return fmt.Sprintf("%x", id[:])[:43]
}

// heldRecord is one of two of its user.
func heldRecord(n int) store.Record {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return store.Record{
		ID: heldID(n), Version: uint64(n) + 1, User: fmt.Sprint("user", n/2),
		AuthTime: now, Created: now, Seen: now, Expires: now.Add(time.Hour), Deadline: now.Add(12 * time.Hour),
		Data: make([]byte, 200),
	}
}

// BenchmarkMemory is what -held sessions take of the heap and of the collector.
func BenchmarkMemory(b *testing.B) {
	for _, h := range holders {
		if h.slow && !*allSlow {
			continue
		}
		b.Run(h.name, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				kept := h.fill(b, *held)
				after := heap()
				n := float64(*held)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/session")
				b.ReportMetric(float64(after.HeapObjects-before.HeapObjects)/n, "objects/session")
				b.ReportMetric(float64(collection())/float64(time.Millisecond), "ms/GC")
				runtime.KeepAlive(kept)
			}
			b.ReportMetric(n(*held), "sessions")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func n(i int) float64 { return float64(i) }

func heap() runtime.MemStats {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m
}

// collection is how long a full cycle of the garbage collector takes, the best
// of three.
func collection() time.Duration {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	best := time.Duration(1 << 62)
	for range 3 {
		start := time.Now()
		runtime.GC()
		best = min(best, time.Since(start))
	}
	return best
}

// BenchmarkList lists the sessions of one user who has two of -held.
func BenchmarkList(b *testing.B) {
	b.Run("coatcheck", func(b *testing.B) {
		st := holders[1].fill(b, *held).(*ours.Store)
		m := benchmarks.Manager(b, st)
		for i := 0; b.Loop(); i++ {
			list, err := m.Sessions(context.Background(), fmt.Sprint("user", i*7919%(*held/2)))
			if err != nil || len(list) != 2 {
				b.Fatal(len(list), err)
			}
		}
		b.ReportMetric(n(*held), "sessions")
	})
	b.Run("scs", func(b *testing.B) {
		few := min(*held, 50_000) // it takes seconds
		list := benchmarks.SCSHolding(b, few)
		for b.Loop() {
			if got := list("user7"); got != 2 {
				b.Fatal(got)
			}
		}
		b.ReportMetric(n(few), "sessions")
	})
}
