package promises_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A pair is one session in a browser, served by two managers on one store, as by
// two processes.
type pair struct {
	m     [2]*coatcheck.Manager
	b     [2]*browser
	log   coatchecktest.Events
	store *trap
}

// newPair logs in at the first manager. Each call of the store lets others run
// first, so that commits of the two really meet.
func newPair(t testing.TB) *pair {
	t.Helper()
	p := &pair{store: &trap{Store: memstore.New(memstore.Config{})}}
	for i := range p.m {
		p.m[i] = manage(t, p.store, coatcheck.Config{Events: p.log.Record})
		p.b[i] = newBrowser(g1App(p.m[i]))
	}
	wants(t, p.b[0].Send("POST", "/login"), 200, "")
	p.b[1] = p.b[0].Clone()
	p.b[1].Handler = g1App(p.m[1])
	p.store.set(func(context.Context, string) error { runtime.Gosched(); return nil }, nil)
	return p
}

// G1: "64 clients × 50 increments carry 3,200 different numbers on every store".
func TestG1IncrementsCarryDifferentNumbers(t *testing.T) {
	t.Parallel()
	const clients, each = 64, 50
	p := newPair(t)
	answers := make([][]int, clients)
	parallel(clients, func(i int) {
		for range each {
			w := p.b[i%2].Send("POST", "/count")
			var n int
			if _, err := fmt.Sscan(w.Body.String(), &n); w.Code != 200 || err != nil {
				t.Errorf("client %d: answer %d %q", i, w.Code, w.Body)
				return
			}
			answers[i] = append(answers[i], n)
		}
	})
	for i := range answers {
		if !slices.IsSorted(answers[i]) {
			t.Errorf("client %d was answered with %v, want rising numbers", i, answers[i])
		}
	}
	numbers := slices.Sorted(slices.Values(slices.Concat(answers...)))
	for i, n := range numbers {
		if n != i+1 {
			t.Fatalf("the numbers in order have %d at place %d", n, i+1)
		}
	}
	if len(numbers) != clients*each {
		t.Errorf("%d numbers, want %d", len(numbers), clients*each)
	}
	if p.log.Count(coatcheck.Conflict) == 0 {
		t.Error("no commit met another: the test proves nothing")
	}
}

// G1: "Requests of one live session that run at once all keep what they wrote."
// "Update, Append, Pop are exact".
func TestG1AppendsKeepEverything(t *testing.T) {
	t.Parallel()
	const clients, each = 64, 5
	p := newPair(t)
	parallel(clients, func(i int) {
		for n := range each {
			if w := p.b[i%2].Send("POST", fmt.Sprintf("/cart?item=%d.%d", i, n)); w.Code != 200 {
				t.Errorf("answer %d %q", w.Code, w.Body)
			}
		}
	})
	items := strings.Fields(p.b[0].Send("GET", "/items").Body.String())
	if len(items) != clients*each {
		t.Errorf("%d items in the cart, want %d", len(items), clients*each)
	}
	for i := range clients {
		next := 0
		for _, item := range items {
			if item == fmt.Sprintf("%d.%d", i, next) {
				next++
			}
		}
		if next != each {
			t.Errorf("client %d finds %d of its items in the order in which it added them, want %d", i, next, each)
		}
	}
}

// G1: "of 64 parallel Pops exactly one gets the value".
func TestG1OnePopGetsTheValue(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for range 5 {
		wants(t, p.b[0].Send("POST", "/code"), 200, "")
		var got atomic.Int32
		parallel(64, func(i int) {
			switch w := p.b[i%2].Send("POST", "/redeem"); {
			case w.Code != 200:
				t.Errorf("answer %d %q", w.Code, w.Body)
			case w.Body.String() == "4711 true":
				got.Add(1)
			case w.Body.String() != " false":
				t.Errorf("answer %q", w.Body)
			}
		})
		if n := got.Load(); n != 1 {
			t.Fatalf("%d requests got the code, want 1", n)
		}
	}
}

// G1: "Requests of one live session that run at once all keep what they wrote."
// Flashes commits at once: each message is fetched once, however many fetch.
func TestG1EachFlashOnce(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	var mu sync.Mutex
	var texts []string
	fetch := func(i int) {
		w := p.b[i%2].Send("GET", "/flashes")
		if w.Code != 200 {
			t.Errorf("answer %d %q", w.Code, w.Body)
		}
		mu.Lock()
		defer mu.Unlock()
		texts = append(texts, strings.Fields(w.Body.String())...)
	}
	parallel(128, func(i int) {
		if i%2 == 0 {
			fetch(i / 2)
		} else if w := p.b[i/2%2].Send("POST", fmt.Sprint("/flash?text=", i)); w.Code != 200 {
			t.Errorf("answer %d %q", w.Code, w.Body)
		}
	})
	fetch(0)
	slices.Sort(texts)
	if len(texts) != 64 || len(slices.Compact(texts)) != 64 {
		t.Errorf("%d messages of which %d different, want 64 once each", len(texts), len(slices.Compact(texts)))
	}
}

