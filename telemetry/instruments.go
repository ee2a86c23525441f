package telemetry

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// The instruments. Their names, units and meanings are in docs/guide/telemetry.md and
// only grow.
type instruments struct {
	load     metric.Float64Histogram // apart: the SDK takes 70 ns for an attribute, and most calls are loads
	duration metric.Float64Histogram // of all others
	size     metric.Int64Histogram
	events   metric.Int64Counter
}

// Bounds of the histograms. What takes longer than the last one has met a time-out of
// the core, 5 s.
var (
	secondBounds = []float64{.00001, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
	byteBounds   = []float64{64, 128, 256, 512, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10}
)

func newInstruments(m metric.Meter) (instruments, error) {
	var in instruments
	var errs [4]error
	in.load, errs[0] = m.Float64Histogram("coatcheck.store.load.duration", metric.WithUnit("s"),
		metric.WithDescription("How long the store took to load a session."), metric.WithExplicitBucketBoundaries(secondBounds...))
	in.duration, errs[1] = m.Float64Histogram("coatcheck.store.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("How long another call of the store took."), metric.WithExplicitBucketBoundaries(secondBounds...))
	in.size, errs[2] = m.Int64Histogram("coatcheck.record.size", metric.WithUnit("By"),
		metric.WithDescription("How much data a session has, as it was stored."), metric.WithExplicitBucketBoundaries(byteBounds...))
	in.events, errs[3] = m.Int64Counter("coatcheck.events", metric.WithUnit("{event}"),
		metric.WithDescription("What happened to sessions, by kind and reason."))
	return in, errors.Join(errs[:]...)
}
