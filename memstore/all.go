package memstore

import (
	"context"
	"iter"

	"github.com/coatcheck/coatcheck/store"
)

// All yields every live record, once. It looks at one group of slots at a time
// and lets others in between.
func (s *Store) All(ctx context.Context) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		batch := make([]store.Record, 0, groupSize)
		for i, more := uint32(0), true; more; i++ {
			if err := s.begin(ctx); err != nil {
				yield(store.Record{}, err)
				return
			}
			batch, more = s.group(batch[:0], i)
			for _, rec := range batch {
				if !yield(rec, nil) {
					return
				}
			}
		}
	}
}

// group appends the live records of a group of slots and reports whether there
// are groups behind it.
func (s *Store) group(batch []store.Record, i uint32) (records []store.Record, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot := max(i*groupSize, 1); slot < (i+1)*groupSize && slot <= s.entries.count; slot++ {
		e := s.entries.at(slot)
		if e.state() != isLive {
			continue
		}
		sh := s.shardAt(e)
		sh.mu.RLock()
		batch = append(batch, sh.arena.record(e))
		sh.mu.RUnlock()
	}
	return batch, (i+1)*groupSize <= s.entries.count
}
