package coatcheck

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/internal/record"
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
	mu sync.Mutex
	// Those that somebody holds, and the latest that have ended, for what they know of
	// their sessions.
	turns  [8]*turn
	more   map[store.ID]*turn // held, where there was no room
	oldest int
}

// A turn is the line of commits of one id. One goroutine at a time holds it and has it
// to itself, but for what the shard guards: those who wait may leave.
type turn struct {
	// What this process remembers of the session. It is a hint.
	last snapshot // what it stored last
	heat heat

	// The chain: those whose changes the next store call takes along.
	chain []*pendingWrite // changed by the holder, with the shard's lock
	next  int             // chain[next:] have still to replay
	base  snapshot        // what the store has, if Version is not 0
	tip   *snapshot       // the same with the changes of chain[:next], which may change nothing
	tries int             // conflicts of this chain

	rested bool // it has waited for more to come along

	// Guarded by the shard.
	id      store.ID
	held    bool            // somebody holds or awaits it
	waiting []*pendingWrite // in line, the first first
	storing bool            // the chain is with the store: nobody leaves it
}

// maxChain bounds how many commits share a store call.
const maxChain = 64

// errDeserted is what those find whose store call panicked.
var errDeserted = errors.New("coatcheck: commit session: the store panicked")

// turns are reused: nearly every commit makes one for itself alone.
var turns = sync.Pool{New: func() any { return new(turn) }}

// commitInTurn commits when all that came before have, or together with them:
// whoever holds the turn replays its changes on what the one before it made and
// hands that on, and the last stores it for all.
func (s *Session) commitInTurn(c *pendingWrite, phase uint32) error {
	q, id := &s.x.m.commits, s.base.ID
	c.plain = s.tokenChange == keepToken && s.remember == 0
	if s.x.m.observer != nil {
		defer s.observe(c)
	}
	t, err := q.enter(&id, c)
	if err != nil {
		return fmt.Errorf("coatcheck: commit session: %w", err)
	}
	defer func() {
		if !c.done {
			q.failTurn(&id, t, c)
			s.restore(c)
		}
	}()
	for !c.done {
		if t.next < len(t.chain) {
			s.step(t, c, phase)
		} else {
			s.storeChain(&id, t, c)
		}
		done := c.done // while this has the turn nobody else says so
		if q.handOn(&id, t, c) || done {
			continue
		}
		if err := q.wait(&id, t, c); err != nil {
			c.done, c.err = true, fmt.Errorf("coatcheck: commit session: %w", err)
		}
	}
	return s.outcome(c)
}

// step replays this commit's changes on what the chain has come to, unless there
// it has nothing to do or is refused. Then that is settled only if the store
// itself has said what it was decided on, else when it says so of the chain (G1).
func (s *Session) step(t *turn, c *pendingWrite, phase uint32) {
	if c.waited || t.tries > 0 {
		c.now = clock()
		if err := c.context().Err(); err != nil {
			c.conclude(fmt.Errorf("coatcheck: commit session: %w", err))
			return
		}
	}
	if err := s.onTo(t, c); err != nil {
		c.conclude(err)
		return
	}
	if s.base.expired(c.now) { // unless another request has moved the idle end
		if c.sure {
			c.conclude(store.ErrNotFound)
		} else {
			s.reloadChain(t, c, nil)
		}
		return
	}
	c.steps++
	needed, err := s.prepare(c, phase)
	c.idle, c.refusal = !needed || err != nil, err
	switch {
	case !c.idle:
		t.tip = &c.rec
	case s.base.sure && !t.moved():
		c.home = nil // what the store has is no worse
		c.conclude(nil)
		return
	}
	t.next++
}

