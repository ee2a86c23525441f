//go:build linux

package benchmarks_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coatcheck/coatcheck/benchmarks"
	"github.com/coatcheck/coatcheck/benchmarks/internal/servers"
	"github.com/coatcheck/coatcheck/benchmarks/internal/trips"
)

// A shared server is started by the first row that needs it and stopped by
// TestMain.
type shared struct {
	start  func() (*servers.Server, error)
	once   sync.Once
	server *servers.Server
	err    error
}

var (
	redisServer    = shared{start: servers.Redis}
	postgresServer = shared{start: servers.Postgres}
	mariadbServer  = shared{start: servers.MariaDB}
	durableServer  = shared{start: servers.RedisDurable}
)

func (s *shared) get(t testing.TB) *servers.Server {
	t.Helper()
	s.once.Do(func() { s.server, s.err = s.start() })
	if errors.Is(s.err, servers.ErrMissing) {
		t.Skip(s.err)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

func stopServers() error {
	var err error
	for _, s := range []*shared{&redisServer, &postgresServer, &mariadbServer, &durableServer} {
		if s.server != nil {
			err = errors.Join(err, s.server.Stop())
		}
	}
	return err
}

func postgresURL(addr string) string {
	return "postgres://postgres@" + addr + "/postgres?sslmode=disable"
}

// at is a backend whose server is behind addr.
func at(kind, addr string) benchmarks.Backend {
	switch kind {
	case benchmarks.Postgres:
		addr = postgresURL(addr)
	case benchmarks.MariaDB:
		// Without interpolateParams each statement with a value is prepared,
		// run and closed: three round trips.
		addr = "root@tcp(" + addr + ")/test?interpolateParams=true"
	}
	return benchmarks.Backend{Kind: kind, Addr: addr}
}

// storeOps are the rows of the stores with a server.
var storeOps = []benchmarks.Op{
	{Name: "untouched", Method: "GET", Path: "/untouched", Fill: "/fill?n=10"},
	{Name: "read", Method: "GET", Path: "/read", Fill: "/fill?n=10"},
	{Name: "touch", Method: "GET", Path: "/read", Fill: "/fill?n=10"},
	{Name: "count", Method: "POST", Path: "/count", Fill: "/fill?n=10"},
	{Name: "first-write", Method: "POST", Path: "/set"},
	{Name: "login", Method: "POST", Path: "/login", Fill: "/fill?n=10", Follow: true},
}

func BenchmarkRedis(b *testing.B) {
	server := redisServer.get(b)
	everyStoreRow(b, benchmarks.Redis, server.Addr)
	for _, lib := range []benchmarks.Library{benchmarks.Raw, benchmarks.Coatcheck} {
		row := benchmarks.Op{Name: "read-cached", Method: "GET", Path: "/read", Fill: "/fill?n=10"}
		storeRow(b, lib, at(benchmarks.RedisCached, server.Addr), row, server.Addr)
	}
}

func BenchmarkPostgres(b *testing.B) {
	everyStoreRow(b, benchmarks.Postgres, postgresServer.get(b).Addr)
}

func everyStoreRow(b *testing.B, kind, addr string) {
	for _, lib := range append([]benchmarks.Library{benchmarks.Raw}, benchmarks.Libraries...) {
		for _, op := range storeOps {
			if lib.Name == benchmarks.Raw.Name && op.Name == "login" {
				continue
			}
			backend := at(kind, addr)
			backend.Idle = op.Name == "touch"
			storeRow(b, lib, backend, op, addr)
		}
	}
}

// storeRow is one row, in turn and with 32 requests in flight.
func storeRow(b *testing.B, lib benchmarks.Library, backend benchmarks.Backend, op benchmarks.Op, addr string) {
	b.Run(lib.Name+"/"+op.Name, func(b *testing.B) {
		perRequest := roundTrips(b, lib, backend, op, addr)
		serial(b, lib, backend, op)
		b.ReportMetric(perRequest, "trips/op")
	})
	parallel(b, lib.Name+"/"+op.Name+"-parallel", lib, backend, op, 32)
}

// clients returns n clients of app, each in a session of a user of its own and
// with a connection that is open.
func clients(b *testing.B, app benchmarks.App, lib benchmarks.Library, backend benchmarks.Backend, op benchmarks.Op, n int) []func() {
	b.Helper()
	from, cached := app, backend.Kind == benchmarks.RedisCached
	if cached {
		// What a process has just written it does not read from its cache for
		// some seconds. The sessions come from another one.
		backend.Kind = benchmarks.Redis
		from = open(b, lib, backend)
		defer from.Close()
	}
	list := make([]func(), n)
	for i := range list {
		own := op
		if own.Fill != "" {
			own.Fill += fmt.Sprintf("&user=%d", i)
		}
		if own.Path == "/login" {
			own.Path += fmt.Sprintf("?user=%d", i)
		}
		browser, err := own.Prepare(from)
		if err != nil {
			b.Fatal(err)
		}
		if cached {
			browser = benchmarks.Join(browser, app)
		}
		list[i] = browser.Again(own.Method, own.Path, own.Follow)
	}
	var wg sync.WaitGroup
	for _, again := range list {
		wg.Go(func() { again(); again() })
	}
	wg.Wait()
	return list
}

// open starts a library, or skips b where it has no such store.
func open(b *testing.B, lib benchmarks.Library, backend benchmarks.Backend) benchmarks.App {
	b.Helper()
	app, err := lib.New(backend)
	if errors.Is(err, errors.ErrUnsupported) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	return app
}

// serial is a row of one client.
func serial(b *testing.B, lib benchmarks.Library, backend benchmarks.Backend, op benchmarks.Op) {
	app := open(b, lib, backend)
	again := clients(b, app, lib, backend, op, 1)[0]
	for b.Loop() {
		again()
	}
	if err := app.Close(); err != nil {
		b.Error(err)
	}
}

// parallel keeps n requests in flight, each in a session of its own.
func parallel(b *testing.B, name string, lib benchmarks.Library, backend benchmarks.Backend, op benchmarks.Op, n int) {
	// These outlive the runs of the row, each of which has more iterations.
	var app benchmarks.App
	var list []func()
	b.Run(name, func(b *testing.B) {
		if list == nil {
			app = open(b, lib, backend)
			list = clients(b, app, lib, backend, op, n)
		}
		b.SetParallelism(n / runtime.GOMAXPROCS(0))
		var next atomic.Int64
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			again := list[int(next.Add(1)-1)%n]
			for pb.Next() {
				again()
			}
		})
	})
	if app != nil { // its connections are not for the next row
		if err := app.Close(); err != nil {
			b.Error(err)
		}
	}
}

