package coatcheck

import (
	"context"
	"sync"
)

// A queue lets the commits of one session in this process run one after
// another, and hands each the record that the one before it stored: so only
// another process can make a commit conflict (G1).
type queue struct {
	shards [16]queueShard
}

type queueShard struct {
	mu    sync.Mutex
	turns map[ID]*turn
	// What was stored last, for requests that had loaded before and come when
	// nobody is in the queue any more.
	recent [8]Record
	oldest int
}

// last returns where the record of that id is kept, or nil.
func (s *queueShard) last(id *ID) *Record {
	for i := range s.recent {
		if s.recent[i].ID == *id {
			return &s.recent[i]
		}
	}
	return nil
}

// A turn is the queue of one id. It exists while somebody holds or awaits it.
type turn struct {
	refs int           // holder and waiters; guarded by the shard
	next chan struct{} // wakes one waiter
	last Record        // what the latest holder stored; guarded by holding the turn
}

// turns are reused: nearly every commit makes one for itself alone.
var turns = sync.Pool{New: func() any { return new(turn) }}

// take gets the id's turn, for which it waits until ctx ends.
func (q *queue) take(ctx context.Context, id ID) (t *turn, waited bool, err error) {
	shard := &q.shards[id[0]%byte(len(q.shards))]
	shard.mu.Lock()
	t = shard.turns[id]
	if t == nil {
		if shard.turns == nil {
			shard.turns = make(map[ID]*turn)
		}
		t = turns.Get().(*turn)
		t.refs = 1
		if last := shard.last(&id); last != nil {
			t.last = *last
		}
		shard.turns[id] = t
		shard.mu.Unlock()
		return t, false, nil
	}
	t.refs++
	if t.next == nil {
		t.next = make(chan struct{}, 1)
	}
	shard.mu.Unlock()
	select {
	case <-t.next:
		return t, true, nil
	case <-ctx.Done():
		q.leave(id, t, false)
		return nil, true, ctx.Err()
	}
}

// give ends the holder's turn.
func (q *queue) give(id ID, t *turn) { q.leave(id, t, true) }

func (q *queue) leave(id ID, t *turn, holder bool) {
	shard := &q.shards[id[0]%byte(len(q.shards))]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t.refs--
	if t.refs == 0 {
		delete(shard.turns, id)
		if t.last.Version != 0 {
			last := shard.last(&id)
			if last == nil {
				last = &shard.recent[shard.oldest]
				shard.oldest = (shard.oldest + 1) % len(shard.recent)
			}
			*last = t.last
		}
		// Not the channel: it may hold what was meant for a waiter that had just
		// given up, and cannot be used outside a synctest bubble that made it.
		*t = turn{}
		turns.Put(t)
		return
	}
	if holder {
		t.next <- struct{}{}
	}
}
