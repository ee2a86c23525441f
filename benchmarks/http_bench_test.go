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
	{"profile", "GET", "/profile"},
	{"cart", "POST", "/cart"},
}

// BenchmarkHTTP is load over the loopback interface: 32 connections, each in a
// session of ten small values, for -load each. The server is another process on
// the same cores. Page by page, so that libraries are compared within seconds.
func BenchmarkHTTP(b *testing.B) {
	for _, page := range pages {
		for _, lib := range benchmarks.Loaded {
			b.Run(lib.Name+"/"+page.name, func(b *testing.B) {
				loadHTTP(b, lib, memory, page.method, page.path)
			})
		}
	}
	redis := func() benchmarks.Backend { return at(benchmarks.Redis, redisServer.get(b).Addr) }
	for _, page := range pages {
		for _, lib := range append([]benchmarks.Library{benchmarks.Raw, benchmarks.FloorKept}, benchmarks.Libraries...) {
			b.Run(lib.Name+"/redis-"+page.name, func(b *testing.B) {
				loadHTTP(b, lib, redis(), page.method, page.path)
			})
			if lib.Name == benchmarks.Coatcheck.Name && page.name == "profile" {
				b.Run(lib.Name+"/redis-cached-"+page.name, func(b *testing.B) {
					backend := redis()
					backend.Kind = benchmarks.RedisCached
					loadHTTP(b, lib, backend, page.method, page.path)
				})
			}
		}
	}
	b.Run("fiber/bare", func(b *testing.B) { loadHTTP(b, benchmarks.Fiber, memory, "GET", "/bare") })
}

// BenchmarkPage is a page as applications have them: behind a router it reads
// three values, shows the flash that the page before has left, leaves one, and
// counts. The load is that of BenchmarkHTTP.
func BenchmarkPage(b *testing.B) {
	for _, kind := range []string{benchmarks.Postgres, benchmarks.Redis} {
		for _, lib := range benchmarks.Libraries {
			b.Run(lib.Name+"/"+kind, func(b *testing.B) {
				loadHTTP(b, lib, routed(b, kind), "GET", "/page")
			})
		}
	}
}

// BenchmarkForm is a form that is sent and the page after it: a POST that reads
// three values, counts and leaves a flash, and a GET that reads them again and
// shows the flash. Both together are one request of the figures.
func BenchmarkForm(b *testing.B) {
	for _, kind := range []string{benchmarks.Postgres, benchmarks.Redis} {
		for _, lib := range benchmarks.Libraries {
			b.Run(lib.Name+"/"+kind, func(b *testing.B) {
				runLoad(b, lib, routed(b, kind), load.Load{Method: "POST", Path: "/form", Also: "/after"})
			})
		}
	}
}

// routed is a backend on a server, behind a router.
func routed(b *testing.B, kind string) benchmarks.Backend {
	server := &redisServer
	if kind == benchmarks.Postgres {
		server = &postgresServer
	}
	backend := at(kind, server.get(b).Addr)
	backend.Router = true
	return backend
}

func loadHTTP(b *testing.B, lib benchmarks.Library, backend benchmarks.Backend, method, path string) {
	runLoad(b, lib, backend, load.Load{Method: method, Path: path})
}

func runLoad(b *testing.B, lib benchmarks.Library, backend benchmarks.Backend, l load.Load) {
	open(b, lib, backend).Close() // or it is skipped
	s := startServer(b, lib, backend)
	l.Addr, l.Fill, l.UserAgent, l.Connections, l.For = s.addr, "/fill?n=10", benchmarks.UserAgent, 32, *loadFor
	if backend.Kind == benchmarks.RedisCached {
		// What a process has just written it does not read from its cache.
		plain := backend
		plain.Kind = benchmarks.Redis
		l.FillAddr = startServer(b, lib, plain).addr
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
