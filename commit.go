package coatcheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/token"
	"github.com/coatcheck/coatcheck/internal/wait"
	"github.com/coatcheck/coatcheck/store"
)

// A pendingWrite is a commit under way: how long it has, and what the present try
// stores.
type pendingWrite struct {
	parent context.Context
	at     time.Time     // when all of it must be over
	whole  *wait.Context // of all of it: see context
	called bool          // a store, at least once

	now         time.Time
	rec         snapshot
	ifVersion   uint64
	old         store.ID // what it replaces, if anything
	twin        store.ID // whose place a login takes, see mayLogIn
	sid, marker string   // the Set-Cookie lines, if the commit needs them
	token       [token.TextSize]byte
	fresh       bool // the record is new to the store
	refused     bool // by this request's own rules, not by the store
	told        bool // by an event, of the store's error

	// In the queue.
	plain   bool // keeps its token: may share a store call
	waited  bool // for others, at least once
	left    bool // has left the line; guarded by the shard, but for the holder of the turn
	sure    bool // the store was asked while this waited, and base is its answer
	idle    bool // changes nothing, or is refused, where it has replayed
	done    bool // there is an outcome
	stored  bool // rec is in the store, with the changes of the whole chain
	maker   bool // this made the store call
	refusal error
	err     error         // of the store, or for want of time
	wake    chan struct{} // by the holder of the turn
	home    *snapshot     // what was base before a replay on what others had not stored
	inLine  time.Duration // how long it has waited for others
	steps   int           // how often its changes were made
}

// context is that of all of the commit, whatever becomes of the request: a client that
// leaves must not leave half a login behind (G5). It is made for the first who needs
// it, and is no part of the commit: a store may hold it for longer.
func (c *pendingWrite) context() *wait.Context {
	if c.whole == nil {
		c.whole = wait.Detached(c.parent, c.at)
	}
	return c.whole
}

// lend returns what a commit works in: that of the changes, unless others may have it
// in their line from an earlier commit, or nobody knows because that panicked.
func (c *changes) lend() *pendingWrite {
	if c.lent {
		return new(pendingWrite)
	}
	c.lent = true
	return &c.write
}

// takeBack is the end of a commit. Others have it in their line if it has waited, or if
// it has left them.
func (c *changes) takeBack(w *pendingWrite) {
	w.end()
	if w == &c.write && !w.waited && !w.left {
		*w, c.lent = pendingWrite{}, false
	}
}

// commit stores what is pending; phase is that of the response, or the one it is
// about to enter. The mutex is held.
func (s *Session) commit(phase uint32) { s.commitAt(phase, time.Time{}) }

// commitAt is commit for who has just read the clock; the zero time says that nobody has.
func (s *Session) commitAt(phase uint32, now time.Time) {
	if s.failed || !s.pending() {
		return
	}
	if s.changes.proof != nil {
		s.proveAlong()
	}
	if s.x.phase() != open { // a stream may have loaded its record long ago
		s.doubt()
	}
	if now.IsZero() {
		now = time.Now()
	}
	c := s.changes.lend()
	c.now, c.parent, c.at = micros(now), s.x.parent(), now.Add(commitTimeout)
	defer c.end()
	err := error(ErrLate) // http.TimeoutHandler has answered when the deadline has passed
	if c.parent.Err() != context.DeadlineExceeded {
		err = s.commitTo(c, phase)
	}
	if err != nil {
		s.failTold(err, c.told)
	}
	s.changes.takeBack(c)
}

// commitTo commits the end of a session, which Logout asked for, and then what is
// pending in the one that goes on or begins.
func (s *Session) commitTo(c *pendingWrite, phase uint32) error {
	if s.rehearses() {
		return s.rehearse(c, phase)
	}
	if s.loggedOut {
		if err := s.commitLogout(c); err != nil {
			return err
		}
	}
	if s.life == live && s.tokenChange == logIn && s.base.User != s.user {
		if err := s.leaveWritings(c); err != nil {
			return err
		}
	}
	if s.life == live {
		return s.commitLive(c, phase)
	}
	return s.commitAlone(c, phase)
}

