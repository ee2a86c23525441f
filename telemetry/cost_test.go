package telemetry_test

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/telemetry"
)

// measured returns a store with metrics on and traces off, with one record.
func measured(t testing.TB) (*telemetry.Store, store.ID) {
	t.Helper()
	provider := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	s, err := telemetry.New(memstore.New(memstore.Config{}), telemetry.Config{MeterProvider: provider, TracerProvider: noop.NewTracerProvider()})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	rec := store.Record{ID: store.ID{1}, Version: 1, AuthTime: now, Created: now, Seen: now, Expires: now.Add(time.Hour), Deadline: now.Add(time.Hour), Data: []byte("data")}
	if err := s.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	return s, rec.ID
}

// A read with metrics on and traces off allocates nothing.
func TestLoadAllocatesNothing(t *testing.T) {
	s, id := measured(t)
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { load(ctx, t, s, id) }); n != 0 {
		t.Errorf("got %g allocations, want none", n)
	}
}

func load(ctx context.Context, t testing.TB, s store.Store, id store.ID) {
	if _, err := s.Load(ctx, id); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkLoad is a load of the measured store beside the same of the bare one;
// benchmarks/ has it as part of a request.
func BenchmarkLoad(b *testing.B) {
	s, id := measured(b)
	for name, store := range map[string]store.Store{"bare": s.Unwrap(), "measured": s} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := b.Context()
			for b.Loop() {
				load(ctx, b, store, id)
			}
		})
	}
}
