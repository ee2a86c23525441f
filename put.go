package coatcheck

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/wait"
	"github.com/coatcheck/coatcheck/store"
)

// put makes the store call of a commitment, which must be over by end. An error
// after which nobody knows whether it was applied is followed by one look (G5).
func (s *Session) put(c *commitment, end time.Time) error {
	m, ctx := s.x.m, c.calling(end)
	defer c.release(ctx)
	if err := s.mayLogIn(ctx, c); err != nil {
		c.told = !errors.Is(err, ErrTooMany) && storeFailed(err)
		return err
	}
	err := m.call(ctx, c)
	if errors.Is(err, ErrFull) {
		if n, sweepErr := m.carrier.Sweep(ctx, clock(), sweepBatch); sweepErr == nil && n > 0 {
			err = m.call(ctx, c)
		}
	}
	if err == nil {
		return nil
	}
	if m.told(err) {
		if now, ok := found(err, c.rec.ID); ok && now.Version == c.rec.Version {
			return nil // a driver sent it twice
		}
		return err
	}
	look := c.looking(end)
	defer c.release(look)
	if m.applied(look, c) {
		return nil
	}
	c.told = s.x.storeError(c.rec.ID, "commit", err)
	return fmt.Errorf("coatcheck: commit session: %w", err)
}

func (m *Manager) call(ctx context.Context, c *commitment) error {
	switch {
	case !c.fresh:
		return m.carrier.Update(ctx, c.rec, c.was)
	case c.old.IsZero():
		return m.carrier.Create(ctx, c.rec)
	default:
		return m.carrier.Replace(ctx, c.old, c.was, c.rec, c.rec.Seen.Add(tombstoneLife))
	}
}

// told reports whether err says that nothing was applied.
func (m *Manager) told(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) || errors.Is(err, ErrConflict) ||
		errors.Is(err, ErrEnded) || errors.Is(err, ErrFull)
}

// applied looks whether a call that failed was applied all the same.
func (m *Manager) applied(ctx context.Context, c *commitment) bool {
	if c.old.IsZero() {
		rec, err := m.carrier.Load(ctx, c.rec.ID)
		return err == nil && rec.Version == c.rec.Version
	}
	_, err := m.carrier.Load(ctx, c.old)
	var ended *store.EndedError
	return errors.As(err, &ended) && ended.Next == c.rec.ID
}

// committed takes the stored record as the new base. It fails where a login that
// had to be dated anew is not known to be there.
func (s *Session) committed(c *commitment) (err error) {
	m, ctx, identity := s.x.m, &c.ctx, s.identity
	h, _ := record.CutHeader(c.rec.Data) // record.Encode made it
	if s.ended && s.brought.IsZero() {
		s.brought = s.base.ID // which a login elsewhere may have replaced: see commitLogout
	}
	var unproven store.ID
	if s.x.out.unproven { // whoever has logged in takes this one's place
		unproven, s.x.out.unproven = s.base.ID, false
	}
	s.take(&c.rec, h)
	s.ended, s.replaced, s.finished = false, false, false
	s.setCookie(c)
	if identity == logIn && s.revoker != nil && s.revoker.user == c.rec.User {
		s.x.out.forget = false // a new password: the same person goes on
	}
	s.clean()
	if !c.old.IsZero() {
		m.streams.end(c.old)
	}
	var oldest []store.Record
	if identity == logIn && m.cfg.MaxPerUser > 0 && m.cfg.AtLimit == EndOldest {
		if oldest, err = s.place(c); err != nil {
			return err
		}
	}
	if c.fresh && m.cfg.Events != nil {
		s.x.event(Event{Kind: kindOf(identity, c), Handle: c.rec.ID.Handle(), User: c.rec.User})
	}
	for _, rec := range oldest {
		m.endOne(ctx, rec.ID, Event{Kind: Revoked, User: rec.User, Reason: reasonOneTooMany})
	}
	if !c.twin.IsZero() {
		m.endOne(ctx, c.twin, Event{Kind: Revoked, User: c.rec.User, Reason: reasonOneTooMany})
	}
	if !unproven.IsZero() {
		m.endOne(ctx, unproven, Event{Kind: LoggedOut})
	}
	m.sweepSome(ctx, c.rec.Seen)
	return nil
}

func kindOf(identity identity, c *commitment) Kind {
	switch {
	case identity == logIn:
		return LoggedIn
	case identity == authenticateAgain:
		return Reauthenticated
	case c.old.IsZero():
		return Created
	default:
		return Renewed
	}
}

// clean forgets what was pending.
func (s *Session) clean() {
	s.ops, s.view, s.applied, s.drop, s.blind = nil, nil, 0, false, false
	s.identity, s.user, s.remember = keepToken, "", 0
}

