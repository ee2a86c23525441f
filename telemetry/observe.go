package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/coatcheck/coatcheck/store"
)

// What is told with the metrics that have no attributes of their own.
type constant struct {
	record []metric.RecordOption
	add    []metric.AddOption
}

func constantOf(always attribute.Set) (c constant) {
	if always.Len() > 0 {
		c.record = []metric.RecordOption{metric.WithAttributeSet(always)}
		c.add = []metric.AddOption{metric.WithAttributeSet(always)}
	}
	return c
}

// Committed measures how a commit has fared. It is for the core: store.Observer.
func (s *Store) Committed(ctx context.Context, c store.Commit) {
	s.in.wait.Record(ctx, c.Wait.Seconds(), s.constant.record...)
	s.in.replays.Record(ctx, int64(c.Replays), s.constant.record...)
	if s.observer != nil {
		s.observer.Committed(ctx, c)
	}
}

// Awaited counts the sessions for whose end somebody waits. It is for the core:
// store.Observer.
func (s *Store) Awaited(more int) {
	s.in.streams.Add(context.Background(), int64(more), s.constant.add...)
	if s.observer != nil {
		s.observer.Awaited(more)
	}
}
