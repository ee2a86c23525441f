package coatcheck

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// comes is a commitment that waits for so long.
func comes(plain bool, wait time.Duration) *pendingWrite {
	c := &pendingWrite{plain: plain}
	c.ctx.Parent, c.ctx.Detached, c.ctx.At = context.Background(), true, time.Now().Add(wait)
	return c
}

// Those who cannot share a store call go one at a time, in the order in which
// they came, and nothing is left behind.
func TestQueueOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		id := store.ID{1}
		first := comes(false, commitTimeout)
		turn, err := q.enter(&id, first)
		if err != nil {
			t.Fatal(err)
		}
		var order []int
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				c := comes(false, commitTimeout)
				turn, err := q.enter(&id, c)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i) // the race detector would tell of two at once
				if turn.last.Version != uint64(i) {
					t.Errorf("waiter %d was handed version %d", i, turn.last.Version)
				}
				turn.last.Version++
				c.conclude(nil)
				q.handOn(&id, turn, c)
			})
			synctest.Wait()
		}
		first.conclude(nil)
		q.handOn(&id, turn, first)
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != 10 {
			t.Errorf("the order is %v", order)
		}
		empty(t, &q)
	})
}

// A waiter that gives up, at whatever moment, takes nobody's turn away.
func TestQueueGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		id := store.ID{2}
		var holders atomic.Int32
		hold := func() {
			if holders.Add(1) != 1 {
				t.Error("two have the turn at once")
			}
		}
		for round := range 200 {
			first := comes(round%2 == 0, commitTimeout)
			turn, err := q.enter(&id, first)
			if err != nil {
				t.Fatal(err)
			}
			hold()
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() {
					// Before the turn is passed on, at that very moment, or later.
					c := comes(round%2 == 0, time.Duration(i%3+round%2)*time.Second)
					defer c.end()
					if turn, err := q.enter(&id, c); err == nil {
						hold()
						time.Sleep(time.Millisecond)
						holders.Add(-1)
						c.conclude(nil)
						q.handOn(&id, turn, c)
					}
				})
			}
			time.Sleep(time.Second)
			holders.Add(-1)
			first.conclude(nil)
			q.handOn(&id, turn, first)
			wg.Wait()
			empty(t, &q)
		}
	})
}

// Different sessions do not wait for each other, nor does one that comes again.
func TestQueueOfManySessions(t *testing.T) {
	t.Parallel()
	var q queue
	type held struct {
		turn *turn
		c    *pendingWrite
	}
	all := make(map[store.ID]held)
	take := func(id store.ID) held {
		c := comes(true, commitTimeout)
		turn, err := q.enter(&id, c)
		if err != nil {
			t.Fatal(err)
		}
		return held{turn, c}
	}
	give := func(id store.ID, h held) {
		h.c.conclude(nil)
		q.handOn(&id, h.turn, h.c)
	}
	for i := range 64 {
		id := store.ID{byte(i)}
		h := take(id)
		if h.turn.last.Version != 0 {
			t.Error("a new turn remembers an old one's record")
		}
		h.turn.last = store.Record{ID: id, Version: 1}
		all[id] = h
	}
	for id, h := range all {
		give(id, h)
		again := take(id)
		if last := again.turn.last; last.ID != id || last.Version != 1 {
			t.Error("a new turn does not know what was stored a moment ago")
		}
		give(id, again)
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
