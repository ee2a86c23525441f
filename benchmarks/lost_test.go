//go:build linux

package benchmarks_test

import (
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/coatcheck/coatcheck/benchmarks"
)

const (
	writers = 64
	each    = 50
)

// increments sends so many counts from each of so many clients in one session,
// and returns what is left of them.
func increments(t testing.TB, app benchmarks.App, backend benchmarks.Backend) int {
	t.Helper()
	b, err := benchmarks.Ops[0].Prepare(app)
	if err != nil {
		t.Fatal(err)
	}
	requests := make([]func(), writers)
	for i := range requests {
		requests[i] = b.Again("POST", "/count", false)
		if backend.Kind == benchmarks.InCookie {
			// Each answer's cookie goes into the client's next request; what
			// the first client ends with is looked at.
			client := b
			if i > 0 {
				client = benchmarks.Join(b, app)
			}
			requests[i] = func() { client.Visit("POST", "/count") }
		}
	}
	var wg sync.WaitGroup
	for _, again := range requests {
		wg.Go(func() {
			for range each {
				again()
			}
		})
	}
	wg.Wait()
	_, body := b.Visit("POST", "/count")
	last, err := strconv.Atoi(body)
	if err != nil {
		t.Fatal(err)
	}
	return last - 1
}

// G1: 64 clients × 50 increments are 3,200.
func TestNothingLost(t *testing.T) {
	t.Parallel()
	if got := increments(t, start(t, benchmarks.Coatcheck, memory), memory); got != writers*each {
		t.Errorf("%d increments counted to %d", writers*each, got)
	}
}

// BenchmarkLost is what is left of 3,200 increments.
func BenchmarkLost(b *testing.B) {
	for _, lib := range benchmarks.Libraries {
		for _, kind := range []string{benchmarks.Memory, benchmarks.InCookie, benchmarks.Redis, benchmarks.Postgres, benchmarks.SQLite} {
			b.Run(lib.Name+"/"+kind, func(b *testing.B) {
				backend := benchmarks.Backend{Kind: kind}
				switch kind {
				case benchmarks.Redis:
					backend = at(kind, redisServer.get(b).Addr)
				case benchmarks.Postgres:
					backend = at(kind, postgresServer.get(b).Addr)
				case benchmarks.SQLite:
					backend.Addr = filepath.Join(b.TempDir(), "sessions.db")
				}
				app := open(b, lib, backend)
				defer app.Close()
				var kept int
				for b.Loop() {
					kept = increments(b, app, backend)
				}
				b.ReportMetric(float64(kept), "kept")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
