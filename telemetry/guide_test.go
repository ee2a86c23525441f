package telemetry

import (
	"os"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// The guide has every name that leaves: each metric with its unit and its name in
// Prometheus, each attribute and each of its values.
func TestGuideHasEveryName(t *testing.T) {
	page, err := os.ReadFile("../docs/guide/telemetry.md")
	if err != nil {
		t.Skipf("the guide is not beside this module: %v", err)
	}
	reader := metric.NewManualReader()
	in, err := newInstruments(metric.NewMeterProvider(metric.WithReader(reader)).Meter(scope))
	if err != nil {
		t.Fatal(err)
	}
	in.load.Record(t.Context(), 1)
	in.duration.Record(t.Context(), 1)
	in.size.Record(t.Context(), 1)
	in.wait.Record(t.Context(), 1)
	in.replays.Record(t.Context(), 1)
	in.events.Add(t.Context(), 1)
	in.streams.Add(t.Context(), 1)
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	metrics := all.ScopeMetrics[0].Metrics
	if len(metrics) != 7 {
		t.Fatalf("%d metrics: mend this test", len(metrics))
	}
	var wanted []string
	for _, m := range metrics {
		name := strings.ReplaceAll(m.Name, ".", "_")
		kind := "histogram"
		switch sum, ok := m.Data.(metricdata.Sum[int64]); {
		case ok && sum.IsMonotonic:
			name, kind = name+"_total", "counter"
		case ok:
			kind = "up-down counter"
		}
		name += map[string]string{"s": "_seconds", "By": "_bytes"}[m.Unit]
		wanted = append(wanted, "| `"+m.Name+"` | `"+name+"` | "+kind+", "+m.Unit+" |")
	}
	for _, key := range []attribute.Key{operationKey, outcomeKey, kindKey, reasonKey, "error.type"} {
		wanted = append(wanted, "| `"+string(key)+"` |")
	}
	for _, value := range append(operations[:], outcomes[1:]...) {
		wanted = append(wanted, "`"+value+"`")
	}
	for o := range outcomes {
		if kind := outcome(o).errorType(); kind != "" {
			wanted = append(wanted, "`"+kind+"`")
		}
	}
	for _, text := range append(wanted, "`"+other+"`") {
		if !strings.Contains(string(page), text) {
			t.Errorf("docs/guide/telemetry.md has no %s", text)
		}
	}
}
