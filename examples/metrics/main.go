// Command metrics measures its sessions: what happens to them, how long the store
// takes, how often it fails. Prometheus finds that at http://localhost:9464/metrics,
// and docs/operations/ has a dashboard and alerts for it.
package main

import (
	"fmt"
	"log"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/telemetry"
)

var visits = coatcheck.NewKey[int]("visits")

func main() {
	keys, err := cookie.KeysFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	app, metrics, err := build(keys)
	if err != nil {
		log.Fatal(err)
	}
	// A port of their own: metrics are not for visitors.
	go func() { log.Fatal(http.ListenAndServe("localhost:9464", metrics)) }()
	log.Fatal(http.ListenAndServe("localhost:8080", app))
}

// build returns the application and its metrics.
func build(keys *cookie.Keys) (app, metrics http.Handler, err error) {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		return nil, nil, err
	}
	measured, err := telemetry.New(memstore.New(memstore.Config{}), telemetry.Config{
		MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)),
	})
	if err != nil {
		return nil, nil, err
	}
	logged := coatcheck.LogEvents(slog.Default())
	sessions, err := coatcheck.New(measured, keys, coatcheck.Config{Events: func(e coatcheck.Event) {
		measured.Event(e)
		logged(e)
	}})
	if err != nil {
		return nil, nil, err
	}
	return routes(sessions), promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}

func routes(sessions *coatcheck.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login("123") // after the password was checked
		fmt.Fprint(w, "Logged in")
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Logout()
		fmt.Fprint(w, "Logged out")
	})
	mux.Handle("GET /profile", sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		n := visits.Update(s, func(n int) int { return n + 1 })
		fmt.Fprintf(w, "User %s, visit %d", s.User(), n)
	})))
	return sessions.Handler(mux)
}