// commitLogout ends the session that the browser brought, and the one that a
// login meanwhile made of it.
func (s *Session) commitLogout(c *pendingWrite) error {
	if prefetch(&s.x.r) && !(s.cookie.absent() && s.endingID.IsZero()) {
		return ErrReadOnly
	}
	s.x.setSession("", "")
	late := s.x.tooOld(c.now)
	if late && s.endingID.IsZero() && !s.logoutDone && s.hasCookie() {
		return errForgotten // the browser may have a session by now, which this would not end
	}
	if err := s.leaveWritings(c); err != nil {
		return err
	}
	for _, first := range [...]store.ID{s.endingID, s.brought} {
		// The chain ends: each link was a login or renewal within the last minute.
		for id := first; !id.IsZero(); {
			next, err := s.endLink(c, id, late)
			if err != nil {
				return err
			}
			if id = next; s.revoker != nil && s.revoker.following && !id.IsZero() {
				if other, err := s.x.m.isOthers(c.context(), id, s.revoker.user); other || err != nil {
					s.overtakenByOthers()
					return err
				}
			}
		}
	}
	for _, id := range s.liveNamesakes() {
		if err := s.x.m.endWritingsOf(c.context(), id); err != nil {
			return err
		}
		if err := s.endNamesake(c, id); err != nil {
			return err
		}
	}
	if s.x.phase() == open {
		s.clearCookie()
	}
	s.endingID, s.endingUser, s.beforeLogout, s.brought, s.loggedOut, s.logoutDone = store.ID{}, "", nil, store.ID{}, false, true
	s.followed = false
	s.unproven = cookieUnread
	s.life = noSession
	return nil
}

// endNamesake ends a session that the browser brought beside the one of the logout.
func (s *Session) endNamesake(c *pendingWrite, id store.ID) error {
	ctx := s.callCtx(c, c.at)
	defer c.release(ctx)
	_, err := s.x.m.endOne(ctx, id, Event{Kind: LoggedOut})
	c.told = err != nil && storeFailed(err)
	return err
}

// overtakenByOthers is for a revocation that finds a login as somebody else in
// place of the request's own session: that goes on, and keeps the cookie (G2).
func (s *Session) overtakenByOthers() {
	s.base.ID = s.endingID
	s.endingID, s.endingUser, s.beforeLogout, s.loggedOut = store.ID{}, "", nil, false
	s.life = replacedElsewhere
	s.markEnded()
}

// endLink ends one id of the chain and returns the one that had replaced it. A
// late request first asks what became of the id: where the tombstone, and with it
// the successor, may be forgotten, nobody can tell whether the end is one (G2).
func (s *Session) endLink(c *pendingWrite, id store.ID, late bool) (next store.ID, err error) {
	m, ctx := s.x.m, s.callCtx(c, c.at)
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
	if s.beforeLogout == nil { // whose session it is nobody has seen
		if err := m.endWritingsOf(ctx, id); err != nil {
			return store.ID{}, err
		}
	}
	if next, err = m.endOne(ctx, id, Event{Kind: LoggedOut, User: s.endingUser}); err != nil { // perhaps applied; a second time does no harm
		next, err = m.endOne(c.context(), id, Event{Kind: LoggedOut, User: s.endingUser})
		c.told = storeFailed(err)
	}
	if next.IsZero() { // perhaps swept since
		next = ended.Next
	}
	return next, err
}

