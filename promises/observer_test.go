package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// An observing store writes down what it is told, and may keep updates waiting.
type observing struct {
	store.Store
	slow    time.Duration
	mu      sync.Mutex
	commits []store.Commit
	awaited atomic.Int64
}

func (o *observing) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	time.Sleep(o.slow)
	return o.Store.Update(ctx, rec, ifVersion)
}

func (o *observing) Committed(_ context.Context, c store.Commit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.commits = append(o.commits, c)
}

func (o *observing) Awaited(more int) { o.awaited.Add(int64(more)) }

// hidden is a wrapper around a wrapper.
type hidden struct{ store.Store }

func (h hidden) Unwrap() store.Store { return h.Store }

var observed = coatcheck.NewKey[int]("observed")

func increaseObserved(r *http.Request) {
	observed.Update(coatcheck.From(r.Context()), func(n int) int { return n + 1 })
}

// G13: an Observer is told how long commits of one session waited for each other.
func TestG13WaitsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &observing{Store: memstore.New(memstore.Config{}), slow: time.Second}
		m := manage(t, hidden{o}, coatcheck.Config{})
		b := newBrowser(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { increaseObserved(r) })))
		b.Send("POST", "/") // makes the session, which waits for nobody
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { b.Clone().Send("POST", "/") })
			synctest.Wait()
		}
		wg.Wait()
		// The first held the turn for a second, and stored alone.
		want := []store.Commit{{}, {Wait: time.Second}}
		if !slices.Equal(o.commits, want) {
			t.Errorf("got %v, want %v", o.commits, want)
		}
	})
}

// G13: an Observer is told how often changes were made again, after another process
// had written the session.
func TestG13ReplaysAreTold(t *testing.T) {
	t.Parallel()
	o := &observing{Store: memstore.New(memstore.Config{})}
	other := newBrowser(manage(t, o.Store, coatcheck.Config{}).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { increaseObserved(r) })))
	b := newBrowser(manage(t, o, coatcheck.Config{}).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).User() // loads
		if r.URL.Path == "/race" {
			for _, c := range r.Cookies() {
				other.SetCookie(c.Name, c.Value)
			}
			other.Send("POST", "/")
		}
		increaseObserved(r)
	})))
	b.Send("POST", "/")
	b.Send("POST", "/")
	b.Send("POST", "/race")
	if got := fmt.Sprint(o.commits); got != "[{0s 0} {0s 1}]" {
		t.Errorf("got %s, want one commit without a replay and one with", got)
	}
}

// G13: an Observer is told of how many sessions the end is awaited: by a stream, by
// two of one session as by one, and no longer when they or the session are over.
func TestG13StreamsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &observing{Store: memstore.New(memstore.Config{})}
		h := manage(t, o, coatcheck.Config{}).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			switch s := coatcheck.From(r.Context()); r.URL.Path {
			case "/login":
				s.Login("alice")
			case "/logout":
				s.Logout()
			default:
				select {
				case <-s.Ended():
				case <-r.Context().Done():
				}
			}
		}))
		want := func(n int64, when string) {
			t.Helper()
			synctest.Wait()
			if got := o.awaited.Load(); got != n {
				t.Errorf("%s: got %d, want %d", when, got, n)
			}
		}
		var wg sync.WaitGroup
		first, second := newBrowser(h), newBrowser(h)
		ctx, leave := context.WithCancel(t.Context())
		for _, b := range []*browser{first, second} {
			b.Send("POST", "/login")
			for range 2 {
				wg.Go(func() { b.Serve(b.Request("GET", "/stream").WithContext(ctx)) })
			}
		}
		want(2, "two streams of two sessions each")
		first.Clone().Send("POST", "/logout")
		want(1, "one session has ended")
		leave()
		wg.Wait()
		want(0, "everybody has left")
	})
}

// G13: an Observer is told of a manager of native clients too.
func TestG13NativeClientsAreTold(t *testing.T) {
	t.Parallel()
	o := &observing{Store: memstore.New(memstore.Config{})}
	c := &client{h: bearer(t, o, coatcheck.Config{}).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { increaseObserved(r) }))}
	c.do("POST", "/")
	c.do("POST", "/")
	if got := fmt.Sprint(o.commits); got != "[{0s 0}]" {
		t.Errorf("got %s, want the commit of the second request", got)
	}
}