// G1: "Different keys merge".
func TestG1DifferentKeysMerge(t *testing.T) {
	t.Parallel()
	for _, second := range []int{0, 1} {
		p := newPair(t)
		p.store.set(holding(nil).before, nil)
		// Both have loaded the session before either commits.
		a := depart(t, p.b[0], "Update", "POST", "/set?key=a")
		r := p.b[second].Request("POST", "/set?key=b")
		landed := make(chan *httptest.ResponseRecorder)
		go func() { landed <- p.b[second].Serve(r) }()
		if second == 1 { // the other process need not wait
			wants(t, <-landed, 200, "")
		}
		wants(t, a.land(), 200, "")
		if second == 0 {
			wants(t, <-landed, 200, "")
		}
		wants(t, p.b[0].Send("GET", "/keys"), 200, "a b")
	}
}

// G1: "A commit names the version it read; on conflict it reloads, replays,
// commits again", and needs no load where the conflict tells what is there.
func TestG1ConflictReplays(t *testing.T) {
	t.Parallel()
	for _, tells := range []bool{true, false} {
		t.Run(fmt.Sprint(tells), func(t *testing.T) { conflictReplays(t, tells) })
	}
}

func conflictReplays(t *testing.T, tells bool) {
	p := newPair(t)
	again := 0
	if !tells {
		p.store.Store, again = onlyConflict{p.store.Store}, 1
	}
	p.store.set(holding(nil).before, nil)
	for i, url := range []string{"/count", "/cart?item=b", "/flash?text=b"} {
		first := depart(t, p.b[0], "Update", "POST", url)
		// Meanwhile the other process commits to the same entry.
		wants(t, p.b[1].Send("POST", strings.Replace(url, "=b", "=a", 1)), 200, "")
		loads, updates := p.store.count("Load"), p.store.count("Update")
		w := first.land()
		if url == "/count" {
			wants(t, w, 200, "2")
		}
		wants(t, w, 200, "")
		if l, u := p.store.count("Load")-loads, p.store.count("Update")-updates; l != again || u != 1 {
			t.Errorf("%s: %d loads and %d updates after the conflict, want %d and 1", url, l, u, again)
		}
		if n := p.log.Count(coatcheck.Conflict); n != i+1 {
			t.Errorf("%s: %d conflicts heard of, want %d", url, n, i+1)
		}
	}
	wants(t, p.b[0].Send("GET", "/items"), 200, "a b")
	wants(t, p.b[0].Send("GET", "/flashes"), 200, "a b")
}

// G1: "Commits of one session within one process queue up and hand the
// committed record on, so conflicts come from other processes only."
func TestG1NoConflictsWithinOneProcess(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	loads := p.store.count("Load")
	parallel(64, func(int) {
		if w := p.b[0].Send("POST", "/count"); w.Code != 200 {
			t.Errorf("answer %d %q", w.Code, w.Body)
		}
	})
	wants(t, p.b[0].Send("POST", "/count"), 200, "65")
	if n := p.log.Count(coatcheck.Conflict); n != 0 {
		t.Errorf("%d conflicts, want none", n)
	}
	if n := p.store.count("Update"); n > 65 {
		t.Errorf("%d updates, want at most one per request", n)
	}
	if n := p.store.count("Load") - loads; n != 65 {
		t.Errorf("%d loads, want one per request", n)
	}
}

// G1: "with a short random pause from the second try on".
func TestG1PausesFromTheSecondTry(t *testing.T) {
	t.Parallel()
	for _, conflicts := range []int{1, 2, 6} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t)
			p.store.set(func(_ context.Context, method string) error {
				if method == "Update" && p.store.count("Update") <= conflicts {
					return coatcheck.ErrConflict
				}
				return nil
			}, nil)
			start := time.Now()
			wants(t, p.b[0].Send("POST", "/count"), 200, "1")
			took := time.Since(start)
			if conflicts == 1 && took != 0 {
				t.Errorf("after one conflict the commit paused for %v, want no pause", took)
			}
			if n := time.Duration(conflicts - 1); conflicts > 1 && (took < n*time.Millisecond || took > n*50*time.Millisecond) {
				t.Errorf("after %d conflicts the pauses were %v, want some milliseconds each", conflicts, took)
			}
		})
	}
}

// G1: "until the commit's 5 s are over, the wait in the queue included; then 503
// with Retry-After, nothing of this commit stored".
func TestG1EndlessConflict(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"/count", "/cart?item=a", "/flash?text=a"} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t)
			endless := func(_ context.Context, method string) error {
				if method == "Update" {
					return coatcheck.ErrConflict
				}
				return nil
			}
			p.store.set(endless, nil)
			start := time.Now()
			w := p.b[0].Send("POST", url)
			wants(t, w, 503, "Service Unavailable")
			if w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			bare(t, w)
			if took := time.Since(start); took != 5*time.Second {
				t.Errorf("gave up after %v, want 5s", took)
			}
			p.store.set(nil, nil)
			wants(t, p.b[0].Send("GET", "/keys"), 200, "")
			wants(t, p.b[0].Send("GET", "/flashes"), 200, "")
			wants(t, p.b[0].Send("POST", "/count"), 200, "1")
		})
	}
}

