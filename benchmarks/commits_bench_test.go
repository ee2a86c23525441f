//go:build linux

package benchmarks_test

import (
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/coatcheck/coatcheck/benchmarks"
)

// BenchmarkCommits is 64 commits at once, each in a session of its own and on
// the disk before it is reported as done: by the store, and by the driver alone
// with the same statement.
func BenchmarkCommits(b *testing.B) {
	dir := b.TempDir()
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
		for _, side := range []struct {
			name string
			open func(b benchmarks.Backend, n int) (benchmarks.Commits, error)
		}{{"raw", benchmarks.RawCommits}, {"coatcheck", benchmarks.StoreCommits}} {
			// It outlives the runs of the row, each of which has more iterations.
			var c benchmarks.Commits
			b.Run(side.name+"/"+row.name, func(b *testing.B) {
				if c.Next == nil {
					backend := benchmarks.Backend{Kind: row.kind, Addr: filepath.Join(dir, side.name+".db")}
					if row.server != nil {
						backend = at(row.kind, row.server.get(b).Addr)
					}
					var err error
					if c, err = side.open(backend, committers); err != nil {
						b.Fatal(err)
					}
				}
				commitAtOnce(b, c)
			})
			if c.Close != nil {
				if err := c.Close(); err != nil {
					b.Error(err)
				}
			}
		}
	}
}

// committers is how many commits are under way.
const committers = 64

func commitAtOnce(b *testing.B, c benchmarks.Commits) {
	b.SetParallelism(max(1, committers/runtime.GOMAXPROCS(0)))
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		session := int(next.Add(1) - 1)
		for pb.Next() {
			if err := c.Next(b.Context(), session%committers); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
