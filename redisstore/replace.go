package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// replacedFor is how long the tombstone of a replaced session stands (S4).
const replacedFor = time.Minute

// Replace gives a session a new id: one round trip, in a Cluster three, or two
// if neither has a user. See the package's doc for what an observer can see.
func (s *Store) Replace(ctx context.Context, old store.ID, was uint64, rec store.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if old == rec.ID {
		return store.ErrExists
	}
	defer s.wrote(old, rec.ID)
	if s.cluster {
		return s.replaceInCluster(ctx, old, was, rec)
	}
	c := call{scriptReplace, []string{s.recordKey(old), s.recordKey(rec.ID)}, []string{
		encode(&rec), strconv.FormatInt(lease(&rec), 10), versionArg(was), timeArg(rec.Seen.Add(replacedFor)),
		idArg(old), idArg(rec.ID), timeArg(rec.Began), timeArg(rec.Deadline), s.channel, s.indexes}}
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
