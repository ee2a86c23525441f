// Package telemetry measures the sessions of an application with OpenTelemetry:
// what happens to them, how long the store takes and how often it fails, how long
// commits wait for each other. New wraps the store; its method Event is told what
// happens:
//
//	measured, err := telemetry.New(sqlStore, telemetry.Config{})
//	…
//	sessions, err := coatcheck.New(measured, keys, coatcheck.Config{Events: measured.Event})
//
// The package uses the API of OpenTelemetry only. The application chooses where
// metrics and traces go and sets the exporters up, before or after New.
//
// The names of metrics, spans and attributes are a promise, and the guide's page on
// telemetry lists all of them. None of them ever has a token, an id, a handle, a user,
// a key or a value in it, and no text of an error, which may quote any of these.
// Every attribute has one of a fixed list of values.
package telemetry

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/coatcheck/coatcheck/store"
)

// scope is the name of the instrumentation.
const scope = "github.com/coatcheck/coatcheck/telemetry"

// A Config says where metrics and traces go. The zero Config uses the providers of
// the process.
type Config struct {
	// MeterProvider makes the instruments; nil = otel.GetMeterProvider(), whose
	// provider may be set later. That of package metric/noop measures nothing.
	MeterProvider metric.MeterProvider

	// TracerProvider makes the spans; nil = otel.GetTracerProvider(), whose provider
	// may be set later. That of package trace/noop makes none, and spares even the
	// question whether the request is traced.
	TracerProvider trace.TracerProvider

	// Attributes come with every metric and span, such as which of several managers
	// this is. They are the application's: what stands in them leaves with the rest.
	Attributes []attribute.KeyValue
}

// A Store is a store.Store that measures the calls of another. It changes
// nothing of what goes in or comes out, is safe for concurrent use, and the optional
// features of the store it wraps are found through store.As.
type Store struct {
	inner   store.Store
	tracer  trace.Tracer // nil = no spans
	began   time.Time    // what the clock is read against
	in      instruments
	methods [len(operations)]method
	always  attribute.Set
	events  counts

	constant constant
	observer store.Observer // that of the wrapped store, which this one hides; nil = none
}

// New wraps a store. It fails where that is nil, and where the MeterProvider refuses
// an instrument.
func New(inner store.Store, cfg Config) (*Store, error) {
	if inner == nil {
		return nil, errors.New("telemetry: New: store is nil")
	}
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = otel.GetMeterProvider()
	}
	if cfg.TracerProvider == nil {
		cfg.TracerProvider = otel.GetTracerProvider()
	}
	s := &Store{inner: inner, began: time.Now(), always: attribute.NewSet(cfg.Attributes...)}
	var err error
	if s.in, err = newInstruments(cfg.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))); err != nil {
		return nil, fmt.Errorf("telemetry: New: Config.MeterProvider: %w", err)
	}
	tracer := cfg.TracerProvider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
	if _, off := tracer.(noop.Tracer); !off {
		s.tracer = tracer
	}
	s.prepare()
	s.constant = constantOf(s.always)
	s.observer, _ = store.As[store.Observer](inner)
	return s, nil
}

// Unwrap returns the wrapped store.
func (s *Store) Unwrap() store.Store { return s.inner }

// Format prints the wrapped store, whatever the verb.
func (s *Store) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "{measured %v}", s.inner) }
