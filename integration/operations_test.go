//go:build linux

package integration_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// operations is what an operator takes from here.
const operations = "../docs/operations"

// The alerts are valid, and promtool sees each of them fire, with the durations that
// it has, and not fire before.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool := servers.Program(t, "promtool", "prometheus")
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = operations
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	tests, page := operationsFile(t, "alerts_test.yml"), operationsFile(t, "README.md")
	names := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(operationsFile(t, "alerts.yml"), -1)
	if len(names) < 8 {
		t.Fatalf("found %d alerts: mend this test", len(names))
	}
	for _, name := range names {
		if !regexp.MustCompile(name[1] + `\n +exp_alerts:`).MatchString(tests) {
			t.Errorf("%s fires in no test of alerts_test.yml", name[1])
		}
		if !strings.Contains(page, "\n### "+name[1]+"\n") {
			t.Errorf("README.md does not say what to do about %s", name[1])
		}
	}
}

func operationsFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(operations, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// G13: a real Prometheus asks a real serve under load. PostgreSQL is stopped: the
// alert fires. It is started again: the alert clears. Each query of the dashboard
// gives data.
func TestAlertFiresAndClears(t *testing.T) {
	t.Parallel()
	servers.Program(t, "prometheus", "prometheus")
	postgres := servers.NewPostgres(t)
	dsn := postgres.DSN(postgres.NewDatabase(t))
	metrics := servers.FreeAddr(t)
	site := newProgram(t).Serve(t, "--store", dsn, "--metrics", metrics)
	prometheus := servers.NewPrometheus(t, "shop", metrics, quick(operationsFile(t, "alerts.yml")))
	visits := visitAll(t, site)
	const firing = `ALERTS{alertname="CoatcheckStoreFails",job="shop",alertstate="firing"}`
	await(t, prometheus, "sum(rate(coatcheck_store_load_duration_seconds_count[10s])) > 1", true)
	await(t, prometheus, firing, false)

	if err := postgres.Quit(); err != nil {
		t.Fatal(err)
	}
	await(t, prometheus, firing, true)
	if err := postgres.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, prometheus, firing, false)

	visits.unusual(t, dsn)
	for _, query := range dashboardQueries(t) {
		await(t, prometheus, query+" >= 0", true)
	}
	visits.finish()
}

// quick shortens the durations of the rules: seconds in place of minutes. That what
// is shipped works with its own is for promtool.
func quick(rules string) string {
	rules = regexp.MustCompile(`\[\d+m\]`).ReplaceAllString(rules, "[5s]")
	return regexp.MustCompile(`(?m)^( +for:) \d+m$`).ReplaceAllString(rules, "$1 2s")
}

// await waits until a query gives something, or nothing.
func await(t *testing.T, p *servers.Prometheus, query string, something bool) {
	t.Helper()
	begun := time.Now()
	err := servers.Until(func() error {
		found, err := p.Query(t.Context(), query)
		if err == nil && len(found) > 0 != something {
			err = fmt.Errorf("got %v", found)
			time.Sleep(100 * time.Millisecond)
		}
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	t.Logf("%v: %.120s", time.Since(begun).Round(time.Millisecond), strings.Join(strings.Fields(query), " "))
}

// dashboardQueries returns every query of the dashboard, of its variables too, with
// what Grafana puts in.
func dashboardQueries(t *testing.T) (queries []string) {
	t.Helper()
	var board struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal([]byte(operationsFile(t, "dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %q has no query", p.Title)
		}
		for _, target := range p.Targets {
			queries = append(queries, strings.NewReplacer("$__rate_interval", "1m", "$job", ".*").Replace(target.Expr))
		}
	}
	for _, v := range board.Templating.List {
		if values := regexp.MustCompile(`^label_values\((\w+), job\)$`).FindStringSubmatch(v.Definition); values != nil {
			queries = append(queries, values[1]+`{job="shop"}`)
		}
	}
	if len(queries) < 15 {
		t.Fatalf("found %d queries: mend this test", len(queries))
	}
	for _, q := range queries {
		if strings.Contains(q, "$") {
			t.Errorf("%s has a variable that this test does not know", q)
		}
	}
	return queries
}

// The regulars are people who use a site all the time, whatever it answers.
type regulars struct {
	site   *servers.Serve
	client *http.Client
	wg     sync.WaitGroup
	ctx    context.Context // they stop when it ends
	stop   context.CancelFunc
}

func visitAll(t *testing.T, site *servers.Serve) *regulars {
	w := &regulars{site: site, client: newClient(t, 4)}
	w.ctx, w.stop = context.WithCancel(t.Context())
	for range 4 {
		w.wg.Go(w.person)
	}
	t.Cleanup(w.finish)
	return w
}

func (w *regulars) finish() {
	w.stop()
	w.wg.Wait()
}

// person logs in, comes back some times, and logs out; then as the next one.
func (w *regulars) person() {
	for n := 0; ; n++ {
		v := newVisitor(w.client)
		w.send(v, "POST", "/login", "user", rand.Text())
		for range 10 {
			w.send(v, "GET", "/profile")
			if !w.send(v, "POST", "/visits") {
				return
			}
		}
		w.send(v, "POST", "/logout")
	}
}

// send makes a request, after a pause, and reports whether it goes on.
func (w *regulars) send(v *visitor, method, path string, form ...string) bool {
	select {
	case <-w.ctx.Done():
		return false
	case <-time.After(20 * time.Millisecond):
	}
	v.sendOnce(w.site, method, path, form...)
	return true
}

// unusual is what does not happen every day: each panel wants to show something.
func (w *regulars) unusual(t *testing.T, dsn string) {
	t.Helper()
	newVisitor(w.client).must(t, w.site, "GET", "/profile", http.StatusUnauthorized, "")
	forged := newVisitor(w.client)
	forged.cookies["__Host-Http-sid"] = strings.Repeat("A", 52)
	forged.must(t, w.site, "GET", "/profile", http.StatusUnauthorized, "")
	v := newVisitor(w.client)
	v.must(t, w.site, "POST", "/login", http.StatusOK, "Logged in", "user", rand.Text())
	w.listen(t, v)
	old := v.copy()
	v.must(t, w.site, "POST", "/logout", http.StatusOK, "Logged out")
	old.must(t, w.site, "POST", "/visits", http.StatusConflict, "")
	lost := newVisitor(w.client)
	lost.must(t, w.site, "POST", "/login", http.StatusOK, "Logged in", "user", "lost")
	if _, err := openSQL(t, "pgx", dsn).ExecContext(t.Context(), "DELETE FROM coatcheck_sessions WHERE usr = 'lost'::bytea"); err != nil {
		t.Fatal(err)
	}
	lost.must(t, w.site, "GET", "/profile", http.StatusUnauthorized, "")
}

// listen opens the visitor's event stream, which ends with the session.
func (w *regulars) listen(t *testing.T, v *visitor) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", w.site.URL()+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		t.Errorf("GET /events: got %s", res.Status)
	}
}
