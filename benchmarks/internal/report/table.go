package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A row is a label and what its names of benchmarks have in common.
type row struct{ label, key string }

var (
	requestColumns = []string{"bare", "floor", "floor-mw", "floor-kept", "fair", "coatcheck", "scs", "gorilla", "gin", "fiber", "iris"}
	requestRows    = []row{
		{"wrapped, session untouched", "untouched"},
		{"no cookie, session untouched", "no-cookie"},
		{"read one value", "read"},
		{"read-modify-write a counter", "count"},
		{"first write, new session", "first-write"},
		{"login", "login"},
		{"read, 4 KiB session", "read-4KiB"},
		{"read, all cores at once", "read-parallel"},
	}
)

// A table has a cell for each row and column that were measured.
type table struct {
	head    string // above the rows
	columns []string
	rows    []row
	cell    func(column, key string) string
}

// markdown writes the table without columns and rows that have no value.
func (t table) markdown() string {
	cells := make(map[string]string)
	var columns []string
	var rows []row
	for _, c := range t.columns {
		any := false
		for _, r := range t.rows {
			if text := t.cell(c, r.key); text != "" {
				cells[c+"\x00"+r.key], any = text, true
			}
		}
		if any {
			columns = append(columns, c)
		}
	}
	for _, r := range t.rows {
		for _, c := range columns {
			if cells[c+"\x00"+r.key] != "" {
				rows = append(rows, r)
				break
			}
		}
	}
	if len(rows) == 0 {
		return "Not measured.\n"
	}
	var out strings.Builder
	fmt.Fprintf(&out, "| %s |", t.head)
	for _, c := range columns {
		if c == "coatcheck" {
			c = "**coatcheck**"
		}
		fmt.Fprintf(&out, " %s |", c)
	}
	out.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(columns)) + "\n")
	for _, r := range rows {
		fmt.Fprintf(&out, "| %s |", r.label)
		for _, c := range columns {
			text := cells[c+"\x00"+r.key]
			switch {
			case text == "":
				text = "–"
			case c == "coatcheck":
				text = "**" + text + "**"
			}
			fmt.Fprintf(&out, " %s |", text)
		}
		out.WriteString("\n")
	}
	return out.String()
}

// value is a cell with one number, scaled.
func (r *Results) cell(name, unit string, scale float64) string {
	v, ok := r.Value(name, unit)
	if !ok {
		return ""
	}
	return number(v * scale)
}

// cost is a cell with nanoseconds and allocations.
func (r *Results) cost(name string) string {
	text := r.cell(name, "ns/op", 1)
	if allocs, ok := r.Value(name, "allocs/op"); ok && text != "" {
		text += ", " + number(allocs)
	}
	return text
}

// over is how many times a is b.
func (r *Results) over(a, b, unit string) string {
	va, okA := r.Value(a, unit)
	vb, okB := r.Value(b, unit)
	if !okA || !okB || vb == 0 {
		return ""
	}
	return number(va/vb) + "×"
}

