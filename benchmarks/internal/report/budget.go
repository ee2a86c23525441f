package report

import (
	"fmt"
	"strings"
)

// A budget is a bound that was set before anything was measured, on a machine
// of 2 cores of which the page does not know how it compares with this one.
type budget struct {
	what  string
	unit  string // behind the limit and the value
	scale float64
	limit float64
	least bool // the limit is the least, not the most
	// name is the row and metric its unit; over, if any, the row that it is
	// divided by: a ratio means the same on every machine.
	name, metric, over string
	why                string // shown where the limit is missed
	// floor is what nothing can be better than, in the unit of the limit, and
	// was measured in the same run; nil where the limit needs none.
	floor   floor
	floorIs string
}

// A floor is what a limit could at best be, if it was measured.
type floor func(r *Results) (float64, bool)

// Why some limits are missed, in words that stay true whatever the figures are.
const (
	whyParts  = "see what a read consists of, below"
	whyAll    = "see what a read, and a commit, consists of, below"
	whyBeside = "a whole request beside one call of the driver; the store alone is measured in [integration](guide/stores.md#what-each-keeps-costs-and-bears)"
	whyCores  = "both cores collect what the requests leave, beside serving them"
	whyHTTP   = "what a read takes, and two headers for caches (G12), which net/http copies and writes; the server's own time is in parentheses below"
	whyRedis  = "Redis and the load generator have the same cores; the server's own time is in parentheses below"
	whyTime   = "a figure of this machine, not a ratio"
)

