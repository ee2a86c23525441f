package coatcheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/wait"
	"github.com/coatcheck/coatcheck/store"
)

// settle commits what is pending before the first byte, makes the automatic
// touch, and puts the session's headers into the response, which then enters
// the next phase.
func (s *Session) settle(next uint32) error {
	if !s.lock() {
		return errStuck
	}
	defer s.unlock()
	s.commit(next)
	s.dropLateCookie()
	if s.err != nil {
		return s.err
	}
	s.touchIfDue()
	s.putHeaders()
	// With the latch held: a goroutine of the handler that commits now must
	// find that its cookie comes too late.
	s.x.enter(next)
	return nil
}

// dropLateCookie keeps the cookie that an early commit set or cleared from
// leaving so late that it could replace a newer one (G2).
func (s *Session) dropLateCookie() {
	if s.x.out.sid == "" || !s.x.tooOld(clock()) {
		return
	}
	if !s.live { // the logout is done; only the browser keeps what opens nothing
		s.x.out.sid, s.x.out.marker = "", ""
		return
	}
	id := s.base.ID
	s.gone()
	s.fail(errTooOld)
	ctx := wait.Detached(s.x.Context, time.Now().Add(commitTimeout))
	defer ctx.End()
	s.x.m.endOne(ctx, id, Event{Kind: LoggedOut, Reason: reasonNeverSent}) // nobody will ever hold its token
}

// tooOld reports whether a Set-Cookie of this request could come after the end
// of a session was forgotten, and replace or clear the cookie of a newer one.
func (x *exchange) tooOld(now time.Time) bool { return now.Sub(x.began) > cookieWindow }

// close commits what changed after the first byte and ends the request's use of
// the session: in one hold of the latch, or a goroutine of the handler could
// change it in between, without an error and without effect (G4).
func (s *Session) close() {
	if !s.lock() {
		// A call did not end. What it has changed nobody can tell.
		s.x.enter(closed)
		s.x.event(Event{Kind: Late, Reason: reasonInUse})
		return
	}
	defer s.unlock()
	s.closeLocked(s.x.phase())
}

// closeFrom is close for a session that the exchange did not have yet when it
// was closed: phase is that of before.
func (s *Session) closeFrom(phase uint32) {
	if s.lock() {
		defer s.unlock()
		s.closeLocked(phase)
	}
}

func (s *Session) closeLocked(phase uint32) {
	waits := s.pending() && !s.rehearses()
	if waits && s.x.out.returned && phase != replaced {
		// It needs no cookie, or it would have been refused.
		s.commit(phase)
	}
	s.x.enter(closed)
	if waits && phase != replaced && s.lost() {
		reason := reasonUnsaved
		if !s.x.out.returned {
			reason = s.x.whyAbandoned()
		}
		s.x.event(Event{Kind: Late, Handle: s.handle(), Reason: reason})
	}
	if phase == open { // a panic: our headers are for whoever answers
		s.dropLateCookie()
		s.putHeaders()
	}
	if s.stream != nil && phase != hijacked {
		s.x.m.streams.remove(s.stream)
	}
	s.tellMissed()
}

// lost reports whether changes will never be stored and no event tells: no
// handler can see an error any more.
func (s *Session) lost() bool {
	if s.err == nil {
		return s.pending()
	}
	return !errors.Is(s.err, ErrLate) && !errors.Is(s.err, ErrEnded) && !errors.Is(s.err, ErrHeldBack) && !errors.Is(s.err, ErrUnproven)
}

func (s *Session) pending() bool {
	return s.identity != keepToken || s.drop || s.left || s.changes != nil && (len(s.ops) > 0 || s.remember != 0)
}

// commit stores what is pending; phase is that of the response, or the one it is
// about to enter. The latch is held.
func (s *Session) commit(phase uint32) {
	if s.err != nil || !s.pending() {
		return
	}
	// Detached: a client that leaves must not leave half a login behind (G5).
	// But http.TimeoutHandler has answered when the deadline has passed.
	c := &s.changes.commit
	if c.ctx.Parent != nil { // a store may still hold the context of an earlier commit
		c = new(commitment)
	}
	now := time.Now()
	c.now = micros(now)
	c.ctx.Parent, c.ctx.Detached, c.ctx.At = s.x.Context, true, now.Add(commitTimeout)
	defer c.end()
	if s.x.phase() != open { // a stream may have loaded its record long ago
		s.doubt()
	}
	err := error(ErrLate)
	if s.x.Context.Err() != context.DeadlineExceeded {
		err = s.commitTo(c, phase)
	}
	if err != nil {
		s.failTold(err, c.told)
	}
}

