package report

import (
	"gonum.org/v1/plot/plotter"
)

// charts returns every chart by the name of its file. Those without a series
// are left out: their rows were not measured.
func charts(r *Results) map[string]chart {
	all := map[string]chart{
		"request.svg":   requests(r),
		"http.svg":      throughput(r),
		"held.svg":      held(r),
		"values.svg":    values(r, "read", "Reading one value"),
		"count.svg":     values(r, "count", "Adding one to a counter"),
		"cores.svg":     cores(r),
		"in-flight.svg": inFlight(r, "GrowInFlight", "a memory store"),
		"redis.svg":     inFlight(r, "GrowRedis", "Redis"),
		"user.svg":      user(r),
	}
	for name, c := range all {
		if len(c.series) == 0 {
			delete(all, name)
		}
	}
	return all
}

// requests is a row for each operation, with a dot for each library.
func requests(r *Results) chart {
	c := chart{title: "One request in process, session in memory", x: "nanoseconds, logarithmic", logX: true}
	for i := len(requestRows) - 1; i >= 0; i-- {
		c.rows = append(c.rows, requestRows[i].label)
	}
	for _, col := range requestColumns {
		s := series{label: col, color: looks[col].color, glyph: looks[col].glyph}
		for i, row := range requestRows {
			if v, ok := r.Value("Request/"+col+"/"+row.key, "ns/op"); ok {
				s.xys = append(s.xys, plotter.XY{X: v, Y: float64(len(requestRows) - 1 - i)})
			}
		}
		c = c.with(s)
	}
	return c
}

func throughput(r *Results) chart {
	c := chart{title: "Through HTTP: processor time of the server for one request", x: "microseconds, logarithmic", logX: true}
	c.rows = []string{"/cart (counts)", "/profile (reads)"}
	for _, col := range requestColumns {
		s := series{label: col, color: looks[col].color, glyph: looks[col].glyph}
		for i, page := range []string{"cart", "profile"} {
			if v, ok := r.Value("HTTP/"+col+"/"+page, "server-µs/req"); ok {
				s.xys = append(s.xys, plotter.XY{X: v, Y: float64(i)})
			}
		}
		c = c.with(s)
	}
	return c
}

func held(r *Results) chart {
	c := chart{title: "Reading one value while so many sessions are held in memory", x: "sessions held", y: "nanoseconds", logX: true, logY: true}
	for _, lib := range requestColumns {
		c = c.with(growth(r, lib, lib, "GrowHeld/"+lib+"/read-", "ns/op", 1))
	}
	return c
}

func values(r *Results, op, title string) chart {
	c := chart{title: title + " in a session of so many values", x: "values in the session", y: "nanoseconds", logX: true, logY: true}
	for _, lib := range requestColumns {
		c = c.with(growth(r, lib, lib, "GrowValues/"+lib+"/"+op+"-", "ns/op", 1))
	}
	return c
}

func cores(r *Results) chart {
	c := chart{title: "Reads of many sessions on one core and on all", x: "cores", y: "nanoseconds for each", logX: true, logY: true}
	for _, lib := range requestColumns {
		c = c.with(growth(r, lib, lib, "GrowCores/"+lib+"/read-", "ns/op", 1))
	}
	return c
}

func inFlight(r *Results, benchmark, where string) chart {
	c := chart{
		title: "Counting in one session by so many requests at once, " + where,
		x:     "requests in flight", y: "microseconds", logX: true, logY: true,
	}
	for _, p := range []struct {
		instances, label, look string
		dash                   bool
	}{{"1", "1 process", "coatcheck", false}, {"4", "4 processes", "scs", true}} {
		for _, unit := range []struct{ unit, label string }{{"p50-µs", "median"}, {"p99-µs", "99 %"}, {"longest-µs", "longest"}} {
			s := growth(r, p.label+", "+unit.label, p.look, benchmark+"/coatcheck-"+p.instances+"/count-", unit.unit, 1)
			s.glyph = looks[map[string]string{"median": "coatcheck", "99 %": "scs", "longest": "gorilla"}[unit.label]].glyph
			s.dash = p.dash
			c = c.with(s)
		}
	}
	return c
}

func user(r *Results) chart {
	c := chart{title: "A user who has so many sessions", x: "sessions of the user", y: "microseconds", logX: true, logY: true}
	return c.with(
		growth(r, "list them", "coatcheck", "GrowUser/coatcheck/list-", "ns/op", 1e-3),
		growth(r, "begin and end one", "scs", "GrowUser/coatcheck/create-end-", "ns/op", 1e-3),
	)
}
