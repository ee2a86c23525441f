//go:build linux

package benchmarks_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/benchmarks"
)

// BenchmarkCommits is 64 commits at once, each in a session of its own and on
// the disk before it is reported as done: by the store, and by the driver alone
// with the same statement. The two take turns, so that both meet the same
// machine, and of the many ratios the median counts.
func BenchmarkCommits(b *testing.B) {
	for _, row := range []struct {
		name   string
		kind   string
		server *shared
	}{
		{"sqlite", benchmarks.SQLiteFull, nil},
		{"postgres", benchmarks.Postgres, &postgresServer},
		{"mariadb", benchmarks.MariaDB, &mariadbServer},
		{"redis", benchmarks.RedisDurable, &durableServer},
	} {
		b.Run(row.name, func(b *testing.B) {
			var sides [2]benchmarks.Commits
			for i, open := range []func(b benchmarks.Backend, n int) (benchmarks.Commits, error){benchmarks.RawCommits, benchmarks.StoreCommits} {
				backend := benchmarks.Backend{Kind: row.kind, Addr: filepath.Join(b.TempDir(), "sessions.db")}
				if row.server != nil {
					backend = at(row.kind, row.server.get(b).Addr)
				}
				var err error
				if sides[i], err = open(backend, committers); err != nil {
					b.Fatal(err)
				}
				defer sides[i].Close()
			}
			commitInTurns(b, sides[0], sides[1])
		})
	}
}

const (
	committers = 64 // how many commits are under way
	inATurn    = 8  // how many each makes before it is the other side's turn
)

func commitInTurns(b *testing.B, raw, store benchmarks.Commits) {
	var rawTook, storeTook, ratios []float64
	for b.Loop() {
		r, s := commitAtOnce(b, raw), commitAtOnce(b, store)
		rawTook, storeTook, ratios = append(rawTook, r), append(storeTook, s), append(ratios, r/s)
	}
	middle := func(list []float64) float64 { slices.Sort(list); return list[len(list)/2] }
	b.ReportMetric(middle(rawTook), "raw-µs")
	b.ReportMetric(middle(storeTook), "store-µs")
	b.ReportMetric(middle(ratios), "of-raw")
	b.ReportMetric(0, "ns/op") // of both together
}

// commitAtOnce returns the microseconds for each commit.
func commitAtOnce(b *testing.B, c benchmarks.Commits) float64 {
	errs := make([]error, committers)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range committers {
		wg.Go(func() {
			// As a commit's does, this context ends (G5).
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			for range inATurn {
				if err := c.Next(ctx, i); err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	return float64(took) / float64(time.Microsecond) / (committers * inATurn)
}