func (s *Session) commitTo(c *commitment, phase uint32) error {
	if s.rehearses() {
		return s.rehearse(c, phase)
	}
	if s.left {
		if err := s.commitLogout(c); err != nil {
			return err
		}
	}
	if s.live {
		return s.commitLive(c, phase)
	}
	return s.commitAlone(c, phase)
}

// rehearse does all of a commit but the storing, for HEAD: it is answered as GET
// would be, and keeps nothing (G4). What is pending stays so, for the handler to
// find what it has changed.
func (s *Session) rehearse(c *commitment, phase uint32) error {
	if s.live && over(&s.base, c.now) {
		if s.gone(); s.identity != logIn {
			return ErrEnded
		}
	}
	_, err := s.prepare(c, phase)
	return err
}

// rehearses reports whether nothing that the request changes is kept.
func (s *Session) rehearses() bool {
	return s.x.r.Method == http.MethodHead && !prefetch(s.x.r)
}

// commitLogout ends the session that the browser brought, and the one that a
// login meanwhile made of it.
func (s *Session) commitLogout(c *commitment) error {
	if prefetch(s.x.r) && !(s.noCookie && s.leaving.IsZero()) {
		return ErrReadOnly
	}
	s.x.out.sid, s.x.out.marker = "", ""
	late := s.x.tooOld(c.now)
	if late && s.leaving.IsZero() && !s.wasLeft && s.hasCookie() {
		return errForgotten // the browser may have a session by now, which this would not end
	}
	for _, first := range [...]store.ID{s.leaving, s.brought} {
		// The chain ends: each link was a login or renewal within the last minute.
		for id := first; !id.IsZero(); {
			next, err := s.endLink(c, id, late)
			if err != nil {
				return err
			}
			id = next
		}
	}
	for _, id := range s.rivals() {
		if _, err := s.x.m.endOne(c.calling(c.ctx.At), id, Event{Kind: LoggedOut}); err != nil {
			c.told = storeFailed(err)
			return err
		}
	}
	if s.x.phase() == open {
		s.clearCookie()
	}
	s.leaving, s.leaver, s.was, s.brought, s.left, s.wasLeft = store.ID{}, "", nil, store.ID{}, false, true
	s.ended, s.replaced, s.finished = false, false, false
	return nil
}

// endLink ends one id of the chain and returns the one that had replaced it. A
// late request first asks what became of the id: where the tombstone, and with it
// the successor, may be forgotten, nobody can tell whether the end is one (G2).
func (s *Session) endLink(c *commitment, id store.ID, late bool) (next store.ID, err error) {
	m, ctx := s.x.m, c.calling(c.ctx.At)
	defer c.release(ctx)
	var ended store.EndedError
	if late {
		switch _, err := m.carrier.Load(ctx, id); {
		case errors.Is(err, ErrEnded):
			if e := (*store.EndedError)(nil); errors.As(err, &e) {
				ended = *e
			}
		case errors.Is(err, store.ErrNotFound), errors.Is(err, errors.ErrUnsupported):
			return store.ID{}, errForgotten
		case err != nil:
			c.told = s.x.storeError(id, "load", err)
			return store.ID{}, fmt.Errorf("coatcheck: end session: %w", err)
		}
	}
	if next, err = m.endOne(ctx, id, Event{Kind: LoggedOut, User: s.leaver}); err != nil { // perhaps applied; a second time does no harm
		next, err = m.endOne(&c.ctx, id, Event{Kind: LoggedOut, User: s.leaver})
		c.told = storeFailed(err)
	}
	if next.IsZero() { // perhaps swept since
		next = ended.Next
	}
	return next, err
}

// hasCookie reports whether the browser brought the session's cookie or marker.
func (s *Session) hasCookie() bool {
	if !s.noCookie {
		return true
	}
	if s.x.m.marker == nil {
		return false
	}
	_, err := s.x.m.marker.Read(s.x.r.Header)
	return !isAbsent(err)
}

