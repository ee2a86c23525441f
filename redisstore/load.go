package redisstore

import (
	"context"
	"errors"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

// Load returns the record: one round trip, or none with Config.ClientCache.
func (s *Store) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if err := ctx.Err(); err != nil {
		return store.Record{}, err
	}
	v, err := s.get(ctx, id)
	if err != nil {
		return store.Record{}, err
	}
	switch v.kind {
	case kindRecord:
		return v.rec, nil
	case kindTombstone:
		return store.Record{}, v.end
	}
	done, err := s.decided(ctx, id, v.old)
	if err != nil {
		return store.Record{}, err
	}
	if !done {
		return store.Record{}, store.ErrNotFound
	}
	return v.rec, nil
}

// get reads a session's key; ErrNotFound where there is none.
func (s *Store) get(ctx context.Context, id store.ID) (value, error) {
	if s.replicas > 0 && s.unsure.has(id) {
		return s.getSafe(ctx, id)
	}
	if s.cache > 0 && !s.written.has(id) {
		reply := s.client.DoCache(ctx, s.client.B().Get().Key(s.recordKey(id)).Cache(), s.cache)
		// Requests of one key wait for one reply; that the first one's client
		// left is no reason for the others to fail.
		if !passedOn(ctx, reply.NonRedisError()) {
			return s.read(ctx, id, reply)
		}
	}
	return s.read(ctx, id, s.do(ctx, s.client.B().Get().Key(s.recordKey(id)).Build()))
}

// do sends a command, of which a request has few and the server many.
func (s *Store) do(ctx context.Context, command rueidis.Completed) rueidis.RedisResult {
	w := s.waits.begin(ctx)
	defer w.end()
	return s.client.Do(w, command)
}

// passedOn reports whether err is of another caller's context.
func passedOn(ctx context.Context, err error) bool {
	return ctx.Err() == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, rueidis.ErrDoCacheAborted))
}

func (s *Store) read(ctx context.Context, id store.ID, reply rueidis.RedisResult) (value, error) {
	b, err := reply.AsBytes()
	if rueidis.IsRedisNil(err) {
		return value{}, store.ErrNotFound
	}
	if err != nil {
		return value{}, s.fault(ctx, "load", err)
	}
	return decode(id, b)
}

// wrote notes ids that a call of this process may have changed.
func (s *Store) wrote(ids ...store.ID) {
	if s.cache > 0 {
		s.written.add(ids...)
	}
}