// commitLive updates the session or gives it a new token.
func (s *Session) commitLive(c *pendingWrite, phase uint32) error {
	var err error
	switch {
	case !s.x.m.carrier.inCookie():
		err = s.commitInTurn(c, phase)
	case s.base.expired(c.now):
		err = store.ErrNotFound
	default: // no version is compared there: only what the browser brought may be the base
		err = s.commitAlone(c, phase)
	}
	if err != nil && !c.refused && isOver(err) {
		if s.tokenChange == logIn {
			if err := s.refusedLogin(c, err); err != nil {
				return err
			}
		}
		s.endedBy(err)
		s.markEnded()
		if s.tokenChange != logIn {
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
func (s *Session) refusedLogin(c *pendingWrite, err error) error {
	if !errors.Is(err, ErrEnded) {
		return nil
	}
	rec := s.base.record()
	_, look := s.x.m.carrier.load(c.context(), opened{id: rec.ID, rec: &rec})
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

// commitAlone makes a session where there is none, or writes one into its cookie.
func (s *Session) commitAlone(c *pendingWrite, phase uint32) error {
	for {
		if needed, err := s.prepare(c, phase); !needed || err != nil {
			c.refused = err != nil
			return s.nothing(err)
		}
		err := s.write(c, c.at)
		switch {
		case err == nil:
			return s.committed(c)
		case errors.Is(err, store.ErrExists) && c.context().Err() == nil: // another token
		case errors.Is(err, ErrEnded) && s.tokenChange == logIn:
			return errRevoked
		default:
			return err
		}
	}
}

// nothing ends a commit that stores nothing.
func (s *Session) nothing(refused error) error {
	if refused == nil {
		s.clearPending()
	}
	return refused
}

// why is the ErrEnded of a session of which nothing follows.
func (s *Session) why() error {
	if s.life == replacedElsewhere {
		return errOvertaken
	}
	return ErrEnded
}

// rehearse does all of a commit but the storing, for HEAD: it is answered as GET
// would be, and keeps nothing (G4). What is pending stays so, for the handler to
// find what it has changed.
func (s *Session) rehearse(c *pendingWrite, phase uint32) error {
	if s.life == live && s.base.expired(c.now) {
		if s.markEnded(); s.tokenChange != logIn {
			return ErrEnded
		}
	}
	_, err := s.prepare(c, phase)
	return err
}

// rehearses reports whether nothing that the request changes is kept.
func (s *Session) rehearses() bool {
	return s.x.r.Method == http.MethodHead && !prefetch(&s.x.r)
}

// prepare replays the ops on the base and makes the record to be stored, if
// there is anything to store.
func (s *Session) prepare(c *pendingWrite, phase uint32) (needed bool, err error) {
	now := c.now
	if err := s.replay(now.UnixMilli()); err != nil {
		return false, err
	}
	if s.remember != 0 && s.life == live && s.prolongs(now) {
		s.tokenChange = max(s.tokenChange, renewToken)
	}
	changed := s.changed(now.UnixMilli())
	if s.life != live && s.tokenChange != logIn && !changed || s.life == live && s.tokenChange == keepToken && !changed {
		if s.blind && s.isWithheld() { // in the session that was withheld it may be a change
			return false, ErrHeldBack
		}
		return false, nil
	}
	c.old, c.ifVersion, c.sid, c.marker = store.ID{}, 0, "", ""
	c.fresh = s.life != live || s.tokenChange != keepToken
	if err := s.mayCommit(c.fresh, phase, now); err != nil {
		return false, err
	}
	if s.life == live {
		c.ifVersion = s.base.Version
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

// replayNow is replay where no commit follows at once.
func (s *Session) replayNow() {
	if err := s.replay(time.Now().UnixMilli()); err != nil {
		s.fail(err)
	}
}

// changed reports whether the values differ from those stored, of which an
// expired one counts as absent.
func (s *Session) changed(now int64) bool {
	if s.cleared && len(s.counting(s.entries())) < len(s.entries()) {
		return true
	}
	if len(s.ops) == 1 && s.applied == 1 && s.lasting {
		return s.altered
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
	return s.x.r.Method == http.MethodHead || prefetch(&s.x.r)
}

func prefetch(r *http.Request) bool {
	purpose := r.Header["Sec-Purpose"]
	return len(purpose) > 0 && strings.Contains(purpose[0], "prefetch")
}

// mayCommit checks what the request allows. A fresh record needs a Set-Cookie.
func (s *Session) mayCommit(fresh bool, phase uint32, now time.Time) error {
	switch {
	case prefetch(&s.x.r):
		return ErrReadOnly
	case !fresh && !s.x.m.carrier.inCookie():
		return nil
	case s.dead():
		return s.why()
	case s.mustNotBegin():
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

// fill makes the record.
func (s *Session) fill(c *pendingWrite, now time.Time) error {
	cfg, at := &s.x.m.cfg, now.UnixMicro()
	if s.life == live {
		c.rec = s.base
	} else {
		c.rec = snapshot{authTime: s.loginTime().UnixMicro(), created: at}
	}
	var count, head int
	if s.life == live && s.tokenChange == keepToken && s.remember == 0 && !s.cleared {
		head = c.rec.head()
		c.rec.Data, count = c.rec.changed(s.view, now)
	} else {
		count, head = s.encode(c, now)
	}
	if count > record.MaxEntries {
		return fmt.Errorf("%w: %d values; want at most %d", ErrTooLarge, count, record.MaxEntries)
	}
	if len(c.rec.Data) > record.MaxSize {
		return fmt.Errorf("%w: %d bytes; want at most %d", ErrTooLarge, len(c.rec.Data), record.MaxSize)
	}
	c.rec.hold(c.rec.Data, head)
	idle, lifetime := cfg.span(c.rec.User, c.rec.remember(), c.rec.remembered != 0 && s.slides())
	switch {
	case s.tokenChange >= authenticateAgain || s.life != live:
		c.rec.deadline = now.Add(lifetime).UnixMicro()
	case s.remember != 0:
		c.rec.deadline = s.prolonged(now).UnixMicro()
	}
	c.rec.Version = newVersion()
	if c.fresh || c.rec.seen < at && !s.x.admitted() { // a commit that began earlier may come later
		c.rec.seen, c.rec.expires = at, idleEnd(at, idle, c.rec.deadline)
	}
	return nil
}

// encode makes the record's data with a header of its own, and what follows from it. It
// returns the number of entries, and how long what stands before them is.
func (s *Session) encode(c *pendingWrite, now time.Time) (count, head int) {
	cfg := &s.x.m.cfg
	var h record.Header
	var device [maxDevice]byte
	var address [len("0000:0000:0000:0000:0000:0000:0000:0000")]byte
	if s.life == live {
		h, _ = record.CutHeader(c.rec.Data) // record.Open checked it
		h.Values = int(c.rec.values)
	}
	if s.cleared || s.tokenChange == logIn && h.Values == 0 {
		h.Entries, h.Values = s.counting(h.Entries), 0
	}
	view := s.view
	switch s.tokenChange {
	case logIn:
		view = s.withWritings()
		c.rec.User, c.rec.authTime, c.rec.created = s.user, s.authTime().UnixMicro(), now.UnixMicro()
		h.Remember = 0
		if h.Device = append(device[:0], s.device...); cfg.Device == nil {
			h.Device = s.x.m.devices.append(device[:0], first(s.x.r.Header, "User-Agent"))
		}
		h.Address = appendAddress(address[:0], &s.x.r, cfg)
	case authenticateAgain:
		c.rec.authTime = s.authTime().UnixMicro()
	}
	if s.remember != 0 {
		if h.Remember = max(h.Remember, s.remember); s.slides() {
			view = append(slices.Clip(view), slidingEntry)
		}
	}
	c.rec.Data, count = record.Encode(h, view, now.UnixMilli())
	c.rec.remembered = uint32(h.Remember / time.Second)
	return count, h.Size()
}

// span is how long a session of that kind may be idle and live.
func (c *Config) span(user string, remember time.Duration, slides bool) (idle, lifetime time.Duration) {
	idle, lifetime = c.AnonymousIdle, c.AnonymousLifetime
	if user != "" {
		idle, lifetime = c.Idle, c.Lifetime
	}
	if remember != 0 && slides {
		lifetime = max(lifetime, c.MaxRemember)
	}
	return max(idle, remember), max(lifetime, remember)
}

// idleEnd is a tenth late, so that Seen need be written only once per tenth.
func idleEnd(seen int64, idle time.Duration, deadline int64) int64 {
	return min(seen+(idle+idle/10).Microseconds(), deadline)
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
func (s *Session) seal(c *pendingWrite, now time.Time) error {
	m := s.x.m
	value, err := m.carrier.seal(c.token[:0], &c.rec, c.fresh)
	if err != nil || len(value) == 0 {
		return err
	}
	if m.carrier.inCookie() {
		if err := s.fits(len(m.cfg.Name)+len(value), &c.rec); err != nil {
			return err
		}
	}
	return s.cookieLines(c, value, now)
}

// write makes the store call of a commit, which must be over by end. An error
// after which nobody knows whether it was applied is followed by one look (G5).
func (s *Session) write(c *pendingWrite, end time.Time) error {
	m, ctx := s.x.m, s.callCtx(c, end)
	defer c.release(ctx)
	if err := s.mayLogIn(ctx, c); err != nil {
		c.told = !errors.Is(err, ErrTooMany) && storeFailed(err)
		return err
	}
	err := m.storeCall(ctx, c)
	if err != nil && errors.Is(err, ErrFull) {
		if n, sweepErr := m.carrier.Sweep(ctx, clock(), sweepBatch); sweepErr == nil && n > 0 {
			err = m.storeCall(ctx, c)
		}
	}
	if err == nil {
		return nil
	}
	if m.isDefinite(err) {
		if now, ok := conflictRecord(err, c.rec.ID); ok && now.Version == c.rec.Version {
			return nil // a driver sent it twice
		}
		return err
	}
	look := c.lookCtx(end)
	defer c.release(look)
	if m.wasApplied(look, c) {
		return nil
	}
	c.told = s.x.storeError(c.rec.ID, "commit", err)
	return fmt.Errorf("coatcheck: commit session: %w", err)
}

// mayLogIn refuses a login beyond Config.MaxPerUser, if that is the policy. The
// session that another login of the user has just made of the token that this one
// brought does not count, and gives up its place: a double click on "Log in" would
// be refused for what its first half has taken, and whose answer the browser threw
// away (decision 47).
func (s *Session) mayLogIn(ctx context.Context, c *pendingWrite) error {
	m := s.x.m
	c.twin = store.ID{}
	if s.tokenChange != logIn || m.cfg.MaxPerUser == 0 || m.cfg.AtLimit != Refuse {
		return nil
	}
	records, err := m.liveRecords(ctx, c.rec.User)
	if err != nil {
		return err
	}
	records = slices.DeleteFunc(records, func(r store.Record) bool {
		return r.ID == c.old || s.cookie >= cookieUnproven && r.ID == s.base.ID // which committed ends
	})
	if len(records) < m.cfg.MaxPerUser {
		return nil
	}
	if len(records) == m.cfg.MaxPerUser && !s.base.ID.IsZero() {
		var ended *store.EndedError
		_, err := m.carrier.Load(ctx, s.base.ID)
		if errors.As(err, &ended) && slices.ContainsFunc(records, func(r store.Record) bool { return r.ID == ended.Next }) {
			c.twin = ended.Next
			return nil
		}
	}
	return ErrTooMany
}

// storeCall is the one call of a commit: Create, Update or Replace.
func (m *Manager) storeCall(ctx context.Context, c *pendingWrite) error {
	var rec store.Record
	c.rec.into(&rec)
	st := m.direct()
	switch {
	case !c.fresh:
		return st.Update(ctx, rec, c.ifVersion)
	case c.old.IsZero():
		return st.Create(ctx, rec)
	default:
		return st.Replace(ctx, c.old, c.ifVersion, rec, rec.Seen.Add(tombstoneLife))
	}
}

// isDefinite reports whether err says that nothing was applied.
func (m *Manager) isDefinite(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) || errors.Is(err, ErrConflict) ||
		errors.Is(err, ErrEnded) || errors.Is(err, ErrFull)
}

// conflictRecord returns the record of that id that a conflict tells of, if it can be
// read.
func conflictRecord(err error, id store.ID) (store.Record, bool) {
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

// wasApplied looks whether a call that failed was applied all the same.
func (m *Manager) wasApplied(ctx context.Context, c *pendingWrite) bool {
	if c.old.IsZero() {
		rec, err := m.carrier.Load(ctx, c.rec.ID)
		return err == nil && rec.Version == c.rec.Version
	}
	_, err := m.carrier.Load(ctx, c.old)
	var ended *store.EndedError
	return errors.As(err, &ended) && ended.Next == c.rec.ID
}

// isOver reports whether err says that there is no such session any more: it has
// ended, or is unknown, as it is once its end is forgotten.
func isOver(err error) bool { return errors.Is(err, ErrEnded) || errors.Is(err, store.ErrNotFound) }

// committed takes the stored record as the new base. It fails where a login that
// had to be dated anew is not known to be there.
func (s *Session) committed(c *pendingWrite) (err error) {
	m, change := s.x.m, s.tokenChange
	if s.life >= ended && s.brought.IsZero() {
		s.brought = s.base.ID // which a login elsewhere may have replaced: see commitLogout
	}
	var unproven store.ID
	if s.cookie >= cookieUnproven { // whoever has logged in takes this one's place
		unproven, s.cookie = s.base.ID, cookieBrought
	}
	s.goOnFrom(&c.rec)
	s.setCookie(c)
	if change == logIn && s.revoker != nil && s.revoker.user == c.rec.User {
		s.x.out.forget = false // a new password: the same person goes on
	}
	s.clearPending()
	if !c.old.IsZero() {
		m.endWaiters.end(c.old)
	}
	var oldest []store.Record
	if change == logIn && m.cfg.MaxPerUser > 0 && m.cfg.AtLimit == EndOldest {
		if oldest, err = s.oldestToEnd(c, unproven); err != nil {
			return err
		}
	}
	if c.fresh && m.cfg.Events != nil {
		s.x.event(Event{Kind: kindOf(change, c), Handle: c.rec.ID.Handle(), User: c.rec.User})
	}
	for _, rec := range oldest {
		if m.endWritings(c.context(), &rec, byUs) != nil {
			continue // told; the next login tries again
		}
		m.endOne(c.context(), rec.ID, Event{Kind: Revoked, User: rec.User, Reason: reasonOneTooMany})
	}
	if !c.twin.IsZero() {
		m.endOne(c.context(), c.twin, Event{Kind: Revoked, User: c.rec.User, Reason: reasonOneTooMany})
	}
	if !unproven.IsZero() && m.endWritingsOf(c.context(), unproven) == nil {
		m.endOne(c.context(), unproven, Event{Kind: LoggedOut})
	}
	m.sweepSome(c, c.rec.Seen())
	return nil
}

func kindOf(change tokenChange, c *pendingWrite) Kind {
	switch {
	case change == logIn:
		return LoggedIn
	case change == authenticateAgain:
		return Reauthenticated
	case c.old.IsZero():
		return Created
	default:
		return Renewed
	}
}

// clearPending forgets what was pending.
func (s *Session) clearPending() {
	s.ops, s.view, s.applied, s.cleared, s.blind = nil, nil, 0, false, false
	s.tokenChange, s.user, s.device, s.remember = keepToken, "", "", 0
}

// oldestToEnd lists what a login has made too many of, the session of the login never
// among them. Each login lists after its own record is there, so the last of many
// at once sees all; and all see the same order, or two at once would end each
// other. Where the clocks of servers are apart the login may look older than
// what it came after. Then it takes another token, dated after the newest: an id
// never changes its date, so the order of two ids is the same for all. The session
// leaving, which the login ends, has no place any more.
func (s *Session) oldestToEnd(c *pendingWrite, leaving store.ID) ([]store.Record, error) {
	m := s.x.m
	for {
		records, err := m.liveRecords(c.context(), c.rec.User)
		records = slices.DeleteFunc(records, func(r store.Record) bool { return r.ID == leaving })
		if err != nil || len(records) <= m.cfg.MaxPerUser {
			return nil, nil // told; the next login tries again
		}
		own := slices.IndexFunc(records, func(r store.Record) bool { return r.ID == c.rec.ID })
		if own < m.cfg.MaxPerUser { // also where another login has just ended it
			return records[m.cfg.MaxPerUser:], nil
		}
		if time.Until(c.at) < 3*lookTime { // a call, a look, and the end of what nobody knows of
			return slices.Delete(records, own, own+1)[m.cfg.MaxPerUser:], nil
		}
		switch err := s.redate(c, records[0].Created.Add(time.Microsecond)); {
		case err == nil:
		case isOver(err): // this one makes none too many any more
			return nil, nil
		case m.isDefinite(err):
			return slices.Delete(records, own, own+1)[m.cfg.MaxPerUser:], nil
		default:
			s.markEnded()
			return nil, err
		}
	}
}

// redate gives the session that a login has just made another token, which the
// browser does not have yet, and another date.
func (s *Session) redate(c *pendingWrite, created time.Time) error {
	next := &pendingWrite{parent: c.parent, at: c.at, now: c.now, rec: c.rec, fresh: true, old: c.rec.ID, ifVersion: c.rec.Version}
	defer next.end()
	next.rec.Version, next.rec.created = newVersion(), created.UnixMicro()
	if err := s.seal(next, c.now); err != nil {
		return err
	}
	if err := s.write(next, c.at.Add(-lookTime)); err != nil {
		if !s.x.m.isDefinite(err) { // nobody knows which of the two lives, so neither must (G5)
			s.x.m.endOne(c.context(), c.rec.ID, Event{Kind: Revoked, User: c.rec.User, Reason: reasonUnconfirmed})
			s.x.m.endOne(c.context(), next.rec.ID, Event{Kind: Revoked, User: c.rec.User, Reason: reasonUnconfirmed})
		}
		return err
	}
	c.rec, c.sid, c.marker = next.rec, next.sid, next.marker
	s.goOnFrom(&c.rec)
	s.x.setSession(c.sid, c.marker)
	return nil
}

// setCookie puts the cookies that a commit needs into the response.
func (s *Session) setCookie(c *pendingWrite) {
	if c.sid != "" {
		s.x.setSession(c.sid, c.marker)
		if c.fresh && s.x.m.carrier.inCookie() {
			s.x.set().rescoped = true
		}
		s.x.m.tellPlainHTTP(&s.x.r)
	}
}

// tooOld reports whether a Set-Cookie of this request could come after the end
// of a session was forgotten, and replace or clear the cookie of a newer one.
func (x *exchange) tooOld(now time.Time) bool {
	return now.UnixMicro()-x.beganAt > cookieWindow.Microseconds()
}

// dropLateCookie keeps the cookie that an early commit set or cleared from
// leaving so late that it could replace a newer one (G2).
func (s *Session) dropLateCookie() {
	if more := s.x.more.Load(); more == nil || more.lines == nil || more.lines.sid == "" || !s.x.tooOld(time.Now()) {
		return
	}
	if s.life != live { // the logout is done; only the browser keeps what opens nothing
		s.x.setSession("", "")
		return
	}
	id := s.base.ID
	s.markEnded()
	s.fail(errTooOld)
	ctx := wait.Detached(s.x.parent(), time.Now().Add(commitTimeout))
	defer ctx.End()
	s.x.m.endOne(ctx, id, Event{Kind: LoggedOut, Reason: reasonNeverSent}) // nobody will ever hold its token
}

// admitted reports whether the request is of the guard's own.
func (x *exchange) admitted() bool {
	more := x.more.Load()
	return more != nil && more.admitted
}

// idleTime is the idle time of the session as it stands.
func (s *Session) idleTime() time.Duration {
	idle, _ := s.x.m.cfg.span(s.base.User, s.base.remember(), false)
	return idle
}

// touchIfDue is the automatic touch: it costs a call once per tenth of the idle
// time, and its failure never changes the answer.
func (s *Session) touchIfDue() {
	if s.life != live || time.Duration(s.x.beganAt-s.base.seen)*time.Microsecond < s.idleTime()/10 || s.readOnly() || s.x.admitted() {
		return
	}
	id := s.base.ID
	err := s.touch(clock(), false)
	switch {
	case err == nil:
	case isOver(err):
		s.x.event(Event{Kind: WriteEnded, Handle: id.Handle(), Reason: reasonTouch})
	default:
		s.x.storeError(id, "touch", err)
	}
}

// touch moves Seen and the idle end to now, if that is worth a call; asked is
// whether the application wants it.
func (s *Session) touch(now time.Time, asked bool) error {
	idle := s.idleTime()
	if now.Sub(s.base.Seen()) < idle/10 || s.readOnly() {
		return nil
	}
	ctx := wait.Detached(s.x.parent(), now.Add(commitTimeout))
	defer ctx.End()
	if s.base.expired(now) { // unless another request has moved the idle end
		rec, err := s.x.m.carrier.Load(ctx, s.base.ID)
		if err == nil && expired(&rec, now) || errors.Is(err, errors.ErrUnsupported) {
			err = store.ErrNotFound
		}
		if err != nil {
			return err
		}
	}
	c := &pendingWrite{rec: s.base}
	c.rec.seen = now.UnixMicro()
	c.rec.expires = idleEnd(c.rec.seen, idle, c.rec.deadline)
	if s.x.m.carrier.inCookie() {
		// A new cookie for each of a page's many requests would overwrite what
		// the others set. An application that loads no pages asks for it in one.
		if r := &s.x.r; !asked && (r.Method != http.MethodGet || !isPage(r)) {
			return nil
		}
		if err := s.mayCommit(false, s.x.phase(), now); err != nil {
			if asked { // and is told: the session may be over before anybody comes again (G4)
				return err
			}
			return nil
		}
		if err := s.seal(c, now); err != nil {
			return err
		}
	}
	if err := s.x.m.carrier.Touch(ctx, c.rec.ID, c.rec.Seen(), utc(c.rec.expires)); err != nil {
		return err
	}
	s.base = c.rec
	s.setCookie(c)
	return nil
}

// sweepBatch bounds one call of the store's Sweep.
const sweepBatch = 100

// sweepSome is the share of the requests: at most once a second, unless the last
// one found as much as it may remove. Then the next request goes on, so that the
// store is bounded however many sessions come and go (G14).
func (m *Manager) sweepSome(c *pendingWrite, now time.Time) {
	last, at := m.swept.Load(), now.UnixMicro()
	if at-last < time.Second.Microseconds() || !m.swept.CompareAndSwap(last, at) {
		return
	}
	n, err := m.carrier.Sweep(c.context(), now, sweepBatch)
	if err != nil {
		m.storeError(c.context(), store.ID{}, "sweep", err)
	}
	if n >= sweepBatch {
		m.swept.CompareAndSwap(at, last)
	}
}

// callCtx is the context of a store call of a commit that ends then: after it
// there must be time for a look (G5): a second, or half of what is left.
func (s *Session) callCtx(c *pendingWrite, end time.Time) context.Context {
	first := !c.waited && !c.called // the commit has just begun
	c.called = true
	look := lookTime
	if !first {
		look = min(look, time.Until(end)/2)
	}
	at := end.Add(-look)
	if first && s.changes != nil && c == &s.changes.write && s.mu.Marks.Load() < callsEnd {
		if after := (at.UnixMicro() - s.x.beganAt) / 1000; 0 < after && after < 1<<32/int64(callsEnd) {
			s.mu.Marks.Or(uint32(after) * callsEnd)
			return (*calling)(s)
		}
	}
	return wait.Detached(c.parent, at)
}

// calling is the session as the context of the first store call of its first commit:
// like loading, but it ends at the call's time and not with the request. It serves once,
// since the store may hold it for longer.
type calling Session

// Format keeps the session out of the logs of whoever prints a context (G13).
func (l *calling) Format(f fmt.State, verb rune) { l.x.Format(f, verb) }

// arm makes the context that knows the time.
func (l *calling) arm() *wait.Context {
	if timed := l.timed(); timed != nil {
		return timed
	}
	end := l.x.beganAt + int64(l.mu.Marks.Load()/callsEnd)*1000
	left := time.Duration(end-time.Now().UnixMicro()) * time.Microsecond
	timed := l.x.arm(func(more *extra) *atomic.Pointer[wait.Context] { return &more.callTimed }, min(left, commitTimeout), true)
	if l.mu.Marks.Load()&callEnded != 0 { // perhaps before there was one to end
		timed.End()
	}
	return timed
}

// timed is that context, nil as long as nobody needs it.
func (l *calling) timed() *wait.Context {
	if more := l.x.more.Load(); more != nil {
		return more.callTimed.Load()
	}
	return nil
}

func (l *calling) Deadline() (time.Time, bool) { return l.arm().Deadline() }
func (l *calling) Done() <-chan struct{}       { return l.arm().Done() }

func (l *calling) Err() error {
	if l.timed() != nil || l.mu.Marks.Or(callPolled)&(callPolled|callEnded) != 0 {
		return l.arm().Err()
	}
	return nil
}

func (l *calling) Value(key any) any {
	if timed := l.timed(); timed != nil {
		return timed.Value(key)
	}
	return l.x.parent().Value(key)
}

// end releases what waits for the context.
func (l *calling) end() {
	l.mu.Marks.Or(callEnded)
	if timed := l.timed(); timed != nil {
		timed.End()
	}
}

// lookCtx is the context of that look.
func (c *pendingWrite) lookCtx(end time.Time) *wait.Context {
	if end.Equal(c.at) {
		return c.context()
	}
	return wait.Detached(c.parent, end)
}

// sleep waits a little, but not beyond the commit's time.
func (c *pendingWrite) sleep(d time.Duration) {
	pause := time.NewTimer(d)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-c.context().Done():
	}
}

// release ends a context that is not the commit's own.
func (c *pendingWrite) release(ctx context.Context) {
	switch ctx := ctx.(type) {
	case *calling:
		ctx.end()
	case *wait.Context:
		if ctx != c.whole {
			ctx.End()
		}
	}
}

// end releases the commit's own.
func (c *pendingWrite) end() {
	if c.whole != nil {
		c.whole.End()
	}
}

// A snapshot is a store.Record whose times are Unix microseconds, the precision
// that stores keep, and what was read of its Data: it is half of a Session, and a Record
// would take 80 bytes more.
type snapshot struct {
	ID      store.ID
	Version uint64
	User    string
	Data    []byte

	authTime, created, seen, expires, deadline int64

	remembered uint32 // what the header says of Remember, in seconds
	entriesLen uint16 // how long the entries are, at the end of Data
	values     uint8  // as record.Header.Values; 0 where nobody has looked, or there are more
	sure       bool   // of a Session's base alone: it was loaded or stored by this request, not only handed on in this process
}

func snapshotOf(rec *store.Record) snapshot {
	return snapshot{ID: rec.ID, Version: rec.Version, User: rec.User, Data: rec.Data,
		authTime: rec.AuthTime.UnixMicro(), created: rec.Created.UnixMicro(), seen: rec.Seen.UnixMicro(),
		expires: rec.Expires.UnixMicro(), deadline: rec.Deadline.UnixMicro()}
}

// opened takes note of what stands in the header of Data.
func (b *snapshot) opened(h *record.Header) {
	b.remembered = uint32(h.Remember / time.Second)
	if b.values = 0; h.Values <= math.MaxUint8 {
		b.values = uint8(h.Values)
	}
	b.entriesLen = uint16(len(h.Entries)) // of at most 64 KiB with what stands before them
}

// head is how long what stands in Data before the entries is.
func (b *snapshot) head() int { return len(b.Data) - int(b.entriesLen) }

// entries returns the values that stand in Data.
func (b *snapshot) entries() []byte { return b.Data[b.head():] }

// changed returns Data with other entries, and how many they are.
func (b *snapshot) changed(to []record.Entry, now time.Time) ([]byte, int) {
	return record.Change(b.Data, int(b.entriesLen), int(b.values), to, now.UnixMilli())
}

// hold makes these the Data, with so long a head, of which nobody has looked at the values.
func (b *snapshot) hold(data []byte, head int) {
	b.Data, b.entriesLen, b.values = data, uint16(len(data)-head), 0
}

func (b *snapshot) remember() time.Duration { return time.Duration(b.remembered) * time.Second }

func (b *snapshot) record() (rec store.Record) {
	b.into(&rec)
	return rec
}

// into is record for who has room for one.
func (b *snapshot) into(rec *store.Record) {
	rec.ID, rec.Version, rec.User, rec.Data = b.ID, b.Version, b.User, b.Data
	rec.AuthTime, rec.Created, rec.Seen = b.AuthTime(), utc(b.created), b.Seen()
	rec.Expires, rec.Deadline = utc(b.expires), b.Deadline()
}

func (b *snapshot) AuthTime() time.Time { return utc(b.authTime) }

func (b *snapshot) Seen() time.Time { return utc(b.seen) }

func (b *snapshot) Deadline() time.Time { return utc(b.deadline) }

func (b *snapshot) expired(t time.Time) bool { return min(b.expires, b.deadline) <= t.UnixMicro() }

func utc(micro int64) time.Time { return time.UnixMicro(micro).UTC() }
