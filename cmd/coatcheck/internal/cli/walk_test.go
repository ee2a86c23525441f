package cli_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestWalkThrough(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		open  func(*testing.T, string) browser
		flags []string
	}{
		{"go", newGoBrowser, nil},
		{"go TLS", newTrustingGoBrowser, []string{"--tls"}},
		{"curl", newCurlBrowser, nil},
		{"python TLS", newPythonBrowser, []string{"--tls"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, c.flags...)
			w := &walker{
				open:     func() browser { return c.open(t, server.url) },
				browsers: make(map[string]browser),
				notes:    make(map[string]string),
			}
			for _, s := range walk {
				w.take(t, s)
				if t.Failed() {
					t.Fatalf("in the step %q %q of the %s", s.do, s.form, s.who)
				}
			}
			w.findIn(t, server.end(t))
		})
	}
}

// A walker takes steps.
type walker struct {
	open     func() browser
	browsers map[string]browser
	notes    map[string]string
	issued   []string // the value of every cookie, and the codes
}

func (w *walker) take(t *testing.T, s step) {
	t.Helper()
	b, ok := w.browsers[s.who]
	if !ok {
		b = w.open()
		w.browsers[s.who] = b
	}
	verb, object, _ := strings.Cut(s.do, " ")
	if verb == "GET" || verb == "POST" {
		w.request(t, b, s)
		return
	}
	jar := b.cookies(t)
	value, found := jar[object]
	if found == (verb == "lacks") {
		t.Fatalf("the jar holds %q", slices.Sorted(maps.Keys(jar)))
	}
	switch verb {
	case "note":
		w.notes[object] = value
	case "new":
		if value == w.notes[object] {
			t.Error("the value is that from before")
		}
		w.notes[object] = value
	case "change":
		middle := len(value) / 2
		other := "A"
		if value[middle] == 'A' {
			other = "B"
		}
		b.change(t, object, value[:middle]+other+value[middle+1:])
	}
}

func (w *walker) request(t *testing.T, b browser, s step) {
	t.Helper()
	method, path, _ := strings.Cut(s.do, " ")
	form := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllStringFunc(s.form, func(name string) string {
		name = strings.Trim(name, "{}")
		if who, ok := strings.CutPrefix(name, "handle of "); ok {
			return w.handleOf(t, who)
		}
		return w.notes[name]
	})
	a := b.send(t, method, path, form)
	for _, line := range a.SetCookies {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatalf("Set-Cookie: %v", err)
		}
		// A cleared cookie has no value, and that of the marker and of the note
		// about an end is the handle, which is shown to everybody.
		if c.Value != "" && !strings.HasSuffix(c.Name, "-lax") && !strings.HasSuffix(c.Name, "-over") {
			w.issued = append(w.issued, c.Value)
		}
	}
	if a.Status != s.status || s.body != "" && a.Body != s.body {
		t.Errorf("got %d %q, want %d %q", a.Status, a.Body, s.status, s.body)
	}
	if s.note != "" {
		w.notes[s.note] = a.Body
		w.issued = append(w.issued, a.Body)
	}
	if s.check != nil {
		s.check(t, a)
	}
}

// handleOf returns the handle of somebody's own session.
func (w *walker) handleOf(t *testing.T, who string) string {
	t.Helper()
	for _, d := range devices(t, w.browsers[who].send(t, "GET", "/sessions", "")) {
		if d["current"] == true {
			return d["handle"].(string)
		}
	}
	t.Fatalf("the %s has no session", who)
	return ""
}

func devices(t *testing.T, a answer) []map[string]any {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(a.Body), &list); err != nil {
		t.Fatalf("GET /sessions: %q: %v", a.Body, err)
	}
	return list
}

// findIn looks for what must not be in the server's output (G13).
func (w *walker) findIn(t *testing.T, log string) {
	t.Helper()
	if !strings.Contains(log, `route="POST /one-time/redeem" status=200`) || !strings.Contains(log, "event=login") {
		t.Fatalf("the log has no lines of the walk:\n%s", log)
	}
	if len(w.issued) < 15 {
		t.Errorf("%d values were issued, want those of the whole walk", len(w.issued))
	}
	for _, value := range append(w.issued, secret) {
		if strings.Contains(log, value) {
			t.Errorf("the log has the value %q", value)
		}
	}
}