func budgets() []budget {
	list := []budget{
		inProcess("wrapped, session untouched", "untouched", 350),
		inProcess("no cookie, session untouched", "no-cookie", 350),
		inProcess("read one value", "read", 900),
		inProcess("read-modify-write a counter", "count", 2200),
		inProcess("first write, new session", "first-write", 3500),
		inProcess("login", "login", 4000),
		inProcess("read, 4 KiB session", "read-4KiB", 950),
		inProcess("read, all cores at once", "read-parallel", 700),
	}
	list[len(list)-1].why = whyCores
	most := func(what, unit string, scale, limit float64, name, metric, over, why string) {
		list = append(list, budget{what: what, unit: unit, scale: scale, limit: limit, name: name, metric: metric, over: over, why: why})
	}
	most("memory of a session, user index included", "bytes", 1, 380, "Memory/coatcheck", "B/session", "", "")
	most("heap objects of a session", "", 1, 0.1, "Memory/coatcheck", "objects/session", "", "")
	most("a full cycle of the garbage collector", "ms", 1, 15, "Memory/coatcheck", "ms/GC", "", whyTime)
	most("metrics on, traces off: what a read takes more", "ns", 1, 250, "Telemetry/read", "extra-ns/op", "", whyTime)
	most("list one user's sessions", "µs", 1e-3, 20, "List/coatcheck", "ns/op", "", whyTime)
	most("read among a million sessions, over that among a thousand", "×", 1, 2, "GrowHeld/coatcheck/read-1000000", "ns/op", "GrowHeld/coatcheck/read-1000",
		"memory that is in no cache: the floor grows as well, see the chart")
	for _, c := range []struct {
		op    string
		small float64
		large float64
	}{{"sign", 700, 3000}, {"verify", 700, 2500}} {
		most(c.op+" 64 bytes", "ns", 1, c.small, "Cookie/coatcheck/"+c.op+"-64", "ns/op", "", whyTime)
		most(c.op+" 1 KiB", "ns", 1, c.large, "Cookie/coatcheck/"+c.op+"-1024", "ns/op", "", whyTime)
	}
	for _, op := range []string{"encrypt-64", "encrypt-1024", "decrypt-64", "decrypt-1024"} {
		for _, peer := range []string{"encryptcookie", "securecookie"} {
			most(strings.Replace(op, "-", " ", 1)+" bytes, over "+peer, "×", 1, 1, "Cookie/coatcheck/"+op, "ns/op", "Cookie/"+peer+"/"+op, "")
		}
	}
	for _, t := range []struct {
		what, row string
		trips     float64
	}{
		{"Redis, read: round trips", "Redis/coatcheck/read", 1}, {"Redis, read with the client cache: round trips", "Redis/coatcheck/read-cached", 0},
		{"Redis, counter: round trips", "Redis/coatcheck/count", 2}, {"Redis, read with an idle timeout: round trips", "Redis/coatcheck/touch", 1},
		{"Redis, login: round trips", "Redis/coatcheck/login", 2}, {"Redis, session untouched: round trips", "Redis/coatcheck/untouched", 0},
		{"PostgreSQL, read: round trips", "Postgres/coatcheck/read", 1}, {"PostgreSQL, counter: round trips", "Postgres/coatcheck/count", 2},
	} {
		most(t.what, "", 1, t.trips, t.row, "trips/op", "", "")
	}
	most("Redis, read with the client cache", "µs", 1e-3, 3, "Redis/coatcheck/read-cached", "ns/op", "", whyTime)
	for _, s := range []struct {
		what, store, op string
		limit           float64
		why             string
	}{
		{"Redis, read, 32 at once, over the raw client", "Redis", "read-parallel", 1.3, whyBeside},
		{"Redis, counter, 32 at once, over the raw client", "Redis", "count-parallel", 1.5, "raw overwrites whatever is there; coatcheck compares the version, in a script on the server (G1)"},
		{"PostgreSQL, read, 32 at once, over the raw client", "Postgres", "read-parallel", 1.5, whyBeside},
		{"PostgreSQL, counter, 32 at once, over the raw client", "Postgres", "count-parallel", 1.4, whyBeside},
		{"SQLite, read, over the raw driver", "SQLite", "read", 1.5, whyBeside},
	} {
		most(s.what, "×", 1, s.limit, s.store+"/coatcheck/"+s.op, "ns/op", s.store+"/raw/"+s.op, s.why)
	}
	most("SQLite, 64 writers, each commit durable", "µs", 1e-3, 50, "SQLite/coatcheck/count-durable-64", "ns/op", "", "a wait for the disk of this machine, shared by all who wait")
	for _, h := range []struct {
		what, page, over string
		limit            float64
		why              string
	}{
		{"HTTP, `/profile`, memory: requests a second, over bare", "profile", "bare/profile", 0.92, whyHTTP},
		{"HTTP, `/cart`, memory: the same", "cart", "bare/cart", 0.90, whyHTTP},
		{"HTTP, `/profile`, Redis: the same, over scs", "redis-profile", "scs/redis-profile", 2.5, whyRedis},
		{"HTTP, `/cart`, Redis: the same, over scs", "redis-cart", "scs/redis-cart", 2, whyRedis},
	} {
		list = append(list, budget{what: h.what, unit: "×", scale: 1, limit: h.limit, least: true,
			name: "HTTP/coatcheck/" + h.page, metric: "req/s", over: "HTTP/" + h.over, why: h.why})
	}
	for _, kept := range []string{"memory", "redis", "postgres", "sqlite"} {
		list = append(list, budget{what: "increments left of 3,200, " + kept, scale: 1, limit: 3200, least: true,
			name: "Lost/coatcheck/" + kept, metric: "kept"})
	}
	return list
}

func inProcess(what, op string, limit float64) budget {
	return budget{what: what, unit: "ns", scale: 1, limit: limit, name: "Request/coatcheck/" + op, metric: "ns/op", why: whyParts}
}

// value returns what was measured, in the unit of the limit.
func (b budget) value(r *Results) (float64, bool) {
	if b.over == "" {
		v, ok := r.Value(b.name, b.metric)
		return v * b.scale, ok
	}
	us, base := r.Rows[b.name][b.metric], r.Rows[b.over][b.metric]
	ratio, ok := ratioOf(us, base)
	return ratio.Median * b.scale, ok
}

// met compares as exactly as the page prints.
func (b budget) met(v float64) bool {
	if b.least {
		return v >= b.limit
	}
	return v <= b.limit
}

