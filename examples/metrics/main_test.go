package main

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/examples/internal/visit"
)

// What the example measures is there for Prometheus, by the names that the guide has.
func TestMetrics(t *testing.T) {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	app, metrics, err := build(keys)
	if err != nil {
		t.Fatal(err)
	}
	visit.Quickstart(t, app)
	w := httptest.NewRecorder()
	metrics.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	labels := regexp.MustCompile(`,?otel_scope_\w+="[^"]*",?`)
	page := labels.ReplaceAllString(w.Body.String(), "")
	for _, line := range []string{
		`coatcheck_events_total{coatcheck_event_kind="login"} 2`,
		`coatcheck_events_total{coatcheck_event_kind="logout"} 1`,
		`coatcheck_store_operation_duration_seconds_count{coatcheck_operation="create"} 2`,
		`coatcheck_record_size_bytes_count{coatcheck_operation="create"} 2`,
	} {
		if !strings.Contains(page, "\n"+line+"\n") {
			t.Errorf("no line %s in\n%s", line, page)
		}
	}
}
