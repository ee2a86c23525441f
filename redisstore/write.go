package redisstore

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

// Create makes an unknown id live: one round trip, in a Cluster two for a
// session with a user.
func (s *Store) Create(ctx context.Context, rec store.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer s.wrote(rec.ID)
	c := call{scriptCreate, []string{s.recordKey(rec.ID)},
		[]string{encode(&rec), strconv.FormatInt(lease(&rec), 10), ""}}
	if rec.User == "" {
		return plain(s.run(ctx, c))
	}
	if s.cluster {
		entry, err := s.admit(ctx, &rec, store.ID{})
		if err != nil {
			return err
		}
		c.args[2] = entry.limit
	} else {
		c.keys = append(c.keys, s.indexKey(rec.User))
		c.args = append(c.args, idArg(rec.ID), timeArg(rec.AuthTime), timeArg(rec.Deadline))
	}
	m, err := s.runSafe(ctx, c)
	s.doubt(err, rec.ID)
	return plain(m, err)
}

// plain is the error of a script that returns a number.
func plain(m rueidis.RedisMessage, err error) error {
	if err != nil {
		return err
	}
	n, err := m.ToInt64()
	if err != nil {
		return errFormat
	}
	switch n {
	case replyDone:
		return nil
	case replyConflict:
		return store.ErrConflict
	case replyNotFound:
		return store.ErrNotFound
	case replyExists:
		return store.ErrExists
	case replyRefused:
		return store.ErrEnded
	case replyLate:
		return errLate
	}
	return errFormat
}

// errLate: nothing was applied, but also no promise of the contract broken.
var errLate = errors.New("coatcheck: redisstore: the command reached the server too late")

// Update writes where the stored version is was: one round trip.
func (s *Store) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer s.wrote(rec.ID)
	c := call{scriptUpdate, []string{s.recordKey(rec.ID)},
		[]string{encode(&rec), versionArg(ifVersion), strconv.FormatInt(lease(&rec), 10), ""}}
	m, err := s.onLive(ctx, rec.ID, c)
	if n, e := m.ToInt64(); err != nil || e != nil || n != replyExtend {
		return plain(m, err)
	}
	// The deadline moves back, which the core never does: the index first, or
	// it could forget a session that is live (S10).
	stored, err := s.Load(ctx, rec.ID)
	if err != nil {
		return err
	}
	_, err = s.run(ctx, call{scriptExtend, []string{s.indexKey(stored.User)}, []string{idArg(rec.ID), timeArg(rec.Deadline)}})
	if err != nil {
		return err
	}
	c.args[3] = "1"
	return plain(s.onLive(ctx, rec.ID, c))
}

// Touch moves Seen and Expires forward: one round trip, and no data is moved.
func (s *Store) Touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer s.wrote(id)
	return plain(s.onLive(ctx, id, call{scriptTouch, []string{s.recordKey(id)}, []string{timeArg(seen), timeArg(expires)}}))
}

// onLive runs a script that returns a number, or the value where the id is not
// live or has another version: then the error says what it is. A pending record, which only a Cluster
// has, is first made what its Replace decided.
func (s *Store) onLive(ctx context.Context, id store.ID, c call) (rueidis.RedisMessage, error) {
	for {
		m, err := s.run(ctx, c)
		if err != nil || !m.IsString() {
			return m, err
		}
		v, err := found(id, m)
		if err != nil {
			return m, err
		}
		switch v.kind {
		case kindTombstone:
			return m, v.end
		case kindRecord:
			return m, s.conflict(v.rec)
		}
		done, err := s.decided(ctx, id, v.old)
		if err != nil {
			return m, err
		}
		if !done {
			return m, store.ErrNotFound
		}
	}
}

// conflict tells what an Update found, unless that is not yet on enough replicas:
// then a Load makes sure.
func (s *Store) conflict(now store.Record) error {
	if s.replicas > 0 && s.unsure.has(now.ID) {
		return store.ErrConflict
	}
	return &store.ConflictError{Now: now}
}

// found decodes what a script returned of a value.
func found(id store.ID, m rueidis.RedisMessage) (value, error) {
	b, err := m.AsBytes()
	if err != nil {
		return value{}, errFormat
	}
	return decode(id, b)
}

// other is found for a value that is no record.
func other(id store.ID, m rueidis.RedisMessage) (value, error) {
	v, err := found(id, m)
	if err == nil && v.kind == kindRecord {
		err = errFormat
	}
	return v, err
}
