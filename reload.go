package coatcheck

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coatcheck/coatcheck/internal/wait"
)

// Reload asks the store for the session as it is now, for a request that waits for
// what another one does. Get then finds what others stored meanwhile; changes of
// this request that are not committed yet are made on it. Update and Pop need no
// Reload: they ask by themselves.
//
// It is ErrEnded where the session has ended: the request goes on as anonymous, and
// its changes are refused. When the store fails Err says so, and the answer is
// replaced, as after a failed load. Without a session there is nothing to ask. A
// session in its cookie is known to nobody else: errors.ErrUnsupported.
func (s *Session) Reload() error {
	if !s.lock() {
		return errStuck
	}
	defer s.unlock()
	fresh := !s.looked
	switch {
	case !s.usable():
		return s.err
	case s.x.m.carrier.inCookie():
		return fmt.Errorf("coatcheck: Reload of a session in its cookie: %w", errors.ErrUnsupported)
	case !s.live:
		return s.orEnded(nil)
	case fresh:
		return nil // just asked
	}
	s.edit() // which rebase works in
	if err := s.ask(time.Now()); err != nil {
		if errors.Is(err, ErrEnded) {
			s.gone()
		}
		return err
	}
	if err := s.replay(time.Now().UnixMilli()); err != nil {
		s.fail(err)
	}
	return s.err
}

// ask loads the base anew.
func (s *Session) ask(now time.Time) error {
	m, id := s.x.m, s.base.ID
	ctx := &wait.Context{Parent: s.x.Context, At: now.Add(loadTimeout)}
	defer ctx.End()
	rec, err := m.carrier.Load(ctx, id)
	switch {
	case err == nil && over(&rec, clock()):
		s.x.event(Event{Kind: Expired, Handle: id.Handle(), User: rec.User, Reason: whyOver(&rec, clock())})
		return ErrEnded
	case err == nil:
		return s.rebase(rec, true)
	case isOver(err):
		s.endedBy(err)
		return ErrEnded
	case errors.Is(s.x.Context.Err(), context.Canceled):
		s.err, s.quiet = err, true
	default:
		told := s.x.storeError(id, "load", err)
		s.failTold(fmt.Errorf("coatcheck: load session: %w", err), told)
	}
	return s.err
}
