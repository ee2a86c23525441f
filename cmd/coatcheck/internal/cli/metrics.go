package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/telemetry"
)

// metrics measure what serve does, for Prometheus. They have an address of their own:
// they are not for visitors.
type metrics struct {
	store  store.Store
	events func(coatcheck.Event)
	stop   func() // waits until nothing serves them any more
}

// measure serves the metrics of a store on addr. Where that is empty it measures
// nothing.
func measure(ctx context.Context, addr string, inner store.Store, log *slog.Logger) (*metrics, error) {
	logged := coatcheck.LogEvents(log)
	if addr == "" {
		return &metrics{store: inner, events: logged, stop: func() {}}, nil
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, usagef("--metrics is %q; want HOST:PORT", addr)
	}
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		return nil, err
	}
	measured, err := telemetry.New(inner, telemetry.Config{
		MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)), TracerProvider: noop.NewTracerProvider(),
	})
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w; --metrics HOST:PORT serves them elsewhere", err)
	}
	log.Info("serving metrics", "url", "http://"+listener.Addr().String()+"/metrics")
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return &metrics{
		store:  measured,
		events: func(e coatcheck.Event) { measured.Event(e); logged(e) },
		stop:   serveBeside(newServer(mux, log), listener, log),
	}, nil
}

// serveBeside serves until the returned function is called, for which a scrape in
// flight may keep it waiting a second.
func serveBeside(server *http.Server, listener net.Listener, log *slog.Logger) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are no longer served", "error", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
		<-done
	}
}