// onTo makes what the chain has come to this session's base. The first of a
// chain begins with what it loaded, or with what this process stored last.
func (s *Session) onTo(t *turn, c *pendingWrite) error {
	last := &t.last
	if s.otherWrote(last, c.waited) {
		t.heat.sawRival(time.Now())
	}
	switch {
	case t.base.Version != 0:
		if t.moved() && c.home == nil {
			home := s.base
			c.home = &home
		}
		return s.rebase(t.tip, c.sure && !t.moved())
	case last.Version != 0 && (c.waited || last.seen >= s.base.seen):
		if err := s.rebase(last, false); err != nil {
			return err
		}
	}
	t.base = s.base
	t.tip = &t.base
	return nil
}

// storeChain makes the one store call of a chain.
func (s *Session) storeChain(id *store.ID, t *turn, c *pendingWrite) {
	q := &s.x.m.commits
	if !t.moved() { // nothing was compared: G1 wants the store's word
		s.reloadChain(t, c, nil)
		return
	}
	if wait := t.heat.pauseBefore(len(t.chain), t.rested); wait > 0 {
		t.rested = true
		c.sleep(wait) // who comes meanwhile comes along
		return
	}
	end, ok := q.closeChain(id, t, c)
	if !ok { // somebody has left: those who stay replay without
		return
	}
	if c.ifVersion = t.base.Version; t.tip != &c.rec {
		c.rec = *t.tip
	}
	err := s.write(c, end)
	switch {
	case err == nil:
		if c.maker = true; !c.fresh {
			t.last = *t.tip
		}
		t.heat.committed(c.ifVersion, c.rec.Version, len(t.chain), c.waited)
		q.endChain(id, t, c, nil)
	case errors.Is(err, ErrConflict):
		q.reopenChain(id, t)
		t.heat.sawRival(time.Now())
		s.x.event(Event{Kind: Conflict, Handle: id.Handle(), User: t.base.User, Reason: reasonConflict})
		s.reloadChain(t, c, err)
		t.tries++
	case errors.Is(err, ErrFull) && len(t.chain) > 1:
		q.splitChain(id, t)
	default:
		q.endChain(id, t, c, err)
	}
}

// reloadChain lets the chain replay on what the store has now, as the conflict tells
// or a load.
func (s *Session) reloadChain(t *turn, c *pendingWrite, conflict error) {
	now, err := s.storedNow(c, conflict, t.tries)
	q, id := &s.x.m.commits, &s.base.ID
	switch {
	case err == nil:
		q.restartChain(id, t, now)
	case c.context().Err() != nil && len(t.chain) > 1: // the others may have more time
		c.conclude(err)
	default:
		q.endChain(id, t, c, err)
	}
}

// storedNow returns what the store has now. From the second conflict on it first
// pauses a little, so that many processes do not keep in step.
func (s *Session) storedNow(c *pendingWrite, conflict error, try int) (snapshot, error) {
	now, ok := conflictRecord(conflict, s.base.ID)
	if conflict != nil && try%8 == patience {
		s.showItself(c, latest(now.Seen, s.base.Seen()))
	}
	if conflict != nil && try > 0 {
		if c.sleep(time.Millisecond + rand.N(time.Millisecond)); c.context().Err() != nil {
			return snapshot{}, fmt.Errorf("coatcheck: commit session: %w", ErrConflict)
		}
	}
	if ok {
		return snapshotOf(&now), nil
	}
	rec, err := s.x.m.carrier.Load(c.context(), s.base.ID)
	if err != nil && !isOver(err) {
		c.told = s.x.storeError(s.base.ID, "load", err)
		err = fmt.Errorf("coatcheck: commit session: %w", err)
	}
	return snapshotOf(&rec), err
}

