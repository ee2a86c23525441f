package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// resultsOf makes results that just meet every budget, but for those in other.
func resultsOf(t *testing.T, list []budget, other map[string]float64) *Results {
	t.Helper()
	var text strings.Builder
	text.WriteString("cores: 1\n")
	for _, b := range list {
		v := b.limit / b.scale
		if o, ok := other[b.what]; ok {
			v = o / b.scale
		}
		if b.over != "" {
			v *= 100 // of a base of 100
		}
		fmt.Fprintf(&text, "Benchmark%s 1 %v %s\n", b.name, v, b.metric)
		if b.over != "" {
			fmt.Fprintf(&text, "Benchmark%s 1 100 %s\n", b.over, b.metric)
		}
	}
	r, err := Read(strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBudgets(t *testing.T) {
	t.Parallel()
	const commits = "commits of 64 sessions at once, durable, SQLite, of what the driver alone does"
	const read, rate = "read one value", "HTTP, `/profile`, memory: requests a second, over bare"
	for _, c := range []struct {
		what  string
		value float64
		want  string
	}{
		{read, 900, "| read one value | ≤ 900 ns | 900 ns | met |"},
		{read, 901, "| read one value | ≤ 900 ns | 901 ns | **missed**: " + whyParts + " |"},
		{commits, 0.9, "| " + commits + " | ≥ 0.85× | 0.9× | met |"},
		{commits, 0.8, "| " + commits + " | ≥ 0.85× | 0.8× | **missed**: what makes the parameters, and waits for each context (S13), stands beside the driver alone, on the same cores as the server |"},
		{rate, 0.93, "| " + rate + " | ≥ 0.92× | 0.93× | met |"},
		{rate, 0.91, "| " + rate + " | ≥ 0.92× | 0.91× | **missed**: " + whyHTTP + " |"},
	} {
		var one []budget
		for _, b := range slices.Concat(budgets(), targets()) {
			if b.what == c.what {
				one = append(one, b)
			}
		}
		table := resultsOf(t, one, map[string]float64{c.what: c.value}).budgetTable(one)
		if !strings.Contains(table, c.want+"\n") {
			t.Errorf("%s of %v: the table has no line\n%s", c.what, c.value, c.want)
		}
	}
	list := budgets()
	if rows := strings.Count(resultsOf(t, list, nil).budgetTable(list), "\n") - 2; rows != len(list) {
		t.Errorf("%d rows for %d budgets", rows, len(list))
	}
}

// A target has its row whether it was measured or not, and a floor from the same
// run where one is named.
func TestTargets(t *testing.T) {
	t.Parallel()
	list := targets()
	nothing := &Results{}
	if n := strings.Count(nothing.targetTable(list), "| – | – | not measured |\n"); n != len(list) {
		t.Errorf("%d of %d targets are told as not measured", n, len(list))
	}
	if n := len(Missing(nothing)); n < len(list) {
		t.Errorf("%d of %d targets are missing", n, len(list))
	}
	const read, page = "read one value, over floor-mw", "`/profile`, processor time of the server, over fair"
	var text strings.Builder
	text.WriteString("cores: 2\nBenchmarkRequest/bare/untouched-2 1 20 ns/op\nBenchmarkRequest/floor-mw/read-2 1 400 ns/op\nBenchmarkRequest/coatcheck/read-2 1 900 ns/op\n")
	text.WriteString("BenchmarkRequest/floor-kept/read-2 1 800 ns/op\nBenchmarkRequest/floor-mw/login-2 1 500 ns/op\n" +
		"BenchmarkRequest/floor-kept/login-2 1 1700 ns/op\nBenchmarkRequest/coatcheck/login-2 1 2000 ns/op\n")
	for i, name := range []string{"fair", "floor-kept", "coatcheck"} {
		fmt.Fprintf(&text, "BenchmarkHTTP/%s/profile-2 1 %d server-µs/req\n", name, 20+i)
	}
	r, err := Read(strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	table := r.targetTable(list)
	for _, want := range []string{
		"| " + read + " | ≤ 2.2× | 2.25× | 2×: floor-kept | **missed**: see ",
		"| login, over floor-mw | ≤ 3.2× | 4× | 3.4×: floor-kept | **missed**: what is promised takes more than that, written straight down |\n",
		"| " + page + " | ≤ 1.1× | 1.1× | 1.05×: floor-kept | met |\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no row %q in\n%s", want, table)
		}
	}
}
