package report_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/benchmarks/internal/report"
)

// output is what go test -bench prints for rounds of our and the floor's times.
func output(allocs, bytes int, us, floor []float64) string {
	var out strings.Builder
	out.WriteString("cores: 2\n")
	for i := range us {
		fmt.Fprintf(&out, "BenchmarkRequest/floor-mw/read-2 1000 %g ns/op 448 B/op 3 allocs/op\n", floor[i])
		fmt.Fprintf(&out, "BenchmarkRequest/coatcheck/read-2 1000 %g ns/op %d B/op %d allocs/op\n", us[i], bytes, allocs)
	}
	return out.String()
}

func baseline(t *testing.T, text string) report.Baseline {
	t.Helper()
	r, err := report.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return report.NewBaseline(r)
}

func TestCompare(t *testing.T) {
	t.Parallel()
	floor := []float64{500, 520, 480}
	was := baseline(t, output(4, 900, []float64{1000, 1040, 960}, floor))
	if want := (report.Ratio{Low: 2, Median: 2, High: 2}); was.Ratios["Request/coatcheck/read"] != want {
		t.Fatalf("ratio %v, want %v", was.Ratios, want)
	}
	const row = "Request/coatcheck/read"
	for _, test := range []struct {
		name, output  string
		worse, better bool
	}{
		{"the same", output(4, 900, []float64{1000, 1040, 960}, floor), false, false},
		{"twice the time on a machine half as fast", output(4, 900, []float64{2000, 2080, 1920}, []float64{1000, 1040, 960}), false, false},
		{"a little slower", output(4, 900, []float64{1200, 1200, 1200}, floor), false, false},
		{"one slow round", output(4, 900, []float64{1000, 9000, 960}, floor), false, false},
		{"noise with a slow median", output(4, 900, []float64{990, 2000, 2000}, floor), false, false},
		{"slower in every round", output(4, 900, []float64{1500, 1500, 1500}, floor), true, false},
		{"one more allocation", output(5, 900, []float64{1000, 1040, 960}, floor), true, false},
		{"one allocation less", output(3, 900, []float64{1000, 1040, 960}, floor), false, true},
		{"more bytes", output(4, 928, []float64{1000, 1040, 960}, floor), true, false},
		{"fewer bytes", output(4, 640, []float64{1000, 1040, 960}, floor), false, true},
		{"a byte more", output(4, 901, []float64{1000, 1040, 960}, floor), false, false},
		{"faster in every round", output(4, 900, []float64{700, 700, 700}, floor), false, true},
		{"not measured", "cores: 2\n", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			worse, better := was.Compare(baseline(t, test.output))
			names := func(list []string) bool {
				return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, row+": ") })
			}
			if names(worse) != test.worse || names(better) != test.better {
				t.Errorf("worse %q, better %q", worse, better)
			}
		})
	}
}

// A guard that compares nothing would always be content.
func TestBaselineIsRecorded(t *testing.T) {
	t.Parallel()
	b := baseline(t, output(4, 900, []float64{1000}, []float64{500}))
	if len(b.Allocs) != 1 || len(b.Bytes) != 1 || len(b.Ratios) != 1 {
		t.Errorf("recorded %v", b)
	}
}

func TestReadKeepsNumbersInNames(t *testing.T) {
	t.Parallel()
	for cores, name := range map[string]string{"2": "GrowHeld/scs/read-1000", "1": "GrowHeld/scs/read-1000-2"} {
		r, err := report.Read(strings.NewReader("cores: " + cores + "\nBenchmarkGrowHeld/scs/read-1000-2 10 5 ns/op 1.5 p99-µs\n"))
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := r.Value(name, "p99-µs"); !ok || v != 1.5 {
			t.Errorf("cores %s: got %v", cores, r.Rows)
		}
	}
}