// targets are what the library is to reach beside the floors and the others, in
// one run: ratios, bytes and allocations, which mean the same on every machine.
func targets() []budget {
	list := requestTargets()
	over := func(what string, limit float64, name, over, metric, why string) *budget {
		list = append(list, budget{what: what, unit: "×", scale: 1, limit: limit, name: name, over: over, metric: metric, why: why})
		return &list[len(list)-1]
	}
	const server = "server-µs/req"
	page := func(what, page string, limit float64) {
		over(what, limit, "HTTP/coatcheck/"+page, "HTTP/fair/"+page, server, whyAll).
			atLeast("floor-kept", ratioFloor("HTTP/floor-kept/"+page, "HTTP/fair/"+page, server))
	}
	page("`/profile`, processor time of the server, over fair", "profile", 1.10)
	page("`/cart`, the same", "cart", 1.20)
	const ours, scs = "HTTP/coatcheck/redis-profile", "HTTP/scs/redis-profile"
	over("`/profile`, Redis, processor time of the server, over scs", 0.40, ours, scs, server, "see raw, and the next row").
		atLeast("floor-kept", ratioFloor("HTTP/floor-kept/redis-profile", scs, server))
	over("the same, with the client cache", 0.40, "HTTP/coatcheck/redis-cached-profile", scs, server, "")
	for _, store := range []struct{ label, key string }{{"SQLite", "sqlite"}, {"PostgreSQL", "postgres"}, {"MariaDB", "mariadb"}, {"Redis", "redis"}} {
		list = append(list, budget{what: "commits of 64 sessions at once, durable, " + store.label + ", of what the driver alone does", unit: "×", scale: 1,
			limit: 0.85, least: true, name: "Commits/" + store.key, metric: "of-raw",
			why: "what makes the parameters, and waits for each context (S13), stands beside the driver alone, on the same cores as the server"})
	}
	over("`/profile` at 80 % of what saturates fair: 99 of 100 within, over fair", 1.5, "Steady/coatcheck", "Steady/fair", "p99-µs",
		"at 80 % of what saturates fair, whoever takes a quarter more of the processor for each request has nothing left; scs, which is measured beside it, cannot serve that pace at all").
		atLeast("floor-kept", ratioFloor("Steady/floor-kept", "Steady/fair", "p99-µs"))
	most := func(what, unit string, limit float64, name, metric, why string) *budget {
		list = append(list, budget{what: what, unit: unit, scale: 1, limit: limit, name: name, metric: metric, why: why})
		return &list[len(list)-1]
	}
	most("memstore, 10 million sessions: bytes of one", "bytes", 340, "Held/memstore/load-10000000", "B/session", "")
	most("read one value among 10 million, over that among a thousand", "×", 2.5, "Among/coatcheck/10000000", "times",
		"memory that is in no cache, nor is where it lies").atLeast("floor-mw", valueFloor("Among/floor-mw/10000000", "times"))
	const bridge = ", over the fastest other Go reader that could be had"
	most("a cookie of Flask, verified and read"+bridge, "×", 0.5, "BridgeRead/flask", "of-other", "")
	most("a cookie of gorilla, the same", "×", 0.5, "BridgeRead/gorilla", "of-other", "")
	return list
}

// requestTargets are those of one request in process.
func requestTargets() (list []budget) {
	for _, t := range []struct {
		what, op, peer string
		limit          float64
	}{
		{"untouched, with a cookie, over floor-mw", "untouched", "floor-mw", 1.6},
		{"the same, over iris", "untouched", "iris", 1},
		{"read one value, over floor-mw", "read", "floor-mw", 2.2},
		{"the same, over iris, which hands out a live object", "read", "iris", 1.6},
		{"counter, over floor-mw", "count", "floor-mw", 2.6},
		{"login, over floor-mw", "login", "floor-mw", 3.2},
		{"read, all cores at once, over floor-mw", "read-parallel", "floor-mw", 2},
	} {
		over := "Request/" + t.peer + "/" + t.op
		list = append(list, budget{what: t.what, unit: "×", scale: 1, limit: t.limit, name: "Request/coatcheck/" + t.op, over: over,
			metric: "ns/op", why: whyAll, floorIs: "floor-kept", floor: ratioFloor("Request/floor-kept/"+t.op, over, "ns/op")})
	}
	for _, t := range []struct {
		what, op, metric, unit string
		limit                  float64
		parts                  []string
	}{
		{"bytes of a read", "read", "B/op", "bytes", 640, readParts}, {"allocations of a read", "read", "allocs/op", "", 3, readParts},
		{"bytes of a counter", "count", "B/op", "bytes", 1400, countParts}, {"allocations of a counter", "count", "allocs/op", "", 7, countParts},
	} {
		list = append(list, budget{what: t.what, unit: t.unit, scale: 1, limit: t.limit, name: "Request/coatcheck/" + t.op, metric: t.metric, why: whyAll,
			floorIs: "its parts, below", floor: func(r *Results) (float64, bool) { return r.sum(t.metric, t.parts...) }})
	}
	return list
}

