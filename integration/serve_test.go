//go:build linux

package integration_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// eachPair runs a test on two processes of coatcheck serve that share a store,
// for each store that processes can share.
func eachPair(t *testing.T, test func(t *testing.T, a, b *servers.Serve)) {
	t.Parallel()
	for _, p := range sharedPlaces {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			program := newProgram(t)
			url := p.url(t, program)
			test(t, program.Serve(t, "--store", url), program.Serve(t, "--store", url))
		})
	}
}

const crowd = 64

// together runs f for each of the clients of one browser at once, half of them
// at each process.
func together(a, b *servers.Serve, v *visitor, f func(client int, site *servers.Serve, v *visitor)) {
	var wg sync.WaitGroup
	for i := range crowd {
		site := a
		if i%2 > 0 {
			site = b
		}
		mine := v.copy()
		wg.Go(func() { f(i, site, mine) })
	}
	wg.Wait()
}

// G1: 3,200 increments of one session through two processes carry 3,200
// different numbers.
func TestServeTwoCount(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *servers.Serve) {
		const each = 50
		v := newVisitor(newClient(t, crowd))
		v.must(t, a, "POST", "/login", http.StatusOK, "Logged in", "user", rand.Text())
		var mu sync.Mutex
		seen, again := make(map[string]int), 0
		together(a, b, v, func(_ int, site *servers.Serve, v *visitor) {
			for range each {
				status, body := v.send(site, "POST", "/visits")
				if status != http.StatusOK {
					t.Errorf("POST /visits: got %d %s", status, body)
				}
				mu.Lock()
				seen[body]++
				mu.Unlock()
			}
			mu.Lock()
			defer mu.Unlock()
			again += v.again
		})
		exactly(t, seen, crowd*each, again, "Visit %d")
		t.Logf("%d increments through two processes carry %d different numbers", crowd*each, len(seen))
	})
}

// G1: no item is lost, and those of one client stay in order.
func TestServeTwoCart(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *servers.Serve) {
		const each = 20
		item := func(client, n int) string { return fmt.Sprintf("c%02d-%02d", client, n) }
		v := newVisitor(newClient(t, crowd))
		v.must(t, a, "POST", "/login", http.StatusOK, "Logged in", "user", rand.Text())
		var again atomic.Int64 // where nobody can tell whether the item is in: it may be twice
		together(a, b, v, func(client int, site *servers.Serve, v *visitor) {
			defer func() { again.Add(int64(v.again)) }()
			for n := range each {
				status, body := v.send(site, "POST", "/cart", "item", item(client, n))
				if status != http.StatusOK || !strings.Contains(body, item(client, n)) {
					t.Errorf("POST /cart: got %d %.100s, want the item that was added", status, body)
				}
			}
		})
		_, body := v.send(b, "GET", "/cart")
		var cart []string
		if err := json.Unmarshal([]byte(body), &cart); err != nil {
			t.Fatal(err)
		}
		places := make(map[string]int, len(cart))
		for i, item := range cart {
			places[item] = i
		}
		if len(cart) < crowd*each || len(cart) > crowd*each+int(again.Load()) || len(places) != crowd*each {
			t.Errorf("the cart has %d items, %d of them different; want %d", len(cart), len(places), crowd*each)
		}
		for client := range crowd {
			at := make([]int, each)
			for n := range each {
				at[n] = places[item(client, n)]
			}
			if !slices.IsSorted(at) {
				t.Errorf("client %d: its items are at %v, want them in order", client, at)
			}
		}
	})
}

// G2: who logs in on one process is logged in on the other, and who is revoked
// on one is refused by the other at once, also by what is in flight there.
func TestServeTwoRevoke(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *servers.Serve) {
		for _, end := range []struct {
			name string
			do   func(t *testing.T, v, other *visitor)
		}{
			{"logout", func(t *testing.T, v, _ *visitor) { v.copy().must(t, a, "POST", "/logout", http.StatusOK, "Logged out") }},
			{"revoke", func(t *testing.T, v, other *visitor) {
				list := v.sessions(t, b)
				i := slices.IndexFunc(list, func(s listed) bool { return s.Current })
				if len(list) != 2 || i < 0 {
					t.Fatalf("GET /sessions: got %v, want two, one of them current", list)
				}
				other.must(t, a, "POST", "/sessions/revoke", http.StatusOK, "Revoked", "handle", list[i].Handle)
			}},
			{"revoke others", func(t *testing.T, _, other *visitor) {
				other.must(t, a, "POST", "/sessions/revoke-others", http.StatusOK, "Revoked 1")
			}},
		} {
			user := rand.Text()
			client := newClient(t, crowd)
			v, other := newVisitor(client), newVisitor(client)
			v.must(t, a, "POST", "/login", http.StatusOK, "Logged in", "user", user)
			other.must(t, b, "POST", "/login", http.StatusOK, "Logged in", "user", user)
			v.must(t, b, "GET", "/profile", http.StatusOK, "User "+user)
			inFlight(t, b, v, func() { end.do(t, v, other) })
			v.copy().must(t, b, "GET", "/profile", http.StatusUnauthorized, "Not logged in")
			v.copy().must(t, b, "POST", "/visits", http.StatusConflict, "")
			v.copy().must(t, a, "GET", "/profile", http.StatusUnauthorized, "Not logged in")
			if end.name != "logout" {
				other.must(t, b, "GET", "/profile", http.StatusOK, "User "+user)
			}
		}
	})
}

// inFlight ends v's session while 16 clients use it at the site: what they send
// after the end was answered is refused, and before it nothing is.
func inFlight(t *testing.T, site *servers.Serve, v *visitor, end func()) {
	t.Helper()
	var before, after, refused atomic.Int64
	var ending, ended atomic.Bool
	var wg sync.WaitGroup
	for i := range 16 {
		mine := v.copy()
		wg.Go(func() {
			for n := 0; n < 5; {
				over := ended.Load()
				method, path, want := "POST", "/visits", http.StatusConflict
				if i%4 == 0 {
					method, path, want = "GET", "/profile", http.StatusUnauthorized
				}
				status, body := mine.copy().send(site, method, path)
				switch {
				case over && status == want:
					refused.Add(1)
				case over:
					t.Errorf("%s %s after the end: got %d %s", method, path, status, body)
				case status == http.StatusOK:
					before.Add(1)
				case !ending.Load() || status != want:
					t.Errorf("%s %s before the end: got %d %s", method, path, status, body)
				}
				if over {
					after.Add(1)
					n++
				}
			}
		})
	}
	if err := servers.Until(func() error {
		if n := before.Load(); n < 50 {
			return fmt.Errorf("%d requests only", n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	ending.Store(true)
	end()
	ended.Store(true)
	wg.Wait()
	t.Logf("%d requests before the end were answered, %d of %d after it refused", before.Load(), refused.Load(), after.Load())
}