// tables returns every table by its name in the page.
func (r *Results) tables() map[string]table {
	return map[string]table{
		"request": {"operation", requestColumns, requestRows, func(c, k string) string { return r.cost("Request/" + c + "/" + k) }},
		"ratio": {"coatcheck is 1", []string{"bare", "floor", "floor-mw", "floor-kept", "scs", "gorilla", "gin", "fiber", "iris"}, requestRows,
			func(c, k string) string { return r.over("Request/"+c+"/"+k, "Request/coatcheck/"+k, "ns/op") }},
		"more": {"operation", []string{"coatcheck", "gin", "fiber", "iris"}, []row{
			{"the router alone, no session middleware", "bare"},
			{"read a slice of structs, through encoding/json", "read-struct"},
			{"read, events to a `slog` that discards", "read-slog"},
			{"first write, the same", "first-write-slog"},
			{"login, the same", "login-slog"},
		}, func(c, k string) string { return r.cost("Request/" + c + "/" + k) }},
		"parts": {"part", []string{"ns"}, []row{
			{"read the clock: once the time, once a difference", "clock"},
			{"allocate what a request keeps, 576 bytes, and copy the request there, for its context", "request"},
			{"find the cookie", "scan"},
			{"decode its base64", "base64"},
			{"compare the MAC of the token with one that was genuine a moment ago (G8)", "mac"},
			{"hash it into the id (G9)", "hash"},
			{"load the record from memory", "store"},
			{"allocate the value", "value"},
			{"two headers for caches (G12)", "headers"},
		}, func(_, k string) string { return r.cell("Parts/"+k, "ns/op", 1) }},
		"write-parts": {"part", []string{"ns"}, []row{
			{"of each commit: a random version", "version"}, {"its data, allocated and copied", "record"}, {"update the record in memory", "update"},
			{"of a login: a random token (G3)", "entropy"}, {"its MAC", "sign"}, {"the record under the new id, and a tombstone under the old", "replace"},
			{"the lines of two cookies", "cookies"},
		}, func(_, k string) string { return r.cell("WriteParts/"+k, "ns/op", 1) }},
		"bridge": {"", []string{"flask", "gorilla"}, []row{
			{"coatcheck's bridge, ns", "ours-ns/op"}, {"the other code, ns", "other-ns/op"}, {"of the other", "of-other"},
		}, func(c, k string) string { return r.cell("BridgeRead/"+c, k, 1) }},
		"adopt": {"", []string{"µs", "store writes", "allocations"}, []row{
			{"a login", "login"}, {"a first request that is logged in at Flask", "adopt"},
		}, func(c, k string) string {
			unit := map[string]string{"µs": "ns/op", "store writes": "writes/op", "allocations": "allocs/op"}[c]
			if unit == "ns/op" {
				return r.cell("Adopt/"+k, unit, 1e-3)
			}
			return r.cell("Adopt/"+k, unit, 1)
		}},
		"among": {"ns", []string{"floor-mw", "coatcheck"}, r.amongRows(), func(c, k string) string {
			sessions, unit, _ := strings.Cut(k, " ")
			return r.cell("Among/"+c+"/"+sessions, unit, 1)
		}},
		"cookie": {"", []string{"floor", "coatcheck", "securecookie", "encryptcookie"}, []row{
			{"sign 64 bytes", "sign-64"}, {"sign 1 KiB", "sign-1024"},
			{"verify 64 bytes", "verify-64"}, {"verify 1 KiB", "verify-1024"},
			{"encrypt 64 bytes", "encrypt-64"}, {"encrypt 1 KiB", "encrypt-1024"},
			{"decrypt 64 bytes", "decrypt-64"}, {"decrypt 1 KiB", "decrypt-1024"},
		}, func(c, k string) string { return r.cost("Cookie/" + c + "/" + k) }},
		"memory": {"", []string{"floor", "coatcheck", "scs", "fiber", "gorilla", "iris"}, []row{
			{"bytes a session", "B/session"}, {"heap objects a session", "objects/session"},
			{"a full cycle of the garbage collector, ms", "ms/GC"},
		}, func(c, k string) string { return r.cell("Memory/"+c, k, 1) }},
		"lost": {"kept in", []string{"coatcheck", "scs", "gorilla", "gin", "fiber", "iris"}, []row{
			{"memory", "memory"}, {"Redis", "redis"}, {"PostgreSQL", "postgres"}, {"SQLite", "sqlite"}, {"the cookie itself", "cookie"},
		}, func(c, k string) string { return r.cell("Lost/"+c+"/"+k, "kept", 1) }},
		"http": {"requests a second (µs of server)", append([]string{"raw"}, requestColumns...), []row{
			{"`/profile`, memory", "profile"}, {"`/cart`, memory", "cart"},
			{"`/profile`, Redis", "redis-profile"}, {"`/profile`, Redis, client cache", "redis-cached-profile"}, {"`/cart`, Redis", "redis-cart"},
		}, func(c, k string) string { return r.httpCell("HTTP/" + c + "/" + k) }},
		"page": {"requests a second (µs of server)", []string{"coatcheck", "scs", "gorilla", "gin", "fiber", "iris"}, []row{
			{"a page, PostgreSQL", "Page/postgres"}, {"a page, Redis", "Page/redis"},
			{"a form and the page after it, PostgreSQL", "Form/postgres"}, {"a form and the page after it, Redis", "Form/redis"},
		}, func(c, k string) string {
			benchmark, kind, _ := strings.Cut(k, "/")
			return r.httpCell(benchmark + "/" + c + "/" + kind)
		}},
		"steady": {"", []string{"fair", "floor-mw", "floor-kept", "coatcheck", "scs", "iris"}, []row{
			{"half of the answers within, µs", "p50-µs"}, {"99 of 100 within, µs", "p99-µs"}, {"answered a second", "req/s"},
		}, func(c, k string) string { return r.cell("Steady/"+c, k, 1) }},
		"commits": {"", []string{"sqlite", "postgres", "mariadb", "redis"}, []row{
			{"the driver alone, µs for a commit", "raw-µs"}, {"coatcheck's store, µs", "store-µs"}, {"how many, of what the driver does", "of-raw"},
		}, func(c, k string) string { return r.cell("Commits/"+c, k, 1) }},
		"held":     {"", []string{"memstore", "sqlite", "postgres", "redis"}, r.heldRows(), r.heldCell},
		"redis":    r.storeTable("Redis", []string{"raw", "coatcheck", "scs", "gorilla", "gin", "fiber", "iris"}),
		"postgres": r.storeTable("Postgres", []string{"raw", "coatcheck", "scs", "gorilla", "gin"}),
		"sqlite":   r.storeTable("SQLite", []string{"raw", "coatcheck", "scs"}),
	}
}

