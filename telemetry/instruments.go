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
	wait     metric.Float64Histogram
	replays  metric.Int64Histogram
	events   metric.Int64Counter
	streams  metric.Int64UpDownCounter
}

// Bounds of the histograms. What takes longer than the last one has met a time-out of
// the core, 5 s.
var (
	secondBounds = []float64{.00001, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
	replayBounds = []float64{0, 1, 2, 3, 5, 8, 13, 21}
	byteBounds   = []float64{64, 128, 256, 512, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10}
)

func newInstruments(m metric.Meter) (instruments, error) {
	var in instruments
	var errs [7]error
	in.load, errs[0] = m.Float64Histogram("coatcheck.store.load.duration", metric.WithUnit("s"),
		metric.WithDescription("How long the store took to load a session."), metric.WithExplicitBucketBoundaries(secondBounds...))
	in.duration, errs[1] = m.Float64Histogram("coatcheck.store.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("How long another call of the store took."), metric.WithExplicitBucketBoundaries(secondBounds...))
	in.size, errs[2] = m.Int64Histogram("coatcheck.record.size", metric.WithUnit("By"),
		metric.WithDescription("How much data a session has, as it was stored."), metric.WithExplicitBucketBoundaries(byteBounds...))
	in.events, errs[3] = m.Int64Counter("coatcheck.events", metric.WithUnit("{event}"),
		metric.WithDescription("What happened to sessions, by kind and reason."))
	in.wait, errs[4] = m.Float64Histogram("coatcheck.commit.wait_time", metric.WithUnit("s"),
		metric.WithDescription("How long a commit waited for others of its session in this process."), metric.WithExplicitBucketBoundaries(secondBounds...))
	in.replays, errs[5] = m.Int64Histogram("coatcheck.commit.replays", metric.WithUnit("{replay}"),
		metric.WithDescription("How often a commit made its changes again, on what others had stored."), metric.WithExplicitBucketBoundaries(replayBounds...))
	in.streams, errs[6] = m.Int64UpDownCounter("coatcheck.streams", metric.WithUnit("{session}"),
		metric.WithDescription("How many sessions have somebody who waits for their end."))
	return in, errors.Join(errs[:]...)
}
