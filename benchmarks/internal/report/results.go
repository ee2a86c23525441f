// Package report makes tables, charts and the record of the regression guard
// out of what the benchmarks print.
package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// Results are the values of every benchmark, in the order of the rounds.
type Results struct {
	Rows   map[string]map[string][]float64 // name without "Benchmark" and cores, then unit
	Header map[string]string               // lines "key: value" before the results
}

// Read reads the output of go test -bench. One round is one -count.
func Read(in io.Reader) (*Results, error) {
	r := &Results{Rows: make(map[string]map[string][]float64), Header: make(map[string]string)}
	reader := benchfmt.NewReader(in, "results")
	for reader.Scan() {
		switch rec := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, rec
		case *benchfmt.Result:
			for _, c := range rec.Config {
				r.Header[c.Key] = string(c.Value)
			}
			r.add(rec)
		}
	}
	return r, reader.Err()
}

func (r *Results) add(rec *benchfmt.Result) {
	name := string(rec.Name)
	// One core has no suffix; then a number at the end belongs to the name.
	if procs := "-" + r.Header["cores"]; procs != "-1" {
		name = strings.TrimSuffix(name, procs)
	}
	row := r.Rows[name]
	if row == nil {
		row = make(map[string][]float64)
		r.Rows[name] = row
	}
	for _, v := range rec.Values {
		unit, value := v.Unit, v.Value
		if v.OrigUnit != "" {
			unit, value = v.OrigUnit, v.OrigValue
		}
		row[unit] = append(row[unit], value)
	}
}

// Names returns the names of the rows that begin with prefix, sorted.
func (r *Results) Names(prefix string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(r.Rows)) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

// Value returns the median of a row.
func (r *Results) Value(name, unit string) (float64, bool) {
	values := r.Rows[name][unit]
	if len(values) == 0 {
		return 0, false
	}
	return median(values), true
}

// sum is that of the medians of rows, if all are there.
func (r *Results) sum(unit string, names ...string) (sum float64, ok bool) {
	for _, name := range names {
		v, ok := r.Value(name, unit)
		if !ok {
			return 0, false
		}
		sum += v
	}
	return sum, true
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// number prints three significant digits, and thousands with commas.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 1:
		return fmt.Sprintf("%.2g", v)
	case v < 10:
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
	case v < 100:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	}
	digits := fmt.Sprintf("%.0f", round(v))
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out.WriteByte(',')
		}
		out.WriteRune(d)
	}
	return out.String()
}

// round keeps three significant digits of v ≥ 100.
func round(v float64) float64 {
	unit := 1.0
	for v/unit >= 1000 {
		unit *= 10
	}
	return unit * float64(int64(v/unit+0.5))
}
