package telemetry

import (
	"context"
	"slices"
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

// A method is all that is told of one operation. It is made once: a read must not pay
// for it.
type method struct {
	timer    metric.Float64Histogram
	title    string // of its spans
	named    trace.SpanStartEventOption
	outcomes [len(outcomes)]told
}

// told is what is told of one outcome.
type told struct {
	attributes []attribute.KeyValue
	record     []metric.RecordOption
}

// prepare makes what is told of each operation. Loads have a histogram of their own,
// which needs no attribute for its operation: the SDK takes 70 ns for each attribute,
// and nearly all calls are loads that do what they were asked.
func (s *Store) prepare() {
	always := s.always.ToSlice()
	for op := range s.methods {
		m := &s.methods[op]
		named := append(slices.Clone(always), operationKey.String(operations[op]))
		m.timer, m.title, m.named = s.in.duration, "coatcheck.store "+operations[op], trace.WithAttributes(named...)
		if operation(op) == load {
			m.timer, named = s.in.load, always
		}
		for out := range m.outcomes {
			m.outcomes[out] = tellOf(named, outcome(out))
		}
	}
}

func tellOf(named []attribute.KeyValue, out outcome) (t told) {
	if out != ok {
		t.attributes = append(t.attributes, outcomeKey.String(outcomes[out]))
	}
	if kind := out.errorType(); kind != "" {
		t.attributes = append(t.attributes, semconv.ErrorTypeKey.String(kind))
	}
	if all := append(slices.Clone(named), t.attributes...); len(all) > 0 {
		t.record = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(all...))}
	}
	return t
}

// A call is one under way.
type call struct {
	*method
	span  trace.Span // nil = none
	begun time.Duration
	timed bool
}

// begin measures from now on. A call is a span only in a trace that the request, or
// whoever else asks, has begun: a look at the store every few seconds is no trace.
func (s *Store) begin(ctx context.Context, op operation) (context.Context, call) {
	m := &s.methods[op]
	c := call{method: m, timed: m.timer.Enabled(ctx)}
	if s.tracer != nil && trace.SpanContextFromContext(ctx).IsValid() {
		ctx, c.span = s.tracer.Start(ctx, m.title, m.named)
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
	t := &c.outcomes[out]
	if c.timed {
		c.timer.Record(ctx, float64(time.Since(s.began)-c.begun)/float64(time.Second), t.record...)
	}
	if c.span != nil {
		c.span.SetAttributes(t.attributes...)
		if kind := out.errorType(); kind != "" {
			c.span.SetStatus(codes.Error, kind)
		}
		c.span.End()
	}
}

// stored tells of the size of a record, unless err says that it was not stored.
func (s *Store) stored(ctx context.Context, c call, rec *store.Record, err error) {
	s.end(ctx, c, err)
	if err == nil {
		s.in.size.Record(ctx, int64(len(rec.Data)), c.outcomes[ok].record...)
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
	s.stored(ctx, c, &rec, err)
	return err
}

// Update calls Update of the wrapped store.
func (s *Store) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	ctx, c := s.begin(ctx, update)
	err := s.inner.Update(ctx, rec, ifVersion)
	s.stored(ctx, c, &rec, err)
	return err
}

// Replace calls Replace of the wrapped store.
func (s *Store) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	ctx, c := s.begin(ctx, replace)
	err := s.inner.Replace(ctx, old, ifVersion, rec, until)
	s.stored(ctx, c, &rec, err)
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
