package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/coatcheck/coatcheck/store"
)

const (
	operationKey = attribute.Key("coatcheck.operation")
	outcomeKey   = attribute.Key("coatcheck.outcome")
)

// An operation is a method of the store, an index of operations.
type operation int

const (
	load operation = iota
	create
	update
	replace
	touch
	end
	endUser
	listUser
	sweep
)

// operations are their names, in the order of the constants.
var operations = [...]string{"load", "create", "update", "replace", "touch", "end", "end_user", "user", "sweep"}

// A choice is what is told with one operation and outcome. It is made once: a read
// must not pay for it.
type choice struct {
	attributes []attribute.KeyValue
	record     []metric.RecordOption
}

// prepare makes every choice.
func (s *Store) prepare() {
	always := s.always.ToSlice()
	for op := range s.calls {
		mine := append(always[:len(always):len(always)], operationKey.String(operations[op]))
		s.spans[op] = trace.WithAttributes(mine...)
		for out := range s.calls[op] {
			var said []attribute.KeyValue
			if outcome(out) != ok { // nearly all are: what is not said costs nothing
				said = append(said, outcomeKey.String(outcomes[out]))
			}
			if kind := outcome(out).errorType(); kind != "" {
				said = append(said, semconv.ErrorTypeKey.String(kind))
			}
			set := attribute.NewSet(append(mine[:len(mine):len(mine)], said...)...)
			s.calls[op][out] = choice{attributes: said, record: []metric.RecordOption{metric.WithAttributeSet(set)}}
		}
	}
}

// A call is one under way.
type call struct {
	span  trace.Span // nil = none
	begun time.Duration
	op    operation
	timed bool
}

// begin measures from now on. A call is a span only in a trace that the request, or
// whoever else asks, has begun: a look at the store every few seconds is no trace.
func (s *Store) begin(ctx context.Context, op operation) (context.Context, call) {
	c := call{op: op, timed: s.in.duration.Enabled(ctx)}
	if s.tracer != nil && trace.SpanContextFromContext(ctx).IsValid() {
		ctx, c.span = s.tracer.Start(ctx, "coatcheck.store "+operations[op], s.spans[op])
	}
	if c.timed {
		c.begun = time.Since(s.began) // the monotonic clock alone: half the price of time.Now
	}
	return ctx, c
}

// end tells what became of the call.
func (s *Store) end(ctx context.Context, c call, err error) {
	if !c.timed && c.span == nil {
		return
	}
	out := ok
	if err != nil {
		out = outcomeOf(ctx, err)
	}
	told := &s.calls[c.op][out]
	if c.timed {
		s.in.duration.Record(ctx, (time.Since(s.began) - c.begun).Seconds(), told.record...)
	}
	if c.span != nil {
		c.span.SetAttributes(told.attributes...)
		if kind := out.errorType(); kind != "" {
			c.span.SetStatus(codes.Error, kind)
		}
		c.span.End()
	}
}

// sized tells of the size of a record that was stored.
func (s *Store) sized(ctx context.Context, c call, rec *store.Record, err error) {
	if err == nil {
		s.in.size.Record(ctx, int64(len(rec.Data)), s.calls[c.op][ok].record...)
	}
}

// Load calls Load of the wrapped store.
func (s *Store) Load(ctx context.Context, id store.ID) (store.Record, error) {
	ctx, c := s.begin(ctx, load)
	rec, err := s.inner.Load(ctx, id)
	s.end(ctx, c, err)
	return rec, err
}

// Create calls Create of the wrapped store.
func (s *Store) Create(ctx context.Context, rec store.Record) error {
	ctx, c := s.begin(ctx, create)
	err := s.inner.Create(ctx, rec)
	s.sized(ctx, c, &rec, err)
	s.end(ctx, c, err)
	return err
}

// Update calls Update of the wrapped store.
func (s *Store) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	ctx, c := s.begin(ctx, update)
	err := s.inner.Update(ctx, rec, ifVersion)
	s.sized(ctx, c, &rec, err)
	s.end(ctx, c, err)
	return err
}

// Replace calls Replace of the wrapped store.
func (s *Store) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	ctx, c := s.begin(ctx, replace)
	err := s.inner.Replace(ctx, old, ifVersion, rec, until)
	s.sized(ctx, c, &rec, err)
	s.end(ctx, c, err)
	return err
}

// Touch calls Touch of the wrapped store.
func (s *Store) Touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	ctx, c := s.begin(ctx, touch)
	err := s.inner.Touch(ctx, id, seen, expires)
	s.end(ctx, c, err)
	return err
}

// End calls End of the wrapped store.
func (s *Store) End(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	ctx, c := s.begin(ctx, end)
	next, err := s.inner.End(ctx, id, until)
	s.end(ctx, c, err)
	return next, err
}

// EndUser calls EndUser of the wrapped store.
func (s *Store) EndUser(ctx context.Context, user string, at, until time.Time, keep ...store.ID) ([]store.ID, error) {
	ctx, c := s.begin(ctx, endUser)
	ended, err := s.inner.EndUser(ctx, user, at, until, keep...)
	s.end(ctx, c, err)
	return ended, err
}

// User calls User of the wrapped store.
func (s *Store) User(ctx context.Context, user string) ([]store.Record, error) {
	ctx, c := s.begin(ctx, listUser)
	records, err := s.inner.User(ctx, user)
	s.end(ctx, c, err)
	return records, err
}

// Sweep calls Sweep of the wrapped store.
func (s *Store) Sweep(ctx context.Context, now time.Time, max int) (int, error) {
	ctx, c := s.begin(ctx, sweep)
	removed, err := s.inner.Sweep(ctx, now, max)
	s.end(ctx, c, err)
	return removed, err
}
