package redisstore

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

// User returns the live sessions of a user: two round trips, and a third where
// a session was replaced or has gone meanwhile.
func (s *Store) User(ctx context.Context, user string) ([]store.Record, error) {
	if err := ctx.Err(); err != nil || user == "" {
		return nil, err
	}
	index, err := s.client.Do(ctx, s.client.B().Hgetall().Key(s.indexKey(user)).Build()).AsStrMap()
	if err != nil {
		return nil, s.fault(ctx, "user", err)
	}
	l := list{Store: s, user: user, seen: make(map[store.ID]bool)}
	var ids []store.ID
	for field, value := range index {
		if len(field) == len(store.ID{}) && len(value) >= entrySize {
			ids = append(ids, store.ID([]byte(field)))
		}
	}
	for len(ids) > 0 {
		if ids, err = l.add(ctx, ids); err != nil {
			return nil, err
		}
	}
	if len(l.gone) > 0 {
		var entries []string
		for _, id := range l.gone {
			if value, ok := index[idArg(id)]; ok {
				entries = append(entries, idArg(id), value)
			}
		}
		// A login whose record is on its way looks the same, so only what is
		// old enough goes. It does not matter if this fails.
		s.run(ctx, s.forget(user, entryGrace, entries...))
	}
	return l.records, nil
}

// A list is a User under way.
type list struct {
	*Store
	user    string
	seen    map[store.ID]bool // as live or ended
	records []store.Record
	gone    []store.ID
}

// add looks at the ids and returns those that took the place of others since
// the index was read: without them a session that is just being replaced would
// be missing (S10).
func (l *list) add(ctx context.Context, ids []store.ID) (more []store.ID, err error) {
	ids = slices.DeleteFunc(ids, func(id store.ID) bool { return l.seen[id] })
	cmds := make(rueidis.Commands, len(ids))
	for i, id := range ids {
		cmds[i] = l.client.B().Get().Key(l.recordKey(id)).Build()
	}
	for i, reply := range l.client.DoMulti(ctx, cmds...) {
		v, err := l.read(ctx, ids[i], reply)
		if errors.Is(err, store.ErrNotFound) {
			l.gone = append(l.gone, ids[i])
			continue
		}
		if err != nil {
			return nil, err
		}
		live := v.kind == kindRecord
		if v.kind == kindPending {
			if live, err = l.decided(ctx, ids[i], v.old); err != nil {
				return nil, err
			}
		}
		l.seen[ids[i]] = live || v.kind == kindTombstone
		switch {
		case live && v.rec.User == l.user:
			l.records = append(l.records, v.rec)
		case v.kind == kindTombstone:
			l.gone = append(l.gone, ids[i])
			// Also where it was looked at before, and was not there yet.
			if !v.end.Next.IsZero() {
				more = append(more, v.end.Next)
			}
		}
	}
	return more, nil
}
