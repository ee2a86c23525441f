package coatcheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/wait"
	"github.com/coatcheck/coatcheck/store"
)

func isAbsent(err error) bool { return errors.Is(err, cookie.ErrAbsent) }

// load is the first look, without asking for anything.
func (s *Session) load() {
	if s.lock() {
		s.look()
		s.unlock()
	}
}

// look loads the session, once. The latch is held.
func (s *Session) look() {
	if s.looked {
		return
	}
	// A cache may already have the first bytes, without Vary (G12).
	if s.x.phase() == sent || s.x.tooLate() {
		s.fail(ErrLate)
		return
	}
	if s.err != nil {
		return
	}
	s.looked = true
	s.lookAtCookies()
	s.adoptForeign()
}

// lookAtCookies takes the session of the request's cookie.
func (s *Session) lookAtCookies() {
	m, r := s.x.m, s.x.r
	value, err := m.read(r.Header)
	if err != nil && !isNamesakes(err) && s.mayHide() {
		return
	}
	if isAbsent(err) || m.mayWithhold(r) && !m.shown(r) {
		s.noCookie = true // or none that is ours
		s.held, s.marked = m.heldBack(r)
		return
	}
	if isNamesakes(err) {
		s.lookAtNamesakes()
		return
	}
	var t ticket
	if err == nil {
		t, err = m.carrier.open(value)
	}
	switch {
	case err == nil:
		s.loadTicket(t)
		if s.absent() {
			s.mayHide()
		}
	case !s.mayHide():
		s.x.refusedCookie(err)
	}
}

// absent reports whether the cookies that were looked at are worth nothing more.
func (s *Session) absent() bool { return !s.live && !s.ended && !s.x.out.unproven && s.err == nil }

// loadTicket asks the carrier for the record of a genuine cookie.
func (s *Session) loadTicket(t ticket) {
	now := time.Now()
	s.loading.Parent, s.loading.At = s.x.Context, now.Add(loadTimeout)
	defer s.loading.End()
	rec, err := s.x.m.carrier.load(&s.loading, t)
	s.took(t.id, &rec, err, now)
}

// took is what follows the carrier's answer.
func (s *Session) took(id store.ID, rec *store.Record, err error, now time.Time) {
	switch {
	case err == nil:
		s.loaded(id, rec, clock())
	case errors.Is(err, store.ErrNotFound):
		s.x.event(Event{Kind: Expired, Handle: id.Handle(), Reason: reasonUnknown}) // forgotten since
	case errors.Is(err, ErrEnded):
		s.base.ID = id
		s.endedBy(err)
		switch {
		case s.changes != nil && s.revoker != nil && slices.Contains(s.revoker.ids, id):
			s.leave()
			s.hasLeft()
		case !standing(err, now):
			s.replaced, s.finished = false, false
			s.x.event(Event{Kind: Expired, Handle: id.Handle(), Reason: reasonForgotten})
		case s.finished && s.told(id):
			s.finished = false
		default:
			s.ended = true
		}
	case errors.Is(s.x.Context.Err(), context.Canceled):
		s.err, s.quiet = err, true
	default:
		told := s.x.storeError(id, "load", err)
		s.failTold(fmt.Errorf("coatcheck: load session: %w", err), told)
	}
}

// isOver reports whether err says that there is no such session any more: it has
// ended, or is unknown, as it is once its end is forgotten.
func isOver(err error) bool { return errors.Is(err, ErrEnded) || errors.Is(err, store.ErrNotFound) }

// standing reports whether the tombstone that err tells of stands at now.
func standing(err error, now time.Time) bool {
	var e *store.EndedError
	return !errors.As(err, &e) || e.Until.After(now)
}

// endedBy takes from a store's ErrEnded how the session ended, as far as it says.
func (s *Session) endedBy(err error) {
	if e, ok := errors.AsType[*store.EndedError](err); ok {
		s.replaced = !e.Next.IsZero()
		s.finished = !s.replaced
	}
}

// told reports whether an answer has told the browser that this session is over.
// Then the request was not in flight when it ended, and its cookie counts as
// absent although the tombstone stands (G2).
//
// To clear the cookie would say the same, but clears what the browser has when
// the answer comes: that may be a newer login's.
func (s *Session) told(id store.ID) bool {
	note, err := s.x.m.over.Read(s.x.r.Header)
	return err == nil && note == id.Handle()
}

// leaveNote makes the note for the browser. It lasts as long as a tombstone.
func (s *Session) leaveNote() {
	if out := &s.x.out; s.finished && out.over == "" && s.x.m.over != nil && !s.readOnly() {
		out.over, _ = s.x.m.over.Line(s.base.ID.Handle(), tombstoneLife)
	}
}

// loaded takes a live record.
func (s *Session) loaded(id store.ID, rec *store.Record, now time.Time) {
	m := s.x.m
	if over(rec, now) {
		// Over before the request began it is absent, otherwise it has ended.
		s.base.ID, s.ended = id, !over(rec, s.x.began)
		s.x.event(Event{Kind: Expired, Handle: id.Handle(), User: rec.User, Reason: whyOver(rec, now)})
		return
	}
	h, err := record.Open(rec.Data)
	if err != nil {
		// End it, or the browser would bring it for ever.
		s.base.ID, s.ended, s.finished = id, true, true
		s.x.event(Event{Kind: Damaged, Handle: id.Handle(), User: rec.User, Reason: reasonDamaged})
		ctx := wait.Detached(s.x.Context, now.Add(commitTimeout))
		defer ctx.End()
		if _, err := m.carrier.End(ctx, id, micros(now).Add(tombstoneLife)); err != nil {
			s.x.storeError(id, "end", err)
		}
		return
	}
	s.take(rec, h)
	s.guarded(&h)
}

// lookup returns the entry of that name as it now is, pending changes included.
func (s *Session) lookup(name string, now int64) record.Entry {
	for _, e := range s.viewed() {
		if e.Name == name {
			return e.At(now)
		}
	}
	return s.stored(name).At(now)
}

// apply runs one op and keeps what it gives in the view.
func (s *Session) apply(o op, now int64) error {
	e, err := o.do(s.lookup(o.name, now))
	if err != nil {
		return err
	}
	e.Name = o.name
	for i := range s.view {
		if s.view[i].Name == o.name {
			s.view[i] = e
			return nil
		}
	}
	if s.view == nil {
		s.view = s.viewRoom[:0]
	}
	s.view = append(s.view, e)
	return nil
}
