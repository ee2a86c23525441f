package redisstore

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// S13: whoever waits for the server is woken by the end of the context, in the first
// moments a little later, and then at once.
func TestWaitingEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		after   time.Duration
		timeout bool
		late    time.Duration // at most
	}{
		{"cancelled before", 0, false, 2 * soon}, {"cancelled soon", soon / 2, false, 2 * soon}, {"cancelled later", time.Second, false, 0},
		{"deadline soon", soon / 2, true, 2 * soon}, {"deadline later", 5 * time.Second, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				want := context.Canceled
				if c.timeout {
					ctx, cancel = context.WithTimeout(t.Context(), c.after)
					want = context.DeadlineExceeded
				} else {
					time.AfterFunc(c.after, cancel)
				}
				defer cancel()
				var s waits
				began := time.Now()
				w := s.begin(ctx)
				if err := w.Err(); err != nil {
					t.Errorf("at first: %v", err)
				}
				<-w.Done()
				if late := time.Since(began) - c.after; late > c.late {
					t.Errorf("woken %s after the end, want at most %s", late, c.late)
				}
				if err := w.Err(); !errors.Is(err, want) {
					t.Errorf("got error %v, want %v", err, want)
				}
				w.end()
			})
		})
	}
}

// A hooked is a context that counts what it would call at its end.
type hooked struct {
	context.Context
	done chan struct{}
	mu   sync.Mutex
	open int
	ever int
}

func (h *hooked) Done() <-chan struct{} { return h.done }

func (h *hooked) AfterFunc(func()) (stop func() bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open++
	h.ever++
	return func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.open--
		return true
	}
}

// What is over leaves nothing behind: no place in the list, no timer, and nothing
// that the context would call.
func TestWaitingLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s waits
		ctx := &hooked{Context: t.Context(), done: make(chan struct{})}
		var wg sync.WaitGroup
		for i := range 300 {
			wg.Go(func() {
				time.Sleep(time.Duration(i%40) * time.Millisecond)
				w := s.begin(ctx)
				time.Sleep(time.Duration(i%7) * soon / 2)
				w.end()
				select {
				case <-w.Done():
					t.Error("woken without a reason")
				default:
				}
			})
		}
		wg.Wait()
		time.Sleep(2 * soon)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.first != nil || s.armed || ctx.open != 0 {
			t.Errorf("left: %v, a timer: %v, %d to be called", s.first, s.armed, ctx.open)
		}
		if ctx.ever == 0 || ctx.ever == 300 {
			t.Errorf("%d of 300 were told to the context, want those that took long", ctx.ever)
		}
	})
}

// The end of all wakes all, wherever they are in their waiting.
func TestWaitingAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s waits
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				w := s.begin(ctx)
				defer w.end()
				<-w.Done()
			})
		}
		time.Sleep(99 * time.Millisecond)
		cancel()
		wg.Wait()
	})
}
