package cli_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// serve --metrics tells what people do and how the store does, at an address of its
// own, and nothing of whom it is about (G13).
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := serve(t, "--metrics", "localhost:0")
	res, err := http.Get(s.url + "/login?user=somebody-special")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res, err = http.Get(s.url + "/metrics"); err != nil || res.StatusCode != http.StatusNotFound {
		t.Fatalf("visitors see /metrics: got %v, %v", res, err)
	}
	res.Body.Close()
	s.mu.Lock()
	found := regexp.MustCompile(`msg="serving metrics" url=(\S+)`).FindStringSubmatch(s.log.String())
	s.mu.Unlock()
	if found == nil {
		t.Fatal("the log does not say where the metrics are")
	}
	if res, err = http.Get(found[1]); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`coatcheck_events_total{coatcheck_event_kind="login"`, `coatcheck_store_operation_duration_seconds_count{coatcheck_operation="create"`} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %s in:\n%s", want, page)
		}
	}
	if strings.Contains(string(page), "somebody-special") {
		t.Errorf("the user is among the metrics:\n%s", page)
	}
	log := s.end(t)
	if _, err := http.Get(found[1]); err == nil {
		t.Errorf("metrics are still served after the end:\n%s", log)
	}
}
