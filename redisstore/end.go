package redisstore

import (
	"context"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

// End ends a session, or forbids an id: one round trip, in a Cluster two for a
// session with a user.
func (s *Store) End(ctx context.Context, id store.ID, until time.Time) (next store.ID, err error) {
	if err := ctx.Err(); err != nil {
		return next, err
	}
	defer s.wrote(id)
	c := call{scriptEnd, []string{s.recordKey(id)}, []string{idArg(id), timeArg(until), s.channel, ""}}
	if !s.cluster {
		c.args[3] = s.indexes
	}
	m, err := s.runSafe(ctx, c)
	s.doubt(err, id)
	if err != nil {
		return next, err
	}
	kind, of, err := ending(m)
	switch {
	case err != nil:
		return next, err
	case kind == kindTombstone:
		copy(next[:], of)
	case s.cluster && len(of) > entryAuthTime:
		// The session has ended. An entry that stays is dropped later.
		s.run(ctx, s.forget(of[entryAuthTime:], 0, idArg(id), of[:entryAuthTime]))
	}
	return next, nil
}

// ending reads the reply of a script that ends something: what was there, and
// its successor or its begin and user.
func ending(m rueidis.RedisMessage) (kind int64, of string, err error) {
	parts, err := m.ToArray()
	if err != nil || len(parts) != 2 {
		return 0, "", errFormat
	}
	if kind, err = parts[0].ToInt64(); err == nil {
		of, err = parts[1].ToString()
	}
	if err != nil {
		err = errFormat
	}
	return kind, of, err
}

// EndUser ends the sessions of a user and refuses logins that began before: one
// round trip, in a Cluster two, then one for the index.
func (s *Store) EndUser(ctx context.Context, user string, at, until time.Time, keep ...store.ID) ([]store.ID, error) {
	if err := ctx.Err(); err != nil || user == "" {
		return nil, err
	}
	if s.cluster {
		return s.endUserInCluster(ctx, user, at, until, keep)
	}
	c := call{scriptEndUser, []string{s.indexKey(user)},
		append([]string{user, timeArg(at), timeArg(until), s.channel, s.records}, idArgs(keep)...)}
	m, err := s.runSafe(ctx, c)
	if err != nil {
		return nil, err
	}
	list, err := m.AsStrSlice()
	if err != nil {
		return nil, errFormat
	}
	ended := make([]store.ID, len(list))
	for i, id := range list {
		copy(ended[i][:], id)
	}
	s.wrote(ended...)
	return ended, nil
}

func idArgs(ids []store.ID) []string {
	args := make([]string, 0, len(ids))
	for _, id := range ids {
		if !id.IsZero() {
			args = append(args, idArg(id))
		}
	}
	return args
}
