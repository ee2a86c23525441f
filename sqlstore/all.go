package sqlstore

import (
	"context"
	"iter"

	"github.com/coatcheck/coatcheck/store"
)

// pageSize is how many records All fetches with one statement.
const pageSize = 200

// All yields every live record, once: a statement for each 200, by the primary
// key.
func (s *Store) All(ctx context.Context) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		after := []byte{}
		for full := true; full; {
			page, err := s.page(ctx, after)
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			for _, rec := range page {
				if !yield(rec, nil) {
					return
				}
				after = rec.ID[:]
			}
			full = len(page) == pageSize
		}
	}
}

// page returns the live records whose ids follow.
func (s *Store) page(ctx context.Context, after []byte) (page []store.Record, err error) {
	err = s.engine.read(ctx, func(q querier) error {
		page, err = s.records(ctx, q, s.text.page, after, pageSize)
		return err
	})
	return page, s.failed(ctx, "go through sessions", err)
}