// clearCookie removes session cookie and marker from a browser that has them, if
// the answer does not leave too late for that (see dropLateCookie).
func (s *Session) clearCookie() {
	m := s.x.m
	if !s.hasCookie() {
		return
	}
	if m.bearer {
		s.x.out.sid = noToken
		return
	}
	s.x.out.forget = !m.cfg.KeepSiteData
	s.rescoped = m.carrier.inCookie()
	s.x.out.sid = m.sid.Expired()
	if m.marker != nil {
		s.x.out.marker = m.marker.Expired()
	}
}

// commitLive updates the session or gives it a new token.
func (s *Session) commitLive(c *commitment, phase uint32) error {
	var err error
	switch {
	case !s.x.m.carrier.inCookie():
		err = s.commitInTurn(c, phase)
	case over(&s.base, c.now):
		err = store.ErrNotFound
	default: // no version is compared there: only what the browser brought may be the base
		err = s.commitAlone(c, phase)
	}
	if !c.refused && isOver(err) {
		if s.identity == logIn {
			if err := s.refusedLogin(c, err); err != nil {
				return err
			}
		}
		s.endedBy(err)
		s.gone()
		if s.identity != logIn {
			return s.why()
		}
		// Whoever has just proven who they are gets a new, empty session.
		return s.commitAlone(c, phase)
	}
	return err
}

// refusedLogin returns why a login must not go on with a new session: it was
// refused for a revocation of its user, which is not to be asked again, since a
// server whose clock is ahead may have forgotten it by then, and what the browser
// has would stay alive (G2). The session in which it was made goes on, also one
// that this request has just made.
func (s *Session) refusedLogin(c *commitment, err error) error {
	if !errors.Is(err, ErrEnded) {
		return nil
	}
	_, look := s.x.m.carrier.load(&c.ctx, ticket{id: s.base.ID, rec: &s.base})
	switch {
	case look == nil:
		return errRevoked
	case isOver(look):
		s.endedBy(look)
		return nil
	}
	c.told = s.x.storeError(s.base.ID, "load", look)
	return fmt.Errorf("coatcheck: commit session: %w", look)
}

// commitInTurn commits when all that came before have, or together with them:
// whoever holds the turn replays its changes on what the one before it made and
// hands that on, and the last stores it for all.
func (s *Session) commitInTurn(c *commitment, phase uint32) error {
	q, id := &s.x.m.commits, s.base.ID
	c.plain = s.identity == keepToken && s.remember == 0
	if s.x.m.observer != nil {
		defer s.observe(c)
	}
	t, err := q.take(&id, c)
	if err != nil {
		return fmt.Errorf("coatcheck: commit session: %w", err)
	}
	defer func() {
		if !c.done {
			q.desert(&id, t, c)
			s.restore(c)
		}
	}()
	for !c.done {
		if t.next < len(t.chain) {
			s.step(t, c, phase)
		} else {
			s.store(&id, t, c)
		}
		done := c.done // while this has the turn nobody else says so
		if q.pass(&id, t, c) || done {
			continue
		}
		if err := q.wait(&id, t, c); err != nil {
			c.done, c.err = true, fmt.Errorf("coatcheck: commit session: %w", err)
		}
	}
	return s.outcome(c)
}

