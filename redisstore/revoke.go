package redisstore

import (
	"context"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A revocation is an EndUser in a Cluster.
type revocation struct {
	*Store
	user  string
	at    time.Time
	until time.Time
	skip  map[store.ID]bool // kept, or ended already
	ended []store.ID
	done  []string // index entries to forget: id, value, …
}

// A suspect is an id that may be a session of the user.
type suspect struct {
	id    store.ID
	entry string // of the index; empty for one that another was replaced by
}

// endUserInCluster notes the revocation and takes the list of sessions in one
// step. Logins that come later are refused there; of those that were let in
// before, each is found in the list, live, about to be made, or replaced since.
func (s *Store) endUserInCluster(ctx context.Context, user string, at, until time.Time, keep []store.ID) ([]store.ID, error) {
	keep, list, err := s.revokeInCluster(ctx, user, at, until, keep)
	if err != nil {
		return nil, err
	}
	r := revocation{Store: s, user: user, at: at, until: until, skip: make(map[store.ID]bool)}
	for _, id := range keep {
		r.skip[id] = true
	}
	var suspects []suspect
	for i := 0; i < len(list); i += 2 {
		if len(list[i]) == len(store.ID{}) && len(list[i+1]) >= entrySize {
			suspects = append(suspects, suspect{store.ID([]byte(list[i])), list[i+1]})
		}
	}
	for len(suspects) > 0 {
		if suspects, err = r.end(ctx, suspects); err != nil {
			return nil, err
		}
	}
	if len(r.done) > 0 {
		s.run(ctx, s.forget(user, 0, r.done...))
	}
	return r.ended, nil
}

// revokeInCluster notes the revocation and returns the list, and keep with what
// replaced its ids (S8). An entry of the index says what it replaces only while
// that Replace is under way. One that was done before the list was taken has left
// its tombstone by then: where that is news, the revocation is noted again.
func (s *Store) revokeInCluster(ctx context.Context, user string, at, until time.Time, keep []store.ID) (_ []store.ID, list []string, err error) {
	keep, err = s.followed(ctx, keep)
	for err == nil {
		m, err := s.runSafe(ctx, call{scriptRevoke, []string{s.indexKey(user)},
			append([]string{timeArg(at), timeArg(until)}, idArgs(keep)...)})
		if err != nil {
			return nil, nil, err
		}
		if list, err = m.AsStrSlice(); err != nil || len(list)%2 != 0 {
			return nil, nil, errFormat
		}
		known := len(keep)
		if keep, err = s.followed(ctx, keep); err != nil || len(keep) == known {
			return keep, list, err
		}
	}
	return nil, nil, err
}

// followed returns the ids to keep and those that have replaced them.
func (s *Store) followed(ctx context.Context, keep []store.ID) ([]store.ID, error) {
	keep = slices.Clone(keep)
	for i := 0; i < len(keep); i++ {
		v, err := s.read(ctx, keep[i], s.client.Do(ctx, s.client.B().Get().Key(s.recordKey(keep[i])).Build()))
		if err != nil && err != store.ErrNotFound {
			return nil, err
		}
		if v.kind == kindTombstone && !v.end.Next.IsZero() && !slices.Contains(keep, v.end.Next) {
			keep = append(keep, v.end.Next)
		}
	}
	return keep, nil
}

// end ends the suspects and returns those that took their place.
func (r *revocation) end(ctx context.Context, suspects []suspect) (more []suspect, err error) {
	var calls []call
	var called []suspect
	for _, x := range suspects {
		if r.skip[x.id] {
			continue
		}
		// A login of before, which was let in but has not come to make its
		// record: it will find a tombstone. One that began later may go on.
		forbid := ""
		if x.entry != "" && !getTime([]byte(x.entry)).After(r.at) {
			forbid = "1"
		}
		called = append(called, x)
		calls = append(calls, call{scriptEndOf, []string{r.recordKey(x.id)},
			[]string{idArg(x.id), timeArg(r.until), r.user, r.channel, forbid}})
	}
	replies, err := r.runAllSafe(ctx, calls...)
	if err != nil {
		return nil, err
	}
	for i, m := range replies {
		x := called[i]
		r.wrote(x.id)
		kind, of, err := ending(m)
		if err != nil {
			return nil, err
		}
		switch kind {
		case kindRecord:
			r.ended = append(r.ended, x.id)
		case kindPending:
			if err := r.help(ctx, x.id); err != nil {
				return nil, err
			}
			more = append(more, x)
			continue
		case kindTombstone: // perhaps replaced since the list was taken
			if len(of) > timeSize {
				more = append(more, suspect{id: store.ID([]byte(of[timeSize:]))})
			}
		default: // or not there yet
			continue
		}
		r.skip[x.id] = true
		if x.entry != "" {
			r.done = append(r.done, idArg(x.id), x.entry)
		}
	}
	return more, nil
}

// help brings the Replace that made the pending record to its decision: this
// call must know whether it comes before or after.
func (r *revocation) help(ctx context.Context, id store.ID) error {
	v, err := r.read(ctx, id, r.client.Do(ctx, r.client.B().Get().Key(r.recordKey(id)).Build()))
	if err != nil || v.kind != kindPending {
		if err == store.ErrNotFound {
			err = nil
		}
		return err
	}
	defer r.wrote(v.old, id)
	m, err := r.runSafe(ctx, r.commitStep(v.old, v.was, &v.rec, v.until, ""))
	if err != nil {
		return err
	}
	live := ""
	if m.IsArray() {
		live = "1"
	} else if m.IsString() {
		if o, err := other(v.old, m); err == nil && o.kind == kindPending {
			if done, err := r.decided(ctx, v.old, o.old); done || err != nil {
				return err // the next round comes back to this one
			}
		}
	}
	_, err = r.runAllSafe(ctx, r.decision(v.old, id, live))
	return err
}
