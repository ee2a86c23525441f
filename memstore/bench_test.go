package memstore_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

const million = 1_000_000

// benchID spreads ids as hashes are spread.
func benchID(n int) (id store.ID) {
	x := uint64(n)*0x9e3779b97f4a7c15 + 1
	for i := 0; i < len(id); i += 8 {
		x ^= x >> 31
		x *= 0xbf58476d1ce4e5b9
		binary.LittleEndian.PutUint64(id[i:], x)
	}
	return id
}

// fill makes n sessions of 200 bytes, two of each user.
func fill(b *testing.B, n int) *memstore.Store {
	b.Helper()
	st := memstore.New(memstore.Config{MaxSessions: 4 * million, MaxBytes: 4 << 30})
	for i := range n {
		if err := st.Create(context.Background(), benchRecord(i)); err != nil {
			b.Fatal(err)
		}
	}
	return st
}

var benchData = func() []byte { d := make([]byte, 200); rand.Read(d); return d }()

func benchRecord(n int) store.Record {
	t := time.Unix(1_700_000_000, 0).UTC()
	return store.Record{
		ID: benchID(n), Version: uint64(n) + 1, User: fmt.Sprint("user", n/2),
		AuthTime: t, Created: t, Seen: t, Expires: t.Add(time.Hour), Deadline: t.Add(12 * time.Hour), Data: benchData,
	}
}

func heap() runtime.MemStats {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m
}

// BenchmarkMillion reports what a million sessions of 200 bytes cost, new and
// after each was updated. It measures once, whatever b.N is.
func BenchmarkMillion(b *testing.B) {
	before := heap()
	st := fill(b, million)
	report(b, before, "-new")
	ctx := context.Background()
	for i := range 3 * million {
		rec := benchRecord(step(i, million))
		stored, err := st.Load(ctx, rec.ID)
		if err != nil {
			b.Fatal(err)
		}
		rec.Version = stored.Version + million
		if err := st.Update(ctx, rec, stored.Version); err != nil {
			b.Fatal(err)
		}
	}
	report(b, before, "-updated")
	runtime.KeepAlive(st)
}

func report(b *testing.B, before runtime.MemStats, suffix string) {
	after := heap()
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/million, "B/session"+suffix)
	b.ReportMetric(float64(after.HeapObjects-before.HeapObjects)/million, "objects/session"+suffix)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	start := time.Now()
	runtime.GC()
	b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms/GC"+suffix)
}

func sizes(b *testing.B, bench func(b *testing.B, st *memstore.Store, n int)) {
	for _, n := range []int{1000, million} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			st := fill(b, n)
			b.ResetTimer()
			bench(b, st, n)
		})
	}
}

// step walks over n sessions in no order that a cache would like.
func step(i, n int) int { return int(uint64(i) * 0x9e3779b97f4a7c15 % uint64(n)) }

func BenchmarkLoad(b *testing.B) {
	sizes(b, func(b *testing.B, st *memstore.Store, n int) {
		ctx, sum := context.Background(), 0
		for i := 0; b.Loop(); i++ {
			rec, err := st.Load(ctx, benchID(step(i, n)))
			if err != nil {
				b.Fatal(err)
			}
			sum += len(rec.Data)
		}
	})
}

func BenchmarkLoadParallel(b *testing.B) {
	sizes(b, func(b *testing.B, st *memstore.Store, n int) {
		b.RunParallel(func(pb *testing.PB) {
			ctx := context.Background()
			for i := 0; pb.Next(); i++ {
				if _, err := st.Load(ctx, benchID(step(i, n))); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

func BenchmarkUpdate(b *testing.B) {
	sizes(b, func(b *testing.B, st *memstore.Store, n int) {
		ctx := context.Background()
		versions := make([]uint64, n)
		rec := benchRecord(0)
		for i := 0; b.Loop(); i++ {
			at := step(i, n)
			ifVersion := versions[at]
			if ifVersion == 0 {
				ifVersion = uint64(at) + 1
			}
			rec.ID, rec.Version = benchID(at), ifVersion+million
			if err := st.Update(ctx, rec, ifVersion); err != nil {
				b.Fatal(err)
			}
			versions[at] = rec.Version
		}
	})
}

func BenchmarkTouch(b *testing.B) {
	sizes(b, func(b *testing.B, st *memstore.Store, n int) {
		ctx, rec := context.Background(), benchRecord(0)
		for i := 0; b.Loop(); i++ {
			if err := st.Touch(ctx, benchID(step(i, n)), rec.Seen, rec.Expires); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkReplace also ends the tombstones, or there would be no end of them.
func BenchmarkReplace(b *testing.B) {
	sizes(b, func(b *testing.B, st *memstore.Store, n int) {
		ctx := context.Background()
		rec := benchRecord(0)
		for i := 0; b.Loop(); i++ {
			old := i
			if i >= n {
				old = i - n + 2*million
			}
			rec.ID = benchID(i + 2*million)
			ifVersion := rec.Version
			if i < n {
				ifVersion = uint64(i) + 1
			}
			rec.Version = 1
			if i >= n {
				ifVersion = 1
			}
			if err := st.Replace(ctx, benchID(old), ifVersion, rec, rec.Seen.Add(time.Minute)); err != nil {
				b.Fatal(i, err)
			}
			if i%100 == 99 {
				st.Sweep(ctx, rec.Seen.Add(2*time.Minute), 100)
			}
		}
	})
}

func BenchmarkCreateEnd(b *testing.B) {
	sizes(b, func(b *testing.B, st *memstore.Store, n int) {
		ctx := context.Background()
		rec := benchRecord(0)
		for i := 0; b.Loop(); i++ {
			rec.ID = benchID(i + 2*million)
			if err := st.Create(ctx, rec); err != nil {
				b.Fatal(err)
			}
			if _, err := st.End(ctx, rec.ID, rec.Seen); err != nil {
				b.Fatal(err)
			}
			if i%100 == 99 {
				st.Sweep(ctx, rec.Seen.Add(2*time.Minute), 100)
			}
		}
	})
}

func BenchmarkUser(b *testing.B) {
	sizes(b, func(b *testing.B, st *memstore.Store, n int) {
		ctx := context.Background()
		for i := 0; b.Loop(); i++ {
			list, err := st.User(ctx, benchRecord(step(i, n)).User)
			if err != nil || len(list) != 2 {
				b.Fatal(len(list), err)
			}
		}
	})
}

// BenchmarkSweep is one call that finds nothing, as the core makes it once a
// second.
func BenchmarkSweep(b *testing.B) {
	sizes(b, func(b *testing.B, st *memstore.Store, n int) {
		ctx, now := context.Background(), benchRecord(0).Seen
		for b.Loop() {
			if removed, err := st.Sweep(ctx, now, 100); removed != 0 || err != nil {
				b.Fatal(removed, err)
			}
		}
	})
}