// What requests consist of; see the benchmarks of that name.
var (
	readParts = []string{
		"Parts/clock", "Parts/request", "Parts/scan", "Parts/base64", "Parts/mac", "Parts/hash", "Parts/store", "Parts/value", "Parts/headers",
	}
	countParts = append([]string{"WriteParts/version", "WriteParts/record", "WriteParts/update"}, readParts...)
)

// least1 says what the floor of a budget is.
func (b *budget) atLeast(is string, f floor) { b.floorIs, b.floor = is, f }

func valueFloor(name, metric string) floor {
	return func(r *Results) (float64, bool) { return r.Value(name, metric) }
}

func ratioFloor(name, over, metric string) floor {
	return func(r *Results) (float64, bool) {
		ratio, ok := ratioOf(r.Rows[name][metric], r.Rows[over][metric])
		return ratio.Median, ok
	}
}

// Missing names the targets that were not measured, and the floors.
func Missing(r *Results) (list []string) {
	for _, b := range targets() {
		if _, ok := b.value(r); !ok {
			list = append(list, b.what)
		}
		if b.floor == nil {
			continue
		}
		if _, ok := b.floor(r); !ok {
			list = append(list, b.what+": the floor")
		}
	}
	return list
}

// targetTable has a row for each target, also for those that were not measured.
func (r *Results) targetTable(list []budget) string {
	var out strings.Builder
	out.WriteString("| what | target | measured | floor | |\n| --- | ---: | ---: | ---: | --- |\n")
	for _, b := range list {
		measured, verdict := "–", "not measured"
		if v, ok := b.value(r); ok {
			measured, verdict = withUnit(v, b.unit), b.verdict(v)
		}
		least := "–"
		if b.floor != nil {
			if v, ok := b.floor(r); ok {
				least = withUnit(v, b.unit) + ": " + b.floorIs
				if ours, ok := b.value(r); ok && !b.met(ours) && v > b.limit {
					verdict = "**missed**: what is promised takes more than that, written straight down"
				}
			}
		}
		fmt.Fprintf(&out, "| %s | %s %s | %s | %s | %s |\n", b.what, b.sign(), withUnit(b.limit, b.unit), measured, least, verdict)
	}
	return out.String()
}

func (b budget) sign() string {
	if b.least {
		return "≥"
	}
	return "≤"
}

func (b budget) verdict(v float64) string {
	switch {
	case b.met(v):
		return "met"
	case b.why == "":
		return "**missed**"
	}
	return "**missed**: " + b.why
}

// budgetTable has a row for each budget that was measured.
func (r *Results) budgetTable(list []budget) string {
	var out strings.Builder
	out.WriteString("| what | budget | measured | |\n| --- | ---: | ---: | --- |\n")
	for _, b := range list {
		if v, ok := b.value(r); ok {
			fmt.Fprintf(&out, "| %s | %s %s | %s | %s |\n", b.what, b.sign(), withUnit(b.limit, b.unit), withUnit(v, b.unit), b.verdict(v))
		}
	}
	return out.String()
}

func withUnit(v float64, unit string) string {
	if unit == "×" || unit == "" {
		return number(v) + unit
	}
	return number(v) + " " + unit
}