// roundTrips sends 100 requests through a proxy that counts.
func roundTrips(b *testing.B, lib benchmarks.Library, backend benchmarks.Backend, op benchmarks.Op, addr string) float64 {
	b.Helper()
	proxy, err := trips.New(addr)
	if err != nil {
		b.Fatal(err)
	}
	idle := backend.Idle
	backend = at(backend.Kind, proxy.Addr())
	backend.Idle = idle
	app, err := lib.New(backend)
	if errors.Is(err, errors.ErrUnsupported) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	again := clients(b, app, lib, backend, op, 1)[0] // has prepared its statements
	before := proxy.Count()
	const n = 100
	for range n {
		again()
	}
	count := proxy.Count() - before
	if err := errors.Join(app.Close(), proxy.Close()); err != nil {
		b.Fatal(err)
	}
	return float64(count) / n
}

// BenchmarkSQLite is rows in a file, with the commits of NORMAL, which a loss of
// power can undo, and of FULL.
func BenchmarkSQLite(b *testing.B) {
	const fill = "/fill?n=10"
	read := benchmarks.Op{Name: "read", Method: "GET", Path: "/read", Fill: fill}
	count := benchmarks.Op{Name: "count", Method: "POST", Path: "/count", Fill: fill}
	for _, lib := range []benchmarks.Library{benchmarks.Raw, benchmarks.Coatcheck, benchmarks.SCS} {
		for _, row := range []struct {
			name, kind string
			op         benchmarks.Op
			at         int
		}{
			{"read", benchmarks.SQLite, read, 1}, {"read-64", benchmarks.SQLite, read, 64},
			{"count", benchmarks.SQLite, count, 1}, {"count-64", benchmarks.SQLite, count, 64},
			{"count-durable", benchmarks.SQLiteFull, count, 1}, {"count-durable-64", benchmarks.SQLiteFull, count, 64},
		} {
			name := lib.Name + "/" + row.name
			backend := benchmarks.Backend{Kind: row.kind, Addr: filepath.Join(b.TempDir(), "sessions.db")}
			if row.at > 1 {
				parallel(b, name, lib, backend, row.op, row.at)
				continue
			}
			b.Run(name, func(b *testing.B) { serial(b, lib, backend, row.op) })
		}
	}
}

// BenchmarkGrowRedis is BenchmarkGrowInFlight on Redis.
func BenchmarkGrowRedis(b *testing.B) {
	backend := at(benchmarks.Redis, redisServer.get(b).Addr)
	for _, instances := range []int{1, processes} {
		for n := 1; n <= 256; n *= 2 {
			b.Run(fmt.Sprintf("coatcheck-%d/count-%d", instances, n), func(b *testing.B) { inFlight(b, backend, instances, n) })
		}
	}
}