// mayLogIn refuses a login beyond Config.MaxPerUser, if that is the policy. The
// session that another login of the user has just made of the token that this one
// brought does not count, and gives up its place: a double click on "Log in" would
// be refused for what its first half has taken, and whose answer the browser threw
// away (decision 47).
func (s *Session) mayLogIn(ctx context.Context, c *commitment) error {
	m := s.x.m
	c.twin = store.ID{}
	if s.identity != logIn || m.cfg.MaxPerUser == 0 || m.cfg.AtLimit != Refuse {
		return nil
	}
	records, err := m.live(ctx, c.rec.User)
	if err != nil {
		return err
	}
	records = slices.DeleteFunc(records, func(r store.Record) bool { return r.ID == c.old })
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

// place lists what a login has made too many of, the session of the login never
// among them. Each login lists after its own record is there, so the last of many
// at once sees all; and all see the same order, or two at once would end each
// other. Where the clocks of servers are apart the login may look older than
// what it came after. Then it takes another token, dated after the newest: an id
// never changes its date, so the order of two ids is the same for all.
func (s *Session) place(c *commitment) ([]store.Record, error) {
	m := s.x.m
	for {
		records, err := m.live(&c.ctx, c.rec.User)
		if err != nil || len(records) <= m.cfg.MaxPerUser {
			return nil, nil // told; the next login tries again
		}
		own := slices.IndexFunc(records, func(r store.Record) bool { return r.ID == c.rec.ID })
		if own < m.cfg.MaxPerUser { // also where another login has just ended it
			return records[m.cfg.MaxPerUser:], nil
		}
		if time.Until(c.ctx.At) < 3*lookTime { // a call, a look, and the end of what nobody knows of
			return slices.Delete(records, own, own+1)[m.cfg.MaxPerUser:], nil
		}
		switch err := s.redate(c, records[0].Created.Add(time.Microsecond)); {
		case err == nil:
		case isOver(err): // this one makes none too many any more
			return nil, nil
		case m.told(err):
			return slices.Delete(records, own, own+1)[m.cfg.MaxPerUser:], nil
		default:
			s.gone()
			return nil, err
		}
	}
}

// redate gives the session that a login has just made another token, which the
// browser does not have yet, and another date.
func (s *Session) redate(c *commitment, created time.Time) error {
	next := &commitment{ctx: wait.Context{Parent: c.ctx.Parent, Detached: true, At: c.ctx.At}, now: c.now, rec: c.rec, fresh: true, old: c.rec.ID, was: c.rec.Version}
	defer next.end()
	next.rec.Version, next.rec.Created = newVersion(), created
	if err := s.seal(next, c.now); err != nil {
		return err
	}
	if err := s.put(next, c.ctx.At.Add(-lookTime)); err != nil {
		if !s.x.m.told(err) { // nobody knows which of the two lives, so neither must (G5)
			s.x.m.endOne(&c.ctx, c.rec.ID, Event{Kind: Revoked, User: c.rec.User, Reason: reasonUnconfirmed})
			s.x.m.endOne(&c.ctx, next.rec.ID, Event{Kind: Revoked, User: c.rec.User, Reason: reasonUnconfirmed})
		}
		return err
	}
	c.rec, c.sid, c.marker = next.rec, next.sid, next.marker
	s.base = c.rec
	s.x.out.sid, s.x.out.marker = c.sid, c.marker
	return nil
}

// idle is the idle time of the session as it stands.
func (s *Session) idleTime() time.Duration {
	idle, _ := s.x.m.cfg.span(s.base.User, time.Duration(s.remembered)*time.Second, false)
	return idle
}

// touchIfDue is the automatic touch: it costs a call once per tenth of the idle
// time, and its failure never changes the answer.
func (s *Session) touchIfDue() {
	if !s.live || s.x.began.Sub(s.base.Seen) < s.idleTime()/10 || s.readOnly() {
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
	if now.Sub(s.base.Seen) < idle/10 || s.readOnly() {
		return nil
	}
	ctx := wait.Detached(s.x.Context, now.Add(commitTimeout))
	defer ctx.End()
	if over(&s.base, now) { // unless another request has moved the idle end
		rec, err := s.x.m.carrier.Load(ctx, s.base.ID)
		if err == nil && over(&rec, now) || errors.Is(err, errors.ErrUnsupported) {
			err = store.ErrNotFound
		}
		if err != nil {
			return err
		}
	}
	c := &commitment{rec: s.base}
	c.rec.Seen, c.rec.Expires = now, idleEnd(now, idle, c.rec.Deadline)
	if s.x.m.carrier.inCookie() {
		// A new cookie for each of a page's many requests would overwrite what
		// the others set. An application that loads no pages asks for it in one.
		if r := s.x.r; !asked && (r.Method != http.MethodGet || !shown(r)) {
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
	if err := s.x.m.carrier.Touch(ctx, c.rec.ID, c.rec.Seen, c.rec.Expires); err != nil {
		return err
	}
	s.base = c.rec
	s.setCookie(c)
	return nil
}

// setCookie puts the cookies that a commit needs into the response.
func (s *Session) setCookie(c *commitment) {
	if c.sid != "" {
		s.x.out.sid, s.x.out.marker = c.sid, c.marker
		s.rescoped = s.rescoped || c.fresh && s.x.m.carrier.inCookie()
		s.x.m.tellPlainHTTP(s.x.r)
	}
}
