package redisstore

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

// pageSize is how many records All fetches at once.
const pageSize = 200

// errStop ends a scan whose caller has seen enough.
var errStop = errors.New("stop")

// All yields every live record: it walks through the keys of the servers, those
// of other programs included, a thousand at a time, so that nobody waits for it.
// While sessions are made one may come twice.
func (s *Store) All(ctx context.Context) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		masters, err := s.masters(ctx)
		for _, node := range masters {
			err = s.scan(ctx, node, func(ids []store.ID) error {
				for page := range slices.Chunk(ids, pageSize) {
					if err := s.pass(ctx, page, yield); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				break
			}
		}
		if err != nil && err != errStop {
			yield(store.Record{}, err)
		}
	}
}

// pass yields those of the ids that are live.
func (s *Store) pass(ctx context.Context, ids []store.ID, yield func(store.Record, error) bool) error {
	cmds := make(rueidis.Commands, len(ids))
	for i, id := range ids {
		cmds[i] = s.client.B().Get().Key(s.recordKey(id)).Build()
	}
	for i, reply := range s.client.DoMulti(ctx, cmds...) {
		v, err := s.read(ctx, ids[i], reply)
		if errors.Is(err, store.ErrNotFound) {
			continue // expired meanwhile
		}
		if err != nil {
			return err
		}
		live := v.kind == kindRecord
		if v.kind == kindPending {
			if live, err = s.decided(ctx, ids[i], v.old); err != nil {
				return err
			}
		}
		if live && !yield(v.rec, nil) {
			return errStop
		}
	}
	return nil
}
