package benchmarks_test

import (
	"log/slog"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/benchmarks"
)

// BenchmarkRequest is one request in process, in a session kept in memory.
func BenchmarkRequest(b *testing.B) {
	for _, lib := range append(benchmarks.Edges, benchmarks.Libraries...) {
		for _, op := range benchmarks.Ops {
			b.Run(lib.Name+"/"+op.Name, func(b *testing.B) { request(b, lib, op) })
		}
		b.Run(lib.Name+"/read-parallel", func(b *testing.B) { requestParallel(b, lib) })
	}
	for _, lib := range []benchmarks.Library{benchmarks.Gin, benchmarks.Fiber, benchmarks.Iris} {
		b.Run(lib.Name+"/bare", func(b *testing.B) {
			request(b, lib, benchmarks.Op{Method: "GET", Path: "/bare"})
		})
	}
	items := benchmarks.Op{Method: "GET", Path: "/items", Fill: "/items"}
	b.Run("coatcheck/read-struct", func(b *testing.B) { request(b, benchmarks.Coatcheck, items) })
	logging := benchmarks.CoatcheckWith(coatcheck.Config{Events: coatcheck.LogEvents(slog.New(slog.DiscardHandler))})
	for _, op := range benchmarks.Ops {
		if op.Name == "login" || op.Name == "first-write" || op.Name == "read" {
			b.Run("coatcheck/"+op.Name+"-slog", func(b *testing.B) { request(b, logging, op) })
		}
	}
}

func request(b *testing.B, lib benchmarks.Library, op benchmarks.Op) {
	app := start(b, lib, memory)
	browser, err := op.Prepare(app)
	if err != nil {
		b.Fatal(err)
	}
	again := browser.Again(op.Method, op.Path, op.Follow)
	again()
	b.ReportAllocs()
	for b.Loop() {
		again()
	}
}

// requestParallel reads one session from all cores at once.
func requestParallel(b *testing.B, lib benchmarks.Library) {
	app := start(b, lib, memory)
	browser, err := benchmarks.Ops[0].Prepare(app)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		again := browser.Again("GET", "/read", false)
		for pb.Next() {
			again()
		}
	})
}
