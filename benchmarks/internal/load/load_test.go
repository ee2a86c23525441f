//go:build linux

package load_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/benchmarks/internal/load"
)

// A counter is a server that counts requests by path, and begins a session at
// /fill without whose cookie it answers none of the others.
type counter struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.seen[r.Method+" "+r.URL.Path]++
	n := c.seen["POST /fill"]
	c.mu.Unlock()
	if r.URL.Path == "/fill" {
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: fmt.Sprint("s", n)})
	} else if cookie, err := r.Cookie("sid"); err != nil || !strings.HasPrefix(cookie.Value, "s") {
		http.Error(w, "no session", http.StatusUnauthorized)
	}
}

// count is how often a path was asked for.
func (c *counter) count(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[what]
}

func listen(t *testing.T) (*counter, string) {
	c := &counter{seen: make(map[string]int)}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return c, strings.TrimPrefix(server.URL, "http://")
}

func TestRun(t *testing.T) {
	t.Parallel()
	c, addr := listen(t)
	other, otherAddr := listen(t)
	l := load.Load{Addr: addr, Method: "POST", Path: "/form", Also: "/after", Fill: "/fill", FillAddr: otherAddr, Connections: 3, For: 20 * time.Millisecond}
	r, err := l.Run()
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests == 0 || c.count("POST /form") != r.Requests || c.count("GET /after") != r.Requests {
		t.Errorf("counted %d; the server %d and %d", r.Requests, c.count("POST /form"), c.count("GET /after"))
	}
	if other.count("POST /fill") != 3 || c.count("POST /fill") != 0 {
		t.Errorf("%d and %d sessions began, want 3 at the other server", c.count("POST /fill"), other.count("POST /fill"))
	}
	if l.Fill, l.FillAddr = "", ""; true {
		if _, err := l.Run(); err == nil {
			t.Error("an answer of 401 is no error")
		}
	}
}

func TestRunPaced(t *testing.T) {
	t.Parallel()
	for _, perSecond := range []float64{0, 1000} {
		c, addr := listen(t)
		l := load.Load{Addr: addr, Method: "GET", Path: "/profile", Fill: "/fill", Connections: 4, For: 50 * time.Millisecond}
		r, err := l.RunPaced(perSecond)
		if err != nil {
			t.Fatal(err)
		}
		if r.Requests == 0 || c.count("GET /profile") != r.Requests || c.count("POST /fill") != 4 {
			t.Errorf("%v a second: counted %d; the server %d in %d sessions", perSecond, r.Requests, c.count("GET /profile"), c.count("POST /fill"))
		}
		if perSecond > 0 && (r.Due != 50 || r.Requests > r.Due) {
			t.Errorf("%v a second: %d of %d, want at most 50 of 50", perSecond, r.Requests, r.Due)
		}
		if r.P50 > r.P99 || r.P99 > r.Max || r.Max == 0 {
			t.Errorf("%v a second: half within %v, 99 of 100 within %v, all within %v", perSecond, r.P50, r.P99, r.Max)
		}
		if l.Fill = ""; true {
			if _, err := l.RunPaced(perSecond); err == nil {
				t.Error("an answer of 401 is no error")
			}
		}
	}
}
