package promises_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// leastAllocs returns the allocations of one run of f, the least of many: the
// collector, and a race detector that drops what is pooled, only add to it.
func leastAllocs(f func()) float64 {
	least := math.Inf(1)
	for range 50 {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}

// The budgets of what one request costs beside its handler: a route that does
// not look costs nearly nothing, and reading one value decodes only that value.
func TestAllocations(t *testing.T) {
	for _, c := range []struct {
		name       string
		fill, path string
		most       float64
	}{
		{"session untouched", "/fill", "/untouched", 3},
		{"no cookie, session untouched", "", "/untouched", 3},
		{"read one value", "/fill", "/read", 4},
		{"read, 4 KiB session", "/fill4k", "/read", 4},
		{"read-modify-write a counter", "/fill", "/count", 8},
		{"first write, new session", "", "/set", 14},
		{"login (new id, values kept)", "/fill", "/login", 18},
	} {
		h := benchApp(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}))
		// A login ends the token that it was given, so each run has its own. The
		// first few hundred make the room in which the manager remembers sessions.
		requests := make([]*http.Request, 700)
		for i := range requests {
			requests[i] = benchRequest(h, c.fill, c.path)
		}
		w := &discard{make(http.Header)}
		next := 0
		serve := func() {
			clear(w.h)
			h.ServeHTTP(w, requests[next])
			next++
		}
		for next < 500 {
			serve()
		}
		got := leastAllocs(serve)
		if got > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.most)
		}
		t.Logf("%s: %v allocations", c.name, got)
	}
}

// G8: malformed, duplicate, quoted and oversized cookies are refused before any
// allocation that grows with them. T2: without an allocation that grows with
// the input.
func TestAllocationsOfForgeries(t *testing.T) {
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	h := benchApp(m)
	cost := func(header string) (allocs float64, bytes uint64) {
		r := httptest.NewRequest("GET", "/user", nil)
		r.Header.Set("Cookie", header)
		w := &discard{make(http.Header)}
		run := func() { clear(w.h); h.ServeHTTP(w, r) }
		allocs = leastAllocs(run)
		const runs = 20
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			run()
		}
		runtime.ReadMemStats(&after)
		return allocs, (after.TotalAlloc - before.TotalAlloc) / runs
	}
	allocs, bytes := cost(sidName + "=x")
	const large = 1 << 20
	for name, header := range map[string]string{
		"1 MB":             sidName + "=" + strings.Repeat("A", large),
		"1 MB quoted":      sidName + `="` + strings.Repeat("A", large) + `"`,
		"1 MB of itself":   strings.Repeat(sidName+"=x; ", large/20),
		"1 MB of others":   strings.Repeat("a=b; ", large/5) + sidName + "=x",
		"1 MB of nothing":  strings.Repeat(";", large) + sidName + "=x",
		"1 MB of spaces":   strings.Repeat(" ", large) + sidName + "=x",
		"4,000 characters": sidName + "=" + strings.Repeat("A", 4000),
	} {
		// Several cookies are looked at, whatever they are: no more than four.
		if a, b := cost(header); a > allocs+3 || b > bytes+512 {
			t.Errorf("%s: %v allocations of %d bytes, want about %v of %d as for one byte", name, a, b, allocs, bytes)
		}
	}
}
