//go:build linux

package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/coatcheck/coatcheck/internal/freeport"
	"github.com/coatcheck/coatcheck/internal/unprivileged"
)

// A Prometheus is a Prometheus server that asks one target every second.
type Prometheus struct{ *Process }

// NewPrometheus starts one for this test, with a file of rules, which it evaluates
// every second. The target is host:port.
func NewPrometheus(t testing.TB, job, target, rules string) *Prometheus {
	t.Helper()
	program := Program(t, "prometheus", "prometheus")
	port, err := freeport.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := unprivileged.NewDir("prometheus")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\n"+
		"scrape_configs:\n  - job_name: %s\n    static_configs: [{targets: ['%s']}]\n", job, target)
	for name, text := range map[string]string{config: text, filepath.Join(dir, "rules.yml"): rules} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := &Prometheus{}
	p.Process = &Process{
		Dir: dir, Port: port, name: "Prometheus", quit: syscall.SIGTERM,
		args: []string{program, "--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"),
			"--web.listen-address=" + fmt.Sprintf("127.0.0.1:%d", port), "--log.level=warn"},
		ready: func(ctx context.Context) error { return p.get(ctx, "/-/ready", nil) },
	}
	return own(t, p, p.Start())
}

// A Series is one line of an answer.
type Series struct {
	Metric map[string]string
	Value  [2]any // time, and the value as a string
}

// Number is the value.
func (s Series) Number() string { return fmt.Sprint(s.Value[1]) }

// Query evaluates an expression as of now.
func (p *Prometheus) Query(ctx context.Context, expression string) ([]Series, error) {
	var answer struct{ Data struct{ Result []Series } }
	err := p.get(ctx, "/api/v1/query?query="+url.QueryEscape(expression), &answer)
	return answer.Data.Result, err
}

// get asks for a path, and decodes the answer where it is to go somewhere.
func (p *Prometheus) get(ctx context.Context, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", p.Port, path), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// FreeAddr returns an address of the loopback interface on which nobody listens, for
// a program that is told where to.
func FreeAddr(t testing.TB) string {
	t.Helper()
	port, err := freeport.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}
