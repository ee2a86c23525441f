package report

import (
	"fmt"
	"strings"
	"testing"
)

// resultsOf makes results that just meet every budget, but for those in other.
func resultsOf(t *testing.T, other map[string]float64) *Results {
	t.Helper()
	var text strings.Builder
	text.WriteString("cores: 1\n")
	for _, b := range budgets() {
		v := b.limit / b.scale
		if o, ok := other[b.what]; ok {
			v = o / b.scale
		}
		if b.over != "" {
			v *= 100 // of a base of 100
		}
		fmt.Fprintf(&text, "Benchmark%s 1 %v %s\n", b.name, v, b.metric)
	}
	for _, b := range budgets() {
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
	const read, rate = "read one value", "HTTP, `/profile`, memory: requests a second, over bare"
	for _, c := range []struct {
		what  string
		value float64
		want  string
	}{
		{read, 900, "| read one value | ≤ 900 ns | 900 ns | met |"},
		{read, 901, "| read one value | ≤ 900 ns | 901 ns | **missed**: " + whyParts + " |"},
		{rate, 0.93, "| " + rate + " | ≥ 0.92× | 0.93× | met |"},
		{rate, 0.91, "| " + rate + " | ≥ 0.92× | 0.91× | **missed**: " + whyHTTP + " |"},
	} {
		table := resultsOf(t, map[string]float64{c.what: c.value}).budgetTable()
		if !strings.Contains(table, c.want+"\n") {
			t.Errorf("%s of %v: the table has no line\n%s", c.what, c.value, c.want)
		}
	}
	if rows := strings.Count(resultsOf(t, nil).budgetTable(), "\n") - 2; rows != len(budgets()) {
		t.Errorf("%d rows for %d budgets", rows, len(budgets()))
	}
}
