package coatcheck

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A queue lets the commits of one session in this process go one after another,
// and those that wait in line share a store call: so only another process can
// make a commit conflict, and a busy session is not bound by its store's distance
// (G1).
type queue struct {
	shards [16]queueShard
}

type queueShard struct {
	mu    sync.Mutex
	turns map[store.ID]*turn
	// The latest that have ended, for what they know of their sessions.
	recent [8]*turn
	oldest int
}

// recall takes the turn of that id out of the recent ones, or returns nil.
func (s *queueShard) recall(id *store.ID) *turn {
	for i, t := range s.recent {
		if t != nil && t.last.ID == *id {
			s.recent[i] = nil
			return t
		}
	}
	return nil
}

// remember keeps a turn that has ended, in the place of the oldest that is not of
// a busy session, and returns that.
func (s *queueShard) remember(t *turn) (forgotten *turn) {
	if i := slices.Index(s.recent[:], nil); i >= 0 {
		s.recent[i] = t
		return nil
	}
	for tries := 0; ; tries++ {
		place := &s.recent[s.oldest]
		s.oldest = (s.oldest + 1) % len(s.recent)
		if old := *place; tries == len(s.recent) || !old.heat.busy(t.last.Seen) {
			*place = t
			return old
		}
	}
}

// A turn is the line of commits of one id. It exists while somebody holds or
// awaits it. One goroutine at a time holds it and has it to itself, but for what
// the shard guards: those who wait may leave.
type turn struct {
	// What this process remembers of the session. It is a hint.
	last store.Record // what it stored last
	heat heat

	// The chain: those whose changes the next store call takes along.
	chain []*commitment // changed by the holder, with the shard's lock
	next  int           // chain[next:] have still to replay
	base  store.Record  // what the store has, if Version is not 0
	tip   *store.Record // the same with the changes of chain[:next], which may change nothing
	tries int           // conflicts of this chain

	rested bool // it has waited for more to come along

	// Guarded by the shard.
	waiting []*commitment // in line, the first first
	storing bool          // the chain is with the store: nobody leaves it
}

// errDeserted is what those find whose store call panicked.
var errDeserted = errors.New("coatcheck: commit session: the store panicked")

// maxChain bounds how many commits share a store call.
const maxChain = 64

// turns are reused: nearly every commit makes one for itself alone.
var turns = sync.Pool{New: func() any { return new(turn) }}

func (q *queue) shard(id *store.ID) *queueShard { return &q.shards[id[0]%byte(len(q.shards))] }

// take gets the id's turn, for which it waits until the commitment's time is over.
func (q *queue) take(id *store.ID, c *commitment) (*turn, error) {
	shard := q.shard(id)
	shard.mu.Lock()
	t := shard.turns[*id]
	if t == nil {
		if shard.turns == nil {
			shard.turns = make(map[store.ID]*turn)
		}
		if t = shard.recall(id); t == nil {
			t = turns.Get().(*turn)
		}
		t.chain = append(t.chain, c)
		shard.turns[*id] = t
		shard.mu.Unlock()
		return t, nil
	}
	c.waits()
	t.waiting = append(t.waiting, c)
	shard.mu.Unlock()
	return t, q.wait(id, t, c)
}

// waits makes what wakes the commitment. The shard is locked.
func (c *commitment) waits() {
	if c.waited = true; c.wake == nil {
		c.wake = make(chan struct{}, 1)
	}
}

// wait returns when somebody hands on the turn, or tells the outcome. When the
// commitment's time is over it leaves the line, or the chain unless that is with
// the store, which ends in time.
func (q *queue) wait(id *store.ID, t *turn, c *commitment) error {
	begun := time.Now()
	defer func() { c.inLine += time.Since(begun) }()
	select {
	case <-c.wake:
		return nil
	case <-c.ctx.Done():
	}
	if q.leave(id, t, c) {
		return c.ctx.Err()
	}
	<-c.wake
	return nil
}

func (q *queue) leave(id *store.ID, t *turn, c *commitment) bool {
	shard := q.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if len(c.wake) > 0 { // at the last moment
		return false
	}
	if i := slices.Index(t.waiting, c); i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	} else if t.storing {
		return false
	}
	c.left = true
	return true
}

// pass hands the turn on to whoever is next, and reports whether that is c
// itself. Where nobody is the turn ends.
func (q *queue) pass(id *store.ID, t *turn, c *commitment) bool {
	shard := q.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t.purge()
	switch next := t.successor(); next {
	case c:
		return true
	case nil:
		delete(shard.turns, *id)
		t.base, t.tip, t.next, t.tries, t.rested = store.Record{}, nil, 0, 0, false
		if t.last.Version != 0 {
			t = shard.remember(t)
		}
		if t != nil {
			t.last, t.heat = store.Record{}, heat{}
			turns.Put(t)
		}
	default:
		if !c.done {
			c.waits()
		}
		next.wake <- struct{}{} // has room: whoever is woken takes it before the next
	}
	return false
}

