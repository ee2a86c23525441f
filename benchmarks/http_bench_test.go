//go:build linux

package benchmarks_test

import (
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/benchmarks"
	"github.com/coatcheck/coatcheck/benchmarks/internal/load"
)

// pages are the rows of load over HTTP.
var pages = []struct{ name, method, path string }{
	{"profile", "GET", "/read"},
	{"cart", "POST", "/count"},
}

// BenchmarkHTTP is load over the loopback interface: 32 connections, each in a
// session of ten small values, for -load each. The server is another process on
// the same cores.
func BenchmarkHTTP(b *testing.B) {
	for _, lib := range append(benchmarks.Edges, benchmarks.Libraries...) {
		for _, page := range pages {
			b.Run(lib.Name+"/"+page.name, func(b *testing.B) {
				loadHTTP(b, lib, memory, page.method, page.path)
			})
		}
	}
	for _, lib := range benchmarks.Libraries {
		for _, page := range pages {
			b.Run(lib.Name+"/redis-"+page.name, func(b *testing.B) {
				loadHTTP(b, lib, at(benchmarks.Redis, redisServer.get(b).Addr), page.method, page.path)
			})
		}
	}
	b.Run("fiber/bare", func(b *testing.B) { loadHTTP(b, benchmarks.Fiber, memory, "GET", "/bare") })
}

func loadHTTP(b *testing.B, lib benchmarks.Library, backend benchmarks.Backend, method, path string) {
	s := startServer(b, lib, backend)
	l := load.Load{
		Addr: s.addr, Method: method, Path: path, Fill: "/fill?n=10",
		UserAgent: benchmarks.UserAgent, Connections: 32, For: *loadFor,
	}
	var r load.Result
	for b.Loop() {
		var err error
		if r, err = l.Run(); err != nil {
			b.Fatal(err)
		}
	}
	cpu := s.stop()
	b.ReportMetric(r.PerSecond(), "req/s")
	b.ReportMetric(float64(r.P50)/float64(time.Microsecond), "p50-µs")
	b.ReportMetric(float64(r.P99)/float64(time.Microsecond), "p99-µs")
	b.ReportMetric(float64(cpu)/float64(time.Microsecond)/float64(r.Requests), "server-µs/req")
	b.ReportMetric(0, "ns/op") // hides what is only the length of the run
}