// rebase takes what the store has of the same session: sure, if it has just said
// so, else as far as this process knows.
func (s *Session) rebase(on *snapshot, sure bool) error {
	if on.Version == s.base.Version { // perhaps seen since
		s.base.seen, s.base.expires = max(s.base.seen, on.seen), max(s.base.expires, on.expires)
		s.base.sure = s.base.sure || sure
		return nil
	}
	h, err := record.Open(on.Data)
	if err != nil {
		return ErrEnded
	}
	s.setBase(on, &h)
	s.base.sure = sure
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// outcome is what the store's word on the chain says of this commit.
func (s *Session) outcome(c *pendingWrite) error {
	switch {
	case c.maker && c.err == nil:
		c.err = s.committed(c)
	case c.stored:
		s.rebase(&c.rec, true)
	default:
		s.restore(c)
	}
	if c.err == nil {
		c.refused = c.refusal != nil
		return s.nothing(c.refusal)
	}
	return c.err
}

// restore takes back as base what this request had before it went on from what
// others had not stored yet.
func (s *Session) restore(c *pendingWrite) {
	if c.home != nil {
		s.rebase(c.home, false)
		c.home = nil
	}
}

// observe tells how a commit fared in the queue (G13).
func (s *Session) observe(c *pendingWrite) {
	s.x.m.observer.Committed(s.x.parent(), store.Commit{Wait: c.inLine, Replays: max(0, c.steps-1)})
}

// conclude ends this commit by itself; whoever is next goes on without it.
func (c *pendingWrite) conclude(err error) {
	c.done, c.left = true, true
	if err != nil {
		c.err = err
	}
}

func (q *queue) shard(id *store.ID) *queueShard { return &q.shards[id[0]%byte(len(q.shards))] }

// find returns the turn of that id, or nil.
func (s *queueShard) find(id *store.ID) *turn {
	for _, t := range s.turns {
		if t != nil && t.id == *id {
			return t
		}
	}
	return s.more[*id]
}

// place keeps a turn, where nothing is or in place of the oldest that nobody holds,
// and rather not of one of a busy session, which it drops. It reports whether there was
// room.
func (s *queueShard) place(t *turn, now time.Time) bool {
	if i := slices.Index(s.turns[:], nil); i >= 0 {
		s.turns[i] = t
		return true
	}
	for tries := range 2 * len(s.turns) {
		place := &s.turns[s.oldest]
		s.oldest = (s.oldest + 1) % len(s.turns)
		if old := *place; !old.held && (tries >= len(s.turns) || !old.heat.busy(now)) {
			*place = t
			old.drop()
			return true
		}
	}
	return false
}

// drop gives a turn away that nobody holds, for another session.
func (t *turn) drop() {
	t.id, t.last, t.heat = store.ID{}, snapshot{}, heat{}
	turns.Put(t)
}

// forget drops what is remembered of a session that was written past the queue.
func (q *queue) forget(id *store.ID) {
	shard := q.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if t := shard.find(id); t != nil && !t.held {
		shard.remove(t)
		t.drop()
	}
}

// remove takes a turn out of its place.
func (s *queueShard) remove(t *turn) {
	if i := slices.Index(s.turns[:], t); i >= 0 {
		s.turns[i] = nil
		return
	}
	delete(s.more, t.id)
}

// enter gets the id's turn, for which it waits until the commit's time is over.
func (q *queue) enter(id *store.ID, c *pendingWrite) (*turn, error) {
	shard := q.shard(id)
	shard.mu.Lock()
	t := shard.find(id)
	if t != nil && t.held {
		c.waits()
		t.waiting = append(t.waiting, c)
		shard.mu.Unlock()
		return t, q.wait(id, t, c)
	}
	if t == nil {
		t = turns.Get().(*turn)
		if t.id = *id; !shard.place(t, c.now) {
			if shard.more == nil {
				shard.more = make(map[store.ID]*turn)
			}
			shard.more[*id] = t
		}
	}
	t.held, t.chain = true, append(t.chain, c)
	shard.mu.Unlock()
	return t, nil
}

// waits makes what wakes the commit. The shard is locked.
func (c *pendingWrite) waits() {
	if c.waited = true; c.wake == nil {
		c.wake = make(chan struct{}, 1)
	}
}

// wait returns when somebody hands on the turn, or tells the outcome. When the
// commit's time is over it leaves the line, or the chain unless that is with
// the store, which ends in time.
func (q *queue) wait(id *store.ID, t *turn, c *pendingWrite) error {
	begun := time.Now()
	defer func() { c.inLine += time.Since(begun) }()
	select {
	case <-c.wake:
		return nil
	case <-c.context().Done():
	}
	if q.leaveLine(id, t, c) {
		return c.context().Err()
	}
	<-c.wake
	return nil
}

// leaveLine takes out who has no more time, unless it was woken, or its changes are
// on their way to the store.
func (q *queue) leaveLine(id *store.ID, t *turn, c *pendingWrite) bool {
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

// handOn hands the turn on to whoever is next, and reports whether that is c
// itself. Where nobody is the turn ends.
func (q *queue) handOn(id *store.ID, t *turn, c *pendingWrite) bool {
	shard := q.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t.purge()
	switch next := t.successor(); next {
	case c:
		return true
	case nil:
		t.held, t.base, t.tip, t.next, t.tries, t.rested = false, snapshot{}, nil, 0, 0, false
		if known := t.last.Version != 0; !known || shard.more[*id] == t {
			shard.remove(t)
			if !known || !shard.place(t, t.last.Seen()) {
				t.drop()
			}
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
	if len(t.chain) == 0 {
		return
	}
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
func (t *turn) restart(base snapshot) {
	t.base, t.next = base, 0
	t.tip = &t.base
}

// moved reports whether the chain's changes change something.
func (t *turn) moved() bool { return t.tip != nil && t.tip != &t.base }

// successor returns who goes on: who has still to replay, else one more of those
// who wait, else the last of the chain, who stores.
func (t *turn) successor() *pendingWrite {
	if t.next == len(t.chain) && len(t.waiting) > 0 && t.joins(t.waiting[0]) {
		if len(t.chain) == 0 {
			t.restart(snapshot{})
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

// joins reports whether a commit may come along with the chain: one that
// changes the token goes alone, and so does one whose time would cut short that
// of the others.
func (t *turn) joins(c *pendingWrite) bool {
	return len(t.chain) == 0 ||
		len(t.chain) < maxChain && t.chain[0].plain && c.plain && time.Until(c.at) >= 2*lookTime
}

// closeChain takes the chain to the store: from here on nobody leaves it. It reports
// until when all of them have time, and that nobody has to replay again.
func (q *queue) closeChain(id *store.ID, t *turn, holder *pendingWrite) (end time.Time, ok bool) {
	if t.alone(holder) { // nobody else could leave
		return holder.at, true
	}
	shard := q.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	for _, m := range t.chain {
		switch {
		case m.left:
		case len(t.chain) > 1 && time.Until(m.at) < lookTime: // after many conflicts
			m.left = true
			m.tell(context.DeadlineExceeded, holder)
		case end.IsZero() || m.at.Before(end):
			end = m.at
		}
	}
	t.purge()
	t.storing = t.moved() && t.next == len(t.chain)
	return end, t.storing
}

// alone reports whether nobody but the holder is in the chain. Then only the
// holder looks at it.
func (t *turn) alone(holder *pendingWrite) bool { return len(t.chain) == 1 && t.chain[0] == holder }

// endChain ends the chain: err is the store's word on all of it.
func (q *queue) endChain(id *store.ID, t *turn, holder *pendingWrite, err error) {
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

// splitChain ends a chain of which nobody knows whose changes were too many: each
// tries alone.
func (q *queue) splitChain(id *store.ID, t *turn) {
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

// tell ends the commit with the store's word, and its wait unless it is the
// holder. The shard is locked.
func (c *pendingWrite) tell(err error, holder *pendingWrite) {
	c.done, c.err = true, err
	if c != holder {
		c.wake <- struct{}{}
	}
}

// reopenChain takes the chain back from the store, which has not taken it.
func (q *queue) reopenChain(id *store.ID, t *turn) {
	shard := q.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t.storing = false
}

// restartChain lets the chain replay on what the store has just said.
func (q *queue) restartChain(id *store.ID, t *turn, now snapshot) {
	shard := q.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t.restart(now)
	t.last = now
	for _, m := range t.chain {
		m.sure = true
	}
}

// failTurn is for a function of the application that panicked in the middle, or
// for a store: nobody knows what became of that call.
func (q *queue) failTurn(id *store.ID, t *turn, c *pendingWrite) {
	c.conclude(errDeserted)
	if t.storing {
		q.endChain(id, t, c, errDeserted)
	}
	q.handOn(id, t, c)
}

// Of two processes that write one session the one that is nearer to the store
// would win every time: between what the other reads and what it writes lies its
// whole distance. So whoever loses again and again shows itself, by a touch, and
// whoever has won then makes a pause.
const (
	calm     = time.Second // after so long without another process nobody yields to one
	minPause = time.Millisecond
	maxPause = 128 * time.Millisecond
	patience = 2                      // conflicts before a process shows itself, and again after each eight
	ahead    = 250 * time.Millisecond // so much later than the session was last seen is the touch that shows it
	farAhead = 5 * time.Second        // but no more than this beyond its own clock
)

// A heat is what a process knows of how busy a session is, here and elsewhere. It
// makes nobody wait who does not share the session with others.
type heat struct {
	latest   time.Time     // commits have been waiting for each other here
	rival    time.Time     // when another process last showed
	mine     uint64        // the version that was stored here last
	alone    int           // how often since it did
	together int           // how many commits shared the last store call
	pause    time.Duration // after each commit, while there is a rival
	until    time.Time     // the pause under way
}

// busy reports whether commits waited for each other a moment ago.
func (h *heat) busy(now time.Time) bool { return now.Sub(h.latest) < calm }

// committed takes note of a commit here, of so many together, which one that waited
// for nobody is not. The pause after it grows while the other process comes in
// between less than every third time.
func (h *heat) committed(was, version uint64, together int, waited bool) {
	if !waited && h.mine == 0 && h.rival.IsZero() {
		return // nobody waits for anybody
	}
	now := time.Now()
	if !h.busy(now) && !h.shared(now) {
		*h = heat{}
	}
	if h.mine != 0 && h.mine != was {
		h.rival, h.alone = now, 0
	} else {
		h.alone++
	}
	h.mine = version
	if waited {
		h.latest, h.together = now, together
	}
	if !h.shared(now) {
		return
	}
	if h.alone == 0 {
		h.pause = h.pause * 15 / 16
	} else if h.alone > 1 {
		h.pause = 2 * h.pause
	}
	h.pause = min(max(h.pause, minPause), maxPause)
	h.until = now.Add(h.pause)
}

// shared reports whether another process commits to the session too.
func (h *heat) shared(now time.Time) bool { return now.Sub(h.rival) < calm }

// sawRival takes note of another process.
func (h *heat) sawRival(now time.Time) { h.rival = now }

// pauseBefore returns how long a chain of that length should wait before its store
// call, so that others get in between, or, once, that more come along: with
// another process each call that succeeds is precious.
func (h *heat) pauseBefore(chain int, rested bool) time.Duration {
	if h.rival.IsZero() {
		return 0
	}
	now := time.Now()
	wait := h.until.Sub(now)
	if !rested && chain < h.together/2 && h.shared(now) {
		wait = max(wait, minPause)
	}
	return wait
}

// showItself lets the processes that win know of this one: they find the session seen
// by somebody else. It is a hint, and nobody waits for what becomes of it.
func (s *Session) showItself(c *pendingWrite, seen time.Time) {
	if seen = seen.Add(ahead); seen.After(clock().Add(farAhead)) {
		return
	}
	_ = s.x.m.carrier.Touch(c.context(), s.base.ID, seen, utc(idleEnd(seen.UnixMicro(), s.idleTime(), s.base.deadline)))
}

// otherWrote reports whether another process has seen the session since this one
// stored last, what it loaded says; of who has waited, before that. Touches of
// its own are a tenth of the idle time apart.
func (s *Session) otherWrote(last *snapshot, waited bool) bool {
	return last.Version != 0 && (waited || s.base.Version == last.Version) &&
		s.base.seen > last.seen && s.base.seen-last.seen < s.idleTime().Microseconds()/10
}
