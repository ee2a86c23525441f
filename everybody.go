package coatcheck

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// All goes through the live sessions of everybody, anonymous ones included, in
// no particular order: for counting, and for looking for something that no list
// of one user shows. With a request's context the session of that request is
// marked as current.
//
//	for info, err := range sessions.All(ctx) {
//
// It fetches sessions in batches as they are asked for and costs as much as all
// of them together; nobody else waits for it. A session that is live all the
// while comes at least once, on Redis perhaps twice; one that begins, ends or
// gets a new token meanwhile may be missing. An error is yielded once and ends
// the walk: errors.ErrUnsupported where the store is no Lister, as every store
// here is, or sessions live in their cookies.
func (m *Manager) All(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		var current store.ID
		if s := m.session(ctx); s != nil {
			current = s.id()
		}
		for rec, err := range m.records(ctx) {
			var info Info
			if err == nil {
				info = infoOf(&rec, current)
				info.User = rec.User
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// RevokeEverybody ends every session that began before the call, anonymous ones
// included, and returns how many, for the day on which nobody's session can be
// trusted. Like RevokeAll it defeats logins that had begun, of users who had a
// session, and with a request's context it first commits what is pending; that
// request's session ends too. A user who logs in meanwhile may have to do it
// again. It costs two walks through all sessions or more,
// and a call for each user. After an error it can be called again: what has
// ended stays ended. ASVS 7.4.5
func (m *Manager) RevokeEverybody(ctx context.Context) (int, error) {
	s, err := m.asking(ctx)
	if err != nil {
		return 0, err
	}
	if s != nil {
		if s.x.phase() == open {
			s.load() // so that the answer clears its cookie
		}
		if err := s.Commit(); err != nil {
			return 0, err
		}
	}
	at := clock()
	total := 0
	for walk := 1; ; walk++ {
		// A session whose token was renewed during a walk may have been missed.
		// It kept its beginning, so the next walk finds it; the last finds none.
		n, err := m.endWalk(ctx, s, at)
		total += n
		if err != nil || n == 0 && walk > 1 {
			return total, err
		}
	}
}

// endWalk ends what one walk finds of the sessions that began by at.
func (m *Manager) endWalk(ctx context.Context, s *Session, at time.Time) (total int, err error) {
	for rec, err := range m.records(ctx) {
		if err != nil {
			return total, err
		}
		if rec.AuthTime.After(at) {
			continue
		}
		ended := []store.ID{rec.ID}
		if rec.User != "" {
			ended, err = m.endUserAt(ctx, rec.User, at, reasonEverybody)
		} else {
			_, err = m.endOne(ctx, rec.ID, Event{Kind: Revoked, Reason: reasonEverybody})
		}
		if err != nil {
			return total, err
		}
		if s != nil {
			err = s.revoked(rec.User, at, ended)
		}
		if total += len(ended); err != nil {
			return total, err
		}
	}
	return total, nil
}

// records goes through the records that have not expired.
func (m *Manager) records(ctx context.Context) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		lister, ok := store.As[store.Lister](m.carrier)
		if !ok {
			yield(store.Record{}, fmt.Errorf("coatcheck: go through sessions: %w", errors.ErrUnsupported))
			return
		}
		for rec, err := range lister.All(ctx) {
			switch {
			case err != nil:
				m.storeError(ctx, store.ID{}, "go through sessions", err)
				yield(store.Record{}, fmt.Errorf("coatcheck: go through sessions: %w", err))
				return
			case over(&rec, clock()), rec.User != "" && checkUser(rec.User) != nil: // a Revoker's own
			case !yield(rec, nil):
				return
			}
		}
	}
}
