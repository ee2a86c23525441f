package wait

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// G5: A load ends with the request or after 5 s; commits are detached from the
// client's cancellation, 5 s at most. Stores see that as they see any context.
func TestDeadline(t *testing.T) {
	t.Parallel()
	type key struct{}
	for _, c := range []struct {
		name     string
		detached bool
		parent   time.Duration // its deadline; 0 = none
		cancel   time.Duration // when the client leaves; 0 = never
		end      time.Duration // when the call is over; 0 = never
		wantAt   time.Duration // the deadline that a store sees
		wantDone time.Duration
		want     error
	}{
		{"load", false, 0, 0, 0, 5 * time.Second, 5 * time.Second, context.DeadlineExceeded},
		{"load, the client leaves", false, 0, time.Second, 0, 5 * time.Second, time.Second, context.Canceled},
		{"load, the request has less", false, 2 * time.Second, 0, 0, 2 * time.Second, 2 * time.Second, context.DeadlineExceeded},
		{"load, the request has more", false, 9 * time.Second, 0, 0, 5 * time.Second, 5 * time.Second, context.DeadlineExceeded},
		{"load, over", false, 0, 0, time.Second, 5 * time.Second, time.Second, context.Canceled},
		{"commit", true, 0, 0, 0, 5 * time.Second, 5 * time.Second, context.DeadlineExceeded},
		{"commit, the client leaves", true, 0, time.Second, 0, 5 * time.Second, 5 * time.Second, context.DeadlineExceeded},
		{"commit, the request has less", true, 2 * time.Second, 0, 0, 5 * time.Second, 5 * time.Second, context.DeadlineExceeded},
		{"commit, over", true, 0, 0, time.Second, 5 * time.Second, time.Second, context.Canceled},
	} {
		for _, waits := range []bool{true, false} { // a store in memory never asks for Done
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
					defer cancel()
					if c.parent > 0 {
						var stop context.CancelFunc
						parent, stop = context.WithTimeout(parent, c.parent)
						defer stop()
					}
					start := time.Now()
					d := &Context{Parent: parent, Detached: c.detached, At: start.Add(5 * time.Second)}
					defer d.End()
					if at, ok := d.Deadline(); !ok || at.Sub(start) != c.wantAt {
						t.Errorf("the deadline is in %v, %t; want %v", at.Sub(start), ok, c.wantAt)
					}
					if d.Value(key{}) != "value" {
						t.Error("the parent's values are gone")
					}
					child := context.Context(d)
					if waits {
						var stop context.CancelFunc
						child, stop = context.WithCancel(d)
						defer stop()
					}
					if c.cancel > 0 {
						time.AfterFunc(c.cancel, cancel)
					}
					if c.end > 0 {
						time.AfterFunc(c.end, d.End)
					}
					var closed atomic.Int64 // when, after start
					if waits {
						go func() {
							<-d.Done()
							closed.Store(int64(time.Since(start)))
						}()
					}
					time.Sleep(c.wantDone - time.Nanosecond)
					synctest.Wait()
					if d.Err() != nil || child.Err() != nil || closed.Load() != 0 {
						t.Fatalf("over before its time: %v, %v, after %v", d.Err(), child.Err(), time.Duration(closed.Load()))
					}
					time.Sleep(time.Nanosecond)
					synctest.Wait()
					if !errors.Is(d.Err(), c.want) || !errors.Is(child.Err(), c.want) || waits && closed.Load() != int64(c.wantDone) {
						t.Errorf("got %v, of the child %v, after %v; want %v after %v", d.Err(), child.Err(), time.Duration(closed.Load()), c.want, c.wantDone)
					}
					select {
					case <-d.Done():
					default:
						t.Error("Done is open")
					}
				})
			})
		}
	}
}

// A context that is derived from a deadline, as database/sql does for each
// query, costs no goroutine. Not parallel: it counts all of them.
func TestDeadlineOfChildren(t *testing.T) {
	for _, detached := range []bool{false, true} {
		d := &Context{Parent: t.Context(), Detached: detached, At: time.Now().Add(time.Minute)}
		before := runtime.NumGoroutine()
		child, cancel := context.WithCancel(d)
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("detached %t: %d goroutines more", detached, n-before)
		}
		d.End()
		if err := child.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("detached %t: after the end of the deadline the child has error %v", detached, err)
		}
		cancel()
	}
}
