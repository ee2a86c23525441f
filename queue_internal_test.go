package coatcheck

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// G1: "Commits of one session within one process queue up": one at a time, in
// the order in which they came, and nothing is left behind.
func TestQueueOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		id := ID{1}
		first, _, err := q.take(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		var order []int
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				turn, _, err := q.take(t.Context(), id)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i) // the race detector would tell of two at once
				if turn.last.Version != uint64(i) {
					t.Errorf("waiter %d was handed version %d", i, turn.last.Version)
				}
				turn.last.Version++
				q.give(id, turn)
			})
			synctest.Wait()
		}
		q.give(id, first)
		wg.Wait()
		for i, n := range order {
			if n != i {
				t.Fatalf("the order is %v", order)
			}
		}
		empty(t, &q)
	})
}

// A waiter that gives up, at whatever moment, takes nobody's turn away.
func TestQueueGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		id := ID{2}
		var holders atomic.Int32
		hold := func() {
			if holders.Add(1) != 1 {
				t.Error("two have the turn at once")
			}
		}
		for round := range 200 {
			turn, _, err := q.take(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			hold()
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() {
					// Before the turn is given, at that very moment, or later.
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%3+round%2)*time.Second)
					defer cancel()
					if turn, _, err := q.take(ctx, id); err == nil {
						hold()
						time.Sleep(time.Millisecond)
						holders.Add(-1)
						q.give(id, turn)
					}
				})
			}
			time.Sleep(time.Second)
			holders.Add(-1)
			q.give(id, turn)
			wg.Wait()
			empty(t, &q)
		}
	})
}

// Different sessions do not wait for each other, nor does one that comes again.
func TestQueueOfManySessions(t *testing.T) {
	t.Parallel()
	var q queue
	held := make(map[ID]*turn)
	for i := range 64 {
		id := ID{byte(i)}
		turn, _, err := q.take(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if turn.last.Version != 0 {
			t.Error("a new turn remembers an old one's record")
		}
		turn.last = Record{ID: id, Version: 1}
		held[id] = turn
	}
	for id, turn := range held {
		q.give(id, turn)
		again, _, err := q.take(t.Context(), id)
		if err != nil || again.last.ID != id || again.last.Version != 1 {
			t.Error("a new turn does not know what was stored a moment ago")
		}
		q.give(id, again)
	}
	empty(t, &q)
}

func empty(t *testing.T, q *queue) {
	t.Helper()
	for i := range q.shards {
		if n := len(q.shards[i].turns); n != 0 {
			t.Errorf("%d turns are left", n)
		}
	}
}

// A latch is given to one at a time, and not waited for without end.
func TestLatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l latch
		if !l.lock() {
			t.Fatal("a free latch was not given")
		}
		start := time.Now()
		if l.lock() {
			t.Fatal("a held latch was given")
		}
		if took := time.Since(start); took != lockWait {
			t.Errorf("waited %v, want %v", took, lockWait)
		}
		var wg sync.WaitGroup
		n := 0
		for range 20 {
			wg.Go(func() {
				if !l.lock() {
					t.Error("not given in time")
					return
				}
				n++
				time.Sleep(time.Millisecond)
				l.unlock()
			})
		}
		synctest.Wait()
		l.unlock()
		wg.Wait()
		if n != 20 {
			t.Errorf("%d of 20", n)
		}
	})
}
