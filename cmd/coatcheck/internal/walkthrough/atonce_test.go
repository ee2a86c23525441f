package walkthrough_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

const visitors = 64

// A meeting is a store in which that many loads wait for each other, so that
// all their requests go on from the same state.
type meeting struct {
	store.Store
	mu      sync.Mutex
	waiting int // how many loads are still to come; 0 is no meeting
	met     chan struct{}
}

func (s *meeting) call(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting, s.met = n, make(chan struct{})
}

func (s *meeting) Load(ctx context.Context, id store.ID) (store.Record, error) {
	rec, err := s.Store.Load(ctx, id)
	s.mu.Lock()
	waits, met := s.waiting > 0, s.met
	if waits {
		if s.waiting--; s.waiting == 0 {
			close(met)
		}
	}
	s.mu.Unlock()
	if waits {
		<-met
	}
	return rec, err
}

// atOnce sends the same request in copies of the visitor, who all find the
// session as it is now, and returns the answers.
func atOnce(s *meeting, v *visitor, what string, form func(i int) string) []*httptest.ResponseRecorder {
	s.call(visitors)
	answers := make([]*httptest.ResponseRecorder, visitors)
	var wg sync.WaitGroup
	for i := range visitors {
		clone := v.clone()
		wg.Go(func() { answers[i] = clone.do(what, form(i)) })
	}
	wg.Wait()
	return answers
}

func meet(t *testing.T) (*meeting, *visitor) {
	s := &meeting{Store: memstore.New(memstore.Config{})}
	v := visit(newSiteOn(t, s, "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa", coatcheck.Config{}))
	v.want(t, "POST /login", "", 200, "Logged in")
	return s, v
}

func TestVisitsAtOnce(t *testing.T) {
	t.Parallel()
	s, v := meet(t)
	seen := make(map[string]int)
	for _, w := range atOnce(s, v, "POST /visits", func(int) string { return "" }) {
		seen[w.Body.String()]++
	}
	for n := range visitors {
		if text := fmt.Sprintf("Visit %d", n+1); seen[text] != 1 {
			t.Errorf("%q was answered %d times", text, seen[text])
		}
	}
}

func TestCartAtOnce(t *testing.T) {
	t.Parallel()
	s, v := meet(t)
	var carts [][]string
	for i, w := range atOnce(s, v, "POST /cart", func(i int) string { return fmt.Sprintf("item=%02d", i) }) {
		if !strings.Contains(w.Body.String(), fmt.Sprintf(`"%02d"`, i)) {
			t.Errorf("visitor %d: got %d %s, want the item in it", i, w.Code, w.Body)
		}
		var cart []string
		if err := json.Unmarshal(w.Body.Bytes(), &cart); err != nil {
			t.Fatal(err)
		}
		carts = append(carts, cart)
	}
	var all []string
	if err := json.Unmarshal(v.do("GET /cart", "").Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	// Each answer is the cart as it was stored with its own item, and so how the
	// last begins; items that share a store call are seen together.
	for i, cart := range carts {
		if len(cart) > len(all) || !slices.Equal(cart, all[:len(cart)]) {
			t.Errorf("visitor %d got %q, in the end the cart is %q", i, cart, all)
		}
	}
	slices.Sort(all)
	if len(all) != visitors || len(slices.Compact(all)) != visitors {
		t.Errorf("the cart has %q, want the items of %d visitors once each", all, visitors)
	}
}

func TestRedeemAtOnce(t *testing.T) {
	t.Parallel()
	s, v := meet(t)
	code := v.do("POST /one-time", "").Body.String()
	answers := make(map[string]int)
	for _, w := range atOnce(s, v, "POST /one-time/redeem", func(int) string { return "code=" + code }) {
		answers[fmt.Sprint(w.Code, " ", w.Body)]++
	}
	if answers["200 Accepted"] != 1 || answers["403 Refused"] != visitors-1 {
		t.Errorf("got %v, want 200 Accepted once and 403 Refused %d times", answers, visitors-1)
	}
}

func TestIssueAtOnce(t *testing.T) {
	t.Parallel()
	s, v := meet(t)
	issued := 0
	for _, w := range atOnce(s, v, "POST /one-time", func(int) string { return "" }) {
		if w.Code == 200 {
			issued++
		}
	}
	if issued > 20 {
		t.Errorf("%d codes are open, want at most 20", issued)
	}
}

// A logout that is sent twice is answered twice the same (G2).
func TestLogoutAtOnce(t *testing.T) {
	t.Parallel()
	s, v := meet(t)
	for _, w := range atOnce(s, v, "POST /logout", func(int) string { return "" }) {
		if w.Code != 200 || w.Body.String() != "Logged out" {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	}
	v.want(t, "GET /profile", "", 401, "Not logged in")
}