// outcome is what the store's word on the chain says of this commit.
func (s *Session) outcome(c *commitment) error {
	switch {
	case c.maker && c.err == nil:
		c.err = s.committed(c)
	case c.stored:
		s.rebase(c.rec, true)
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
func (s *Session) restore(c *commitment) {
	if c.home != nil {
		s.rebase(*c.home, false)
		c.home = nil
	}
}

// step replays this commit's changes on what the chain has come to, unless there
// it has nothing to do or is refused. Then that is settled only if the store
// itself has said what it was decided on, else when it says so of the chain (G1).
func (s *Session) step(t *turn, c *commitment, phase uint32) {
	if c.waited || t.tries > 0 {
		c.now = clock()
		if err := c.ctx.Err(); err != nil {
			c.settle(fmt.Errorf("coatcheck: commit session: %w", err))
			return
		}
	}
	if err := s.onTo(t, c); err != nil {
		c.settle(err)
		return
	}
	if over(&s.base, c.now) { // unless another request has moved the idle end
		if c.sure {
			c.settle(store.ErrNotFound)
		} else {
			s.reload(t, c, nil)
		}
		return
	}
	c.steps++
	needed, err := s.prepare(c, phase)
	c.idle, c.refusal = !needed || err != nil, err
	switch {
	case !c.idle:
		t.tip = &c.rec
	case s.sure && !t.moved():
		c.settle(nil)
		return
	}
	t.next++
}

// onTo makes what the chain has come to this session's base. The first of a
// chain begins with what it loaded, or with what this process stored last.
func (s *Session) onTo(t *turn, c *commitment) error {
	last := &t.last
	if s.shownIn(last, c.waited) {
		t.heat.lost(time.Now())
	}
	switch {
	case t.base.Version != 0:
		if t.moved() && c.home == nil {
			home := s.base
			c.home = &home
		}
		return s.rebase(*t.tip, c.sure && !t.moved())
	case last.Version != 0 && (c.waited || !last.Seen.Before(s.base.Seen)):
		if err := s.rebase(*last, false); err != nil {
			return err
		}
	}
	t.base = s.base
	t.tip = &t.base
	return nil
}

// store makes the one store call of a chain.
func (s *Session) store(id *store.ID, t *turn, c *commitment) {
	q := &s.x.m.commits
	if !t.moved() { // nothing was compared: G1 wants the store's word
		s.reload(t, c, nil)
		return
	}
	if wait := t.heat.rest(len(t.chain), t.rested); wait > 0 {
		t.rested = true
		c.rest(wait) // who comes meanwhile comes along
		return
	}
	end, ok := q.closes(id, t, c)
	if !ok { // somebody has left: those who stay replay without
		return
	}
	if c.was = t.base.Version; t.tip != &c.rec {
		c.rec = *t.tip
	}
	err := s.put(c, end)
	switch {
	case err == nil:
		if c.maker = true; !c.fresh {
			t.last = *t.tip
		}
		t.heat.won(c.was, c.rec.Version, len(t.chain), c.waited)
		q.ends(id, t, c, nil)
	case errors.Is(err, ErrConflict):
		q.opens(id, t)
		t.heat.lost(time.Now())
		s.x.event(Event{Kind: Conflict, Handle: id.Handle(), User: t.base.User, Reason: reasonConflict})
		s.reload(t, c, err)
		t.tries++
	case errors.Is(err, ErrFull) && len(t.chain) > 1:
		q.splits(id, t)
	default:
		q.ends(id, t, c, err)
	}
}

// reload lets the chain replay on what the store has now, as the conflict tells
// or a load.
func (s *Session) reload(t *turn, c *commitment, conflict error) {
	rec, err := s.current(c, conflict, t.tries)
	q, id := &s.x.m.commits, &s.base.ID
	switch {
	case err == nil:
		q.restarts(id, t, rec)
	case c.ctx.Err() != nil && len(t.chain) > 1: // the others may have more time
		c.settle(err)
	default:
		q.ends(id, t, c, err)
	}
}

// nothing ends a commit that stores nothing.
func (s *Session) nothing(refused error) error {
	if refused == nil {
		s.clean()
	}
	return refused
}

// commitAlone makes a session where there is none, or writes one into its cookie.
func (s *Session) commitAlone(c *commitment, phase uint32) error {
	for {
		if needed, err := s.prepare(c, phase); !needed || err != nil {
			c.refused = err != nil
			return s.nothing(err)
		}
		err := s.put(c, c.ctx.At)
		switch {
		case err == nil:
			return s.committed(c)
		case errors.Is(err, store.ErrExists) && c.ctx.Err() == nil: // another token
		case errors.Is(err, ErrEnded) && s.identity == logIn:
			return errRevoked
		default:
			return err
		}
	}
}

// rebase takes what the store has of the same session: sure, if it has just said
// so, else as far as this process knows.
func (s *Session) rebase(rec store.Record, sure bool) error {
	if rec.Version == s.base.Version { // perhaps seen since
		s.base.Seen, s.base.Expires = latest(s.base.Seen, rec.Seen), latest(s.base.Expires, rec.Expires)
		s.sure = s.sure || sure
		return nil
	}
	h, err := record.Open(rec.Data)
	if err != nil {
		return ErrEnded
	}
	s.take(&rec, h)
	s.sure = sure
	s.view, s.applied = s.view[:0], 0
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// current returns what the store has now. From the second conflict on it first
// pauses a little, so that many processes do not keep in step.
func (s *Session) current(c *commitment, conflict error, try int) (store.Record, error) {
	now, ok := found(conflict, s.base.ID)
	if conflict != nil && try%8 == patience {
		s.show(c, latest(now.Seen, s.base.Seen))
	}
	if conflict != nil && try > 0 {
		if c.rest(time.Millisecond + rand.N(time.Millisecond)); c.ctx.Err() != nil {
			return store.Record{}, fmt.Errorf("coatcheck: commit session: %w", ErrConflict)
		}
	}
	if ok {
		return now, nil
	}
	rec, err := s.x.m.carrier.Load(&c.ctx, s.base.ID)
	if err != nil && !isOver(err) {
		c.told = s.x.storeError(s.base.ID, "load", err)
		err = fmt.Errorf("coatcheck: commit session: %w", err)
	}
	return rec, err
}

// found returns the record of that id that a conflict tells of, if it can be
// read.
func found(err error, id store.ID) (store.Record, bool) {
	if err == nil {
		return store.Record{}, false
	}
	conflict, ok := errors.AsType[*store.ConflictError](err)
	if !ok || conflict.Now.ID != id || conflict.Now.Version == 0 {
		return store.Record{}, false
	}
	_, damaged := record.Open(conflict.Now.Data)
	return conflict.Now, damaged == nil
}

// A commitment is a commit under way: its contexts, and what the present try
// stores.
type commitment struct {
	ctx         wait.Context // of all of it
	call        wait.Context // of a store call that a look may have to follow
	now         time.Time
	rec         store.Record
	was         uint64
	old         store.ID // what it replaces, if anything
	twin        store.ID // whose place a login takes, see mayLogIn
	sid, marker string   // the Set-Cookie lines, if the commit needs them
	fresh       bool     // the record is new to the store
	refused     bool     // by this request's own rules, not by the store
	told        bool     // by an event, of the store's error

	// In the queue.
	plain   bool // keeps its token: may share a store call
	waited  bool // for others, at least once
	left    bool // has left the line; guarded by the shard
	sure    bool // the store was asked while this waited, and base is its answer
	idle    bool // changes nothing, or is refused, where it has replayed
	done    bool // there is an outcome
	stored  bool // rec is in the store, with the changes of the whole chain
	maker   bool // this made the store call
	refusal error
	err     error         // of the store, or for want of time
	wake    chan struct{} // by the holder of the turn
	home    *store.Record // what was base before a replay on what others had not stored
	inLine  time.Duration // how long it has waited for others
	steps   int           // how often its changes were made
}

// observe tells how a commit fared in the queue (G13).
func (s *Session) observe(c *commitment) {
	s.x.m.observer.Committed(s.x.Context, store.Commit{Wait: c.inLine, Replays: max(0, c.steps-1)})
}

// settle ends this commit by itself; whoever is next goes on without it.
func (c *commitment) settle(err error) {
	c.done, c.left = true, true
	if err != nil {
		c.err = err
	}
}

// calling is the context of a store call of a commit that ends then: after it
// there must be time for a look (G5): a second, or half of what is left.
func (c *commitment) calling(end time.Time) *wait.Context {
	look, call := lookTime, &c.call
	if c.waited || call.Parent != nil { // else the commit has just begun
		look = min(look, time.Until(end)/2)
	}
	at := end.Add(-look)
	if call.Parent != nil && !call.At.Equal(at) { // a store may still hold that
		call = new(wait.Context)
	}
	call.Parent, call.Detached, call.At = c.ctx.Parent, true, at
	return call
}

// rest waits a little, but not beyond the commitment's time.
func (c *commitment) rest(d time.Duration) {
	pause := time.NewTimer(d)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-c.ctx.Done():
	}
}

// looking is the context of that look.
func (c *commitment) looking(end time.Time) *wait.Context {
	if end.Equal(c.ctx.At) {
		return &c.ctx
	}
	return wait.Detached(c.ctx.Parent, end)
}

// release ends a context that is not the commitment's own.
func (c *commitment) release(d *wait.Context) {
	if d != &c.call && d != &c.ctx {
		d.End()
	}
}

// end releases the contexts.
func (c *commitment) end() {
	c.ctx.End()
	if c.call.Parent != nil {
		c.call.End()
	}
}

// errRevoked is the ErrEnded of a login: RevokeAll, or a clock that is ahead of
// ours, says that the user's logins of that time are over (S8).
var errRevoked = fmt.Errorf("%w: the user was revoked when the login had begun", ErrEnded)

// errOvertaken is the ErrEnded of a request whose token a login or renewal has
// just replaced: whoever asks again brings the new one.
var errOvertaken = fmt.Errorf("%w: its token was replaced meanwhile", ErrEnded)

// errTooOld is the ErrTooOld of a request whose Set-Cookie could come after the
// end of a session was forgotten. It says nothing about the session.
var errTooOld = fmt.Errorf("%w to set a cookie", ErrTooOld)

// errForgotten is the ErrTooOld of a logout that comes so late that nobody knows
// any more what a login meanwhile made of the session.
var errForgotten = fmt.Errorf("%w to know what became of the session", ErrTooOld)

// errUpgrade is the ErrLate of a session that would begin in an upgrade: what is
// sent then is not ours, and may have no room for a cookie.
var errUpgrade = fmt.Errorf("%w: a session that begins in an upgrade needs Session.Commit before it, and the writer's Header in the upgrade's answer", ErrLate)

// why is the ErrEnded of a session of which nothing follows.
func (s *Session) why() error {
	if s.replaced {
		return errOvertaken
	}
	return ErrEnded
}

// prepare replays the ops on the base and makes the record to be stored, if
// there is anything to store.
func (s *Session) prepare(c *commitment, phase uint32) (needed bool, err error) {
	now := c.now
	if err := s.replay(now.UnixMilli()); err != nil {
		return false, err
	}
	if s.remember != 0 && s.live && s.prolongs(now) {
		s.identity = max(s.identity, renewToken)
	}
	changed := s.changed(now.UnixMilli())
	if !s.live && s.identity != logIn && !changed || s.live && s.identity == keepToken && !changed {
		if s.blind && s.misses() { // in the session that was withheld it may be a change
			return false, ErrHeldBack
		}
		return false, nil
	}
	c.rec, c.old, c.was, c.sid, c.marker = store.Record{}, store.ID{}, 0, "", ""
	c.fresh = !s.live || s.identity != keepToken
	if err := s.mayCommit(c.fresh, phase, now); err != nil {
		return false, err
	}
	if s.live {
		c.was = s.base.Version
		if c.fresh {
			c.old = s.base.ID
		}
	}
	if err := s.fill(c, now); err != nil {
		return false, err
	}
	return true, s.seal(c, now)
}

// replay brings the view up to date with the ops.
func (s *Session) replay(now int64) error {
	for ; s.applied < len(s.ops); s.applied++ {
		if err := s.apply(s.ops[s.applied], now); err != nil {
			return err
		}
	}
	return nil
}

// changed reports whether the values differ from those stored, of which an
// expired one counts as absent.
func (s *Session) changed(now int64) bool {
	if s.drop && len(s.counting(s.entries())) < len(s.entries()) {
		return true
	}
	for _, e := range s.view {
		old := s.stored(e.Name).At(now)
		e = e.At(now)
		if !bytes.Equal(old.Raw, e.Raw) || e.Raw != nil && old.Expires != e.Expires {
			return true
		}
	}
	return false
}

// readOnly reports whether the request leaves nothing behind: nobody may have
// asked for it.
func (s *Session) readOnly() bool {
	return s.x.r.Method == http.MethodHead || prefetch(s.x.r)
}

// mayCommit checks what the request allows. A fresh record needs a Set-Cookie.
func (s *Session) mayCommit(fresh bool, phase uint32, now time.Time) error {
	switch {
	case prefetch(s.x.r):
		return ErrReadOnly
	case !fresh && !s.x.m.carrier.inCookie():
		return nil
	case s.dead():
		return s.why()
	case s.holdsBack():
		return ErrHeldBack
	case phase == hijacked && s.x.phase() == open:
		return errUpgrade
	case phase == hijacked || s.x.phase() != open:
		return ErrLate
	case s.x.tooOld(now):
		return errTooOld
	}
	return nil
}

// opensPage reports whether the request is a top-level GET navigation: with one
// from another site a Lax marker would have come, so its absence says something.
// What a service worker passes on may be a frame's.
func opensPage(r *http.Request) bool {
	return r.Method == http.MethodGet && navigates(r) && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// fill makes the record.
func (s *Session) fill(c *commitment, now time.Time) error {
	cfg := &s.x.m.cfg
	var h record.Header
	var device [maxDevice]byte
	var address [len("0000:0000:0000:0000:0000:0000:0000:0000")]byte
	if s.live {
		c.rec = s.base
		h, _ = record.CutHeader(c.rec.Data) // record.Open checked it
	} else {
		c.rec.AuthTime, c.rec.Created = s.loginTime(), now
	}
	if s.drop || s.identity == logIn {
		h.Entries = s.counting(h.Entries)
	}
	switch s.identity {
	case logIn:
		c.rec.User, c.rec.AuthTime, c.rec.Created = s.user, s.authTime(), now
		h.Remember = 0
		if h.Device = append(device[:0], s.device...); cfg.Device == nil {
			h.Device = appendDevice(device[:0], s.x.r.UserAgent())
		}
		h.Address = appendAddress(address[:0], s.x.r, cfg)
	case authenticateAgain:
		c.rec.AuthTime = s.authTime()
	}
	view := s.view
	if s.remember != 0 {
		if h.Remember = max(h.Remember, s.remember); s.slides() {
			view = append(slices.Clip(view), slidingEntry)
		}
	}
	idle, lifetime := cfg.span(c.rec.User, h.Remember, h.Remember != 0 && s.slides())
	switch {
	case s.identity >= authenticateAgain || !s.live:
		c.rec.Deadline = now.Add(lifetime)
	case s.remember != 0:
		c.rec.Deadline = s.prolonged(now)
	}
	c.rec.Version = newVersion()
	if c.rec.Seen.Before(now) || c.fresh { // a commit that began earlier may come later
		c.rec.Seen, c.rec.Expires = now, idleEnd(now, idle, c.rec.Deadline)
	}
	var count int
	c.rec.Data, count = record.Encode(h, view, now.UnixMilli())
	if count > record.MaxEntries {
		return fmt.Errorf("%w: %d values; want at most %d", ErrTooLarge, count, record.MaxEntries)
	}
	if len(c.rec.Data) > record.MaxSize {
		return fmt.Errorf("%w: %d bytes; want at most %d", ErrTooLarge, len(c.rec.Data), record.MaxSize)
	}
	return nil
}

// idleEnd is a tenth late, so that Seen need be written only once per tenth.
func idleEnd(seen time.Time, idle time.Duration, deadline time.Time) time.Time {
	end := seen.Add(idle + idle/10).Truncate(time.Microsecond)
	if end.After(deadline) {
		return deadline
	}
	return end
}

// newVersion is a number that no other commit of the session has had.
func newVersion() uint64 {
	for {
		if v := rand.Uint64(); v != 0 {
			return v
		}
	}
}

// seal gives a fresh record its id and renders the cookies before anything is
// stored: what cannot be sent must not be kept.
func (s *Session) seal(c *commitment, now time.Time) error {
	m := s.x.m
	value, err := m.carrier.seal(&c.rec, c.fresh)
	if err != nil || value == "" {
		return err
	}
	if m.carrier.inCookie() {
		if err := s.fits(len(m.cfg.Name)+len(value), &c.rec); err != nil {
			return err
		}
	}
	return s.cookieLines(c, value, now)
}

// cookieLines renders the cookies of a record with that value.
func (s *Session) cookieLines(c *commitment, value string, now time.Time) (err error) {
	m := s.x.m
	if m.bearer {
		c.sid = value
		return nil
	}
	age := c.rec.Deadline.Sub(now)
	if c.sid, err = m.sid.Line(value, age); err == nil && m.marker != nil {
		c.marker, err = m.marker.Line(markerOf(c.rec.ID), age)
	}
	if err != nil {
		return fmt.Errorf("coatcheck: session cookie: %w", err)
	}
	return nil
}