// purge drops those who have left the chain. Where that changes what the others
// replayed on they start anew.
func (t *turn) purge() {
	kept, done, again := 0, t.next, false
	for i, m := range t.chain {
		switch {
		case !m.left:
			t.chain[kept] = m
			kept++
		case i < done:
			again = again || !m.idle
			t.next--
		}
	}
	clear(t.chain[kept:])
	if t.chain = t.chain[:kept]; again {
		t.restart(t.base)
	}
}

// restart lets the whole chain replay on a record.
func (t *turn) restart(base store.Record) {
	t.base, t.next = base, 0
	t.tip = &t.base
}

// moved reports whether the chain's changes change something.
func (t *turn) moved() bool { return t.tip != nil && t.tip != &t.base }

// successor returns who goes on: who has still to replay, else one more of those
// who wait, else the last of the chain, who stores.
func (t *turn) successor() *commitment {
	if t.next == len(t.chain) && len(t.waiting) > 0 && t.joins(t.waiting[0]) {
		if len(t.chain) == 0 {
			t.restart(store.Record{})
			t.tries, t.rested = 0, false
		}
		t.chain = append(t.chain, t.waiting[0])
		t.waiting = slices.Delete(t.waiting, 0, 1)
	}
	switch {
	case len(t.chain) == 0:
		return nil
	case t.next < len(t.chain):
		return t.chain[t.next]
	}
	return t.chain[len(t.chain)-1]
}

// joins reports whether a commitment may come along with the chain: one that
// changes the token goes alone, and so does one whose time would cut short that
// of the others.
func (t *turn) joins(c *commitment) bool {
	return len(t.chain) == 0 ||
		len(t.chain) < maxChain && t.chain[0].plain && c.plain && time.Until(c.ctx.At) >= 2*lookTime
}

// closes takes the chain to the store: from here on nobody leaves it. It reports
// until when all of them have time, and that nobody has to replay again.
func (q *queue) closes(id *store.ID, t *turn, holder *commitment) (end time.Time, ok bool) {
	if t.alone(holder) { // nobody else could leave
		return holder.ctx.At, true
	}
	shard := q.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	for _, m := range t.chain {
		switch {
		case m.left:
		case len(t.chain) > 1 && time.Until(m.ctx.At) < lookTime: // after many conflicts
			m.left = true
			m.tell(context.DeadlineExceeded, holder)
		case end.IsZero() || m.ctx.At.Before(end):
			end = m.ctx.At
		}
	}
	t.purge()
	t.storing = t.moved() && t.next == len(t.chain)
	return end, t.storing
}

// alone reports whether nobody but the holder is in the chain. Then only the
// holder looks at it.
func (t *turn) alone(holder *commitment) bool { return len(t.chain) == 1 && t.chain[0] == holder }

// ends ends the chain: err is the store's word on all of it.
func (q *queue) ends(id *store.ID, t *turn, holder *commitment, err error) {
	if t.alone(holder) && !t.storing { // its rec is the tip
		holder.stored = err == nil
		holder.tell(err, holder)
		t.clear()
		return
	}
	shard := q.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t.storing = false
	made := *t.tip // a member's own: whoever is told goes on with it
	for _, m := range t.chain {
		if !m.left {
			m.rec, m.stored = made, err == nil
			m.tell(err, holder)
		}
	}
	t.clear()
}

// clear empties the chain.
func (t *turn) clear() {
	clear(t.chain)
	t.chain, t.next = t.chain[:0], 0
}

// splits ends a chain of which nobody knows whose changes were too many: each
// tries alone.
func (q *queue) splits(id *store.ID, t *turn) {
	shard := q.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t.storing = false
	t.purge()
	for _, m := range t.chain {
		m.plain = false
	}
	t.waiting = append(t.chain, t.waiting...)
	t.chain, t.next = nil, 0
}

// tell ends the commitment with the store's word, and its wait unless it is the
// holder. The shard is locked.
func (c *commitment) tell(err error, holder *commitment) {
	c.done, c.err = true, err
	if c != holder {
		c.wake <- struct{}{}
	}
}

// opens takes the chain back from the store, which has not taken it.
func (q *queue) opens(id *store.ID, t *turn) {
	shard := q.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t.storing = false
}

// restarts lets the chain replay on what the store has just said.
func (q *queue) restarts(id *store.ID, t *turn, rec store.Record) {
	shard := q.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t.restart(rec)
	t.last = rec
	for _, m := range t.chain {
		m.sure = true
	}
}

// desert is for a function of the application that panicked in the middle, or
// for a store: nobody knows what became of that call.
func (q *queue) desert(id *store.ID, t *turn, c *commitment) {
	c.settle(errDeserted)
	if t.storing {
		q.ends(id, t, c, errDeserted)
	}
	q.pass(id, t, c)
}