// G1: "until the commit's 5 s are over, the wait in the queue included".
func TestG1QueueCountsIntoTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.store.set(func(ctx context.Context, method string) error {
			if method == "Update" { // the store is away
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, nil)
		parallel(3, func(i int) {
			time.Sleep(time.Duration(i) * 2 * time.Second) // began at 0 s, 2 s, 4 s
			start := time.Now()
			if w := p.b[0].Send("POST", "/count"); w.Code != 503 {
				t.Errorf("answer %d %q, want 503", w.Code, w.Body)
			}
			if took := time.Since(start); took > 5*time.Second || took < 2*time.Second {
				t.Errorf("answer %d after %v, want at most 5s, and not at once", i+1, took)
			}
		})
		p.store.set(nil, nil)
		wants(t, p.b[0].Send("POST", "/count"), 200, "1")
	})
}

// §3: "Update's function is pure: it may run several times, never after the call
// has returned", however the call ended.
func TestG1UpdateNeverRunsAfterItReturned(t *testing.T) {
	t.Parallel()
	failures := map[string]func(s *coatcheck.Session, f func(int) int){
		"commit fails": func(s *coatcheck.Session, f func(int) int) {
			if n := g1Count.Update(s, f); n != 0 {
				t.Errorf("Update returned %d although the commit failed, want 0", n)
			}
		},
		"function panics": func(s *coatcheck.Session, f func(int) int) {
			defer func() { recover() }()
			g1Count.Update(s, func(n int) int {
				f(n)
				panic("in f")
			})
		},
	}
	for name, update := range failures {
		t.Run(name, func(t *testing.T) {
			st := &trap{Store: memstore.New(memstore.Config{})}
			m := manage(t, st, coatcheck.Config{})
			var returned, late atomic.Bool
			b := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := coatcheck.From(r.Context())
				if r.Method == "GET" {
					n, ok := g1Count.Get(s)
					fmt.Fprint(w, s.User(), " ", n, " ", ok, " ", s.Keys())
					return
				}
				coatcheck.Append(s, g1Cart, "before")
				if r.URL.Path == "/start" {
					s.Login("ann")
					return
				}
				update(s, func(n int) int {
					late.Store(late.Load() || returned.Load())
					return n + 1
				})
				returned.Store(true)
				s.Commit()
				coatcheck.Append(s, g1Cart, "after")
				s.Commit()
				fmt.Fprint(w, "done")
			})))
			wants(t, b.Send("POST", "/start"), 200, "")
			if name == "commit fails" {
				st.set(func(_ context.Context, method string) error {
					if method == "Update" {
						return errors.New("away")
					}
					return nil
				}, nil)
			}
			w := b.Send("POST", "/")
			if name == "commit fails" {
				wants(t, w, 503, "")
			} else { // what was pending before and came after is not lost
				wants(t, w, 200, "done")
			}
			if late.Load() {
				t.Error("Update's function ran after Update had returned")
			}
			st.set(nil, nil)
			wants(t, b.Send("GET", "/"), 200, "ann 0 false [cart]")
		})
	}
}

// §3: Update's function "must not use the session". One that does all the same
// neither waits for ever nor is its update reported as done.
func TestG1UpdateThatUsesTheSessionEnds(t *testing.T) {
	t.Parallel()
	for name, st := range map[string]store.Store{
		"memstore": memstore.New(memstore.Config{}),
		"slow":     slow{memstore.New(memstore.Config{})},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := manage(t, st, coatcheck.Config{})
				b := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s := coatcheck.From(r.Context())
					n := g1Count.Update(s, func(n int) int {
						if s.User() != "" || s.Err() == nil {
							t.Error("the function can use the session")
						}
						return n + 1
					})
					fmt.Fprint(w, n)
					if s.Err() == nil {
						t.Error("no error")
					}
				})))
				start := time.Now()
				w := b.Send("POST", "/")
				wants(t, w, 503, "Service Unavailable")
				if took := time.Since(start); took > time.Minute {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// G1: "Two requests without a session that both write make two sessions, and the
// browser keeps one: documented."
func TestG1TwoFirstWrites(t *testing.T) {
	t.Parallel()
	var log coatchecktest.Events
	m := manage(t, holding(memstore.New(memstore.Config{})), coatcheck.Config{Events: log.Record})
	b := newBrowser(g1App(m))
	first := depart(t, b, "Create", "POST", "/count")
	wants(t, b.Send("POST", "/count"), 200, "1")
	kept := b.Cookies()[sidName]
	wants(t, first.land(), 200, "1")
	if log.Count(coatcheck.Created) != 2 || b.Cookies()[sidName] == kept {
		t.Errorf("%d sessions, want 2 and the browser to keep the later answer's", log.Count(coatcheck.Created))
	}
	wants(t, b.Send("POST", "/count"), 200, "2")
}
