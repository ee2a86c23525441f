package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/examples/internal/visit"
	"github.com/coatcheck/coatcheck/memstore"
)

// A journal keeps what was logged.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

// find returns the last entry that has these fields.
func (j *journal) find(t *testing.T, fields ...string) map[string]any {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var found map[string]any
	for line := range strings.Lines(j.b.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		ok := true
		for i := 0; i+1 < len(fields); i += 2 {
			ok = ok && entry[fields[i]] == fields[i+1]
		}
		if ok {
			found = entry
		}
	}
	if found == nil {
		t.Errorf("no entry has %q in\n%s", fields, j.b.String())
	}
	return found
}

func start(t *testing.T) (*app, *journal) {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	j := new(journal)
	a, err := newApp(memstore.New(memstore.Config{}), keys, slog.New(slog.NewJSONHandler(j, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return a, j
}

func wants(t *testing.T, b *visit.Browser, method, path string, status int, body string) {
	t.Helper()
	if got, text := b.Do(t, method, path); got != status || body != "*" && text != body {
		t.Errorf("%s %s: got %d %q, want %d %q", method, path, got, text, status, body)
	}
}

// An administrator acts as alice, which alice's list of devices, the events and the
// audit log show, may not touch her password, and is back by one click.
func TestImpersonation(t *testing.T) {
	t.Parallel()
	a, j := start(t)
	admin := visit.New(t, a.routes())
	// Alice's browser, at the same server.
	alice := &visit.Browser{URL: admin.URL, Client: &http.Client{Transport: admin.Client.Transport, Timeout: time.Minute}}
	alice.Client.Jar, _ = cookiejar.New(nil)
	wants(t, alice, "POST", "/login?user=alice", 200, "")

	wants(t, admin, "POST", "/staff/act?user=alice", 401, "*")
	wants(t, admin, "POST", "/staff/login?name=root", 200, "")
	wants(t, admin, "GET", "/orders", 401, "*")
	wants(t, admin, "POST", "/staff/act?user=alice", 200, "staff/root acts as alice")
	wants(t, admin, "POST", "/password", 403, "*")
	wants(t, admin, "GET", "/staff/", 200, "Staff staff/root")

	entry := j.find(t, "msg", "acting", "staff", "staff/root", "user", "alice")
	handle, _ := entry["session"].(string)
	j.find(t, "event", "login", "user", "alice", "session", handle)
	_, devices := alice.Do(t, "GET", "/devices")
	if !strings.Contains(devices, handle+` current=false staff="staff/root"`) || !strings.Contains(devices, ` current=true staff=""`) {
		t.Errorf("alice's devices are\n%s", devices)
	}

	wants(t, admin, "POST", "/stop", 200, "Staff staff/root")
	wants(t, admin, "GET", "/orders", 401, "*")
	j.find(t, "msg", "acting ends", "staff", "staff/root", "user", "alice", "session", handle, "why", "stopped")
	j.find(t, "event", "logout", "user", "alice", "session", handle)
	wants(t, alice, "GET", "/orders", 200, "alice")
	wants(t, alice, "POST", "/password", 200, "")
}

// Whoever is no administrator any more acts as nobody; the user's own "end all" ends
// it too, and leaves the administrator in.
func TestActingEnds(t *testing.T) {
	t.Parallel()
	a, j := start(t)
	admin := visit.New(t, a.routes())
	begin := func() {
		wants(t, admin, "POST", "/staff/login?name=root", 200, "")
		wants(t, admin, "POST", "/staff/act?user=alice", 200, "staff/root acts as alice")
	}
	begin()
	if n, err := a.users.RevokeAll(t.Context(), "alice"); n != 1 || err != nil {
		t.Errorf("RevokeAll: %d, %v", n, err)
	}
	wants(t, admin, "GET", "/orders", 401, "*")
	wants(t, admin, "GET", "/staff/", 200, "Staff staff/root")
	begin()
	if n, err := a.staff.RevokeAll(t.Context(), "staff/root"); n == 0 || err != nil {
		t.Errorf("RevokeAll: %d, %v", n, err)
	}
	wants(t, admin, "GET", "/orders", 401, "*")
	j.find(t, "msg", "acting ends", "why", "the staff's session is over")
	if list, err := a.users.Sessions(t.Context(), "alice"); err != nil || len(list) != 0 {
		t.Errorf("alice's sessions: %v, %v; want none", list, err)
	}
	// Another administrator in the same browser does not go on with it.
	begin()
	wants(t, admin, "POST", "/staff/login?name=eve", 200, "")
	wants(t, admin, "GET", "/orders", 401, "*")
}

// Acting lasts for half an hour at most, however busy.
func TestActingIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, j := start(t)
		b := coatchecktest.NewHandlerBrowser(a.routes())
		visit := func(method, path string) int {
			r, err := http.NewRequest(method, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := b.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			return res.StatusCode
		}
		visit("POST", "/staff/login?name=root")
		visit("POST", "/staff/act?user=alice")
		for range 6 {
			if code := visit("GET", "/orders"); code != 200 {
				t.Fatalf("got %d within half an hour", code)
			}
			time.Sleep(5*time.Minute + time.Second)
		}
		if code := visit("GET", "/orders"); code != 401 {
			t.Errorf("got %d after half an hour, want 401", code)
		}
		j.find(t, "msg", "acting ends", "why", "time is up")
		if code := visit("GET", "/staff/"); code != 200 {
			t.Errorf("the staff's pages: got %d, want 200", code)
		}
	})
}