func (r *Results) httpCell(name string) string {
	rate := r.cell(name, "req/s", 1)
	if rate == "" {
		return ""
	}
	return rate + " (" + r.cell(name, "server-µs/req", 1) + ")"
}

// heldRows are the numbers of sessions that stores were filled with.
func (r *Results) heldRows() (rows []row) {
	var counts []int
	for _, name := range r.Names("Held/") {
		_, digits, _ := strings.Cut(name, "/load-")
		if n, err := strconv.Atoi(digits); err == nil && !slices.Contains(counts, n) {
			counts = append(counts, n)
		}
	}
	slices.Sort(counts)
	for _, n := range counts {
		rows = append(rows, row{fmt.Sprintf("load one of %s, µs", number(float64(n))), fmt.Sprint("load-", n)})
	}
	for _, n := range counts {
		if n > 1000 || len(counts) == 1 {
			rows = append(rows, row{fmt.Sprintf("bytes for each of %s", number(float64(n))), fmt.Sprint("bytes-", n)})
		}
	}
	return rows
}

// amongRows are those of each number of sessions.
func (r *Results) amongRows() (rows []row) {
	for _, name := range r.Names("Among/coatcheck/") {
		sessions := strings.TrimPrefix(name, "Among/coatcheck/")
		n, err := strconv.Atoi(sessions)
		if err != nil {
			continue
		}
		rows = append(rows, row{"one of a thousand", sessions + " few-ns/op"}, row{"one of " + number(float64(n)), sessions + " many-ns/op"},
			row{"times", sessions + " times"})
	}
	return rows
}

func (r *Results) heldCell(store, key string) string {
	if n, ok := strings.CutPrefix(key, "bytes-"); ok {
		return r.cell("Held/"+store+"/load-"+n, "B/session", 1)
	}
	return r.cell("Held/"+store+"/"+key, "ns/op", 1e-3)
}

// storeTable is round trips, and microseconds one after another and with 32 or
// 64 requests in flight.
func (r *Results) storeTable(benchmark string, columns []string) table {
	return table{"round trips; µs serial / parallel", columns, []row{
		{"read", "read"}, {"read, client cache", "read-cached"}, {"counter", "count"},
		{"read, idle timeout on", "touch"}, {"first write", "first-write"}, {"login", "login"}, {"session untouched", "untouched"},
		{"read, 64 readers", "read-64"}, {"counter, each in a session of its own, 64 writers", "count-64"},
		{"the same, each commit durable", "count-durable-64"}, {"counter, each commit durable", "count-durable"},
	}, func(c, k string) string {
		name := benchmark + "/" + c + "/" + k
		serial := r.cell(name, "ns/op", 1e-3)
		if serial == "" {
			return ""
		}
		if trips := r.cell(name, "trips/op", 1); trips != "" {
			serial = trips + "; " + serial
		}
		if parallel := r.cell(name+"-parallel", "ns/op", 1e-3); parallel != "" {
			serial += " / " + parallel
		}
		return serial
	}}
}
