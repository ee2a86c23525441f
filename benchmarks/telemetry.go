package benchmarks

import (
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/telemetry"
)

// Measured is Coatcheck with metrics on, by the SDK of OpenTelemetry, and traces off.
var Measured = Library{Name: "coatcheck", New: func(b Backend) (App, error) {
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		return nil, err
	}
	st, closeStore, err := coatcheckStore(b)
	if err != nil {
		return nil, err
	}
	measured, err := telemetry.New(st, telemetry.Config{
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(metric.NewManualReader())),
		TracerProvider: noop.NewTracerProvider(),
	})
	if err != nil {
		return nil, err
	}
	m, err := coatcheck.New(measured, keys, coatcheck.Config{Events: measured.Event})
	if err != nil {
		return nil, err
	}
	return web{Handler: coatcheckRoutes().behind(b, m.Handler), close: closeStore}, nil
}}
