package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// Replace gives a session a new id: one round trip, in a Cluster three, or two
// if neither has a user. See the package's doc for what an observer can see.
func (s *Store) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if old == rec.ID {
		return store.ErrExists
	}
	defer s.wrote(old, rec.ID)
	if s.cluster {
		return s.replaceInCluster(ctx, old, ifVersion, rec, until)
	}
	c := call{scriptReplace, []string{s.recordKey(old), s.recordKey(rec.ID)}, []string{
		encode(&rec), strconv.FormatInt(lease(&rec), 10), versionArg(ifVersion), timeArg(until),
		idArg(old), idArg(rec.ID), timeArg(rec.AuthTime), timeArg(rec.Deadline), s.channel, s.indexes}}
	if rec.User != "" {
		c.keys = append(c.keys, s.indexKey(rec.User))
	}
	m, err := s.runSafe(ctx, c)
	s.doubt(err, old, rec.ID)
	if err == nil && m.IsString() {
		v, err := other(old, m)
		if err != nil {
			return err
		}
		if v.kind == kindTombstone {
			return v.end
		}
		return store.ErrNotFound
	}
	return plain(m, err)
}
