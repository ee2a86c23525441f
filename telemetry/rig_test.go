package telemetry_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/telemetry"
)

// A rig is the SDK of OpenTelemetry, which keeps what it is given, and a store that
// it measures.
type rig struct {
	*telemetry.Store
	reader *metric.ManualReader
	spans  *tracetest.InMemoryExporter
	traces *trace.TracerProvider
	meters *metric.MeterProvider
}

func newRig(t testing.TB, inner store.Store, more ...attribute.KeyValue) *rig {
	t.Helper()
	r := &rig{reader: metric.NewManualReader(), spans: tracetest.NewInMemoryExporter()}
	r.traces = trace.NewTracerProvider(trace.WithSyncer(r.spans))
	r.meters = metric.NewMeterProvider(metric.WithReader(r.reader))
	var err error
	r.Store, err = telemetry.New(inner, telemetry.Config{
		MeterProvider: r.meters, TracerProvider: r.traces, Attributes: more,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sessions returns a manager over the measured store.
func (r *rig) sessions(t testing.TB, cfg coatcheck.Config) *coatcheck.Manager {
	t.Helper()
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Events = r.Event
	m, err := coatcheck.New(r, keys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const secret = "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa"

// traced gives every request a span, as the instrumentation of net/http does.
func (r *rig) traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx, span := r.traces.Tracer("test").Start(req.Context(), "request")
		defer span.End()
		next.ServeHTTP(w, req.WithContext(ctx))
	})
}

// metrics returns what was measured so far, by name.
func (r *rig) metrics(t testing.TB) map[string]metricdata.Aggregation {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := r.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]metricdata.Aggregation)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			found[m.Name] = m.Data
		}
	}
	return found
}

// counts returns how often each set of attributes was measured with a metric, as
// "key=value key=value", sorted by key, and the sum of it all.
func (r *rig) counts(t testing.TB, name string) (counts map[string]int, sum float64) {
	t.Helper()
	counts = make(map[string]int)
	switch data := r.metrics(t)[name].(type) {
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			counts[spell(p.Attributes)] += int(p.Count)
			sum += p.Sum
		}
	case metricdata.Histogram[int64]:
		for _, p := range data.DataPoints {
			counts[spell(p.Attributes)] += int(p.Count)
			sum += float64(p.Sum)
		}
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			counts[spell(p.Attributes)] += int(p.Value)
			sum += float64(p.Value)
		}
	}
	return counts, sum
}

func spell(set attribute.Set) string {
	var parts []string
	for _, kv := range set.ToSlice() {
		parts = append(parts, string(kv.Key)+"="+kv.Value.String())
	}
	return strings.Join(parts, " ")
}
