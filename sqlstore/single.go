package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// The calls that are one conditional statement everywhere.

// update writes rec where the stored version is was. A statement that applied
// to nothing does not say why, so a look follows.
func (s *Store) update(ctx context.Context, q querier, rec store.Record, ifVersion uint64) error {
	n, err := affected(q.ExecContext(ctx, s.text.update, int64(rec.Version), micro(rec.AuthTime), micro(rec.Created),
		micro(rec.Seen), micro(rec.Expires), micro(rec.Deadline), noNil(rec.Data), rec.ID[:], int64(ifVersion)))
	if err != nil || n > 0 {
		return err
	}
	now, err := s.look(ctx, q, rec.ID)
	if err != nil {
		return err
	}
	// MySQL counts changed rows: none where the record was stored as it is.
	if now.Version == ifVersion && ifVersion == rec.Version {
		return nil
	}
	return &store.ConflictError{Now: now}
}

// touch moves the times of a live record forward.
func (s *Store) touch(ctx context.Context, q querier, id store.ID, seen, expires time.Time) error {
	for {
		n, err := affected(q.ExecContext(ctx, s.text.touch, micro(seen), micro(expires), id[:]))
		if err != nil || n > 0 {
			return err
		}
		// MySQL counts no row either where nothing moved: then the look finds
		// that. A record that was made between the two is not touched yet (S5).
		now, err := s.look(ctx, q, id)
		if err != nil || !now.Seen.Before(seen) && !now.Expires.Before(expires) {
			return err
		}
	}
}

// taken says why a new id could not be used. That the row is gone by the time
// of the look does not make it free at the time of the insert.
func (s *Store) taken(ctx context.Context, q querier, id store.ID) error {
	_, err := s.look(ctx, q, id)
	if err == nil || err == store.ErrNotFound {
		return store.ErrExists
	}
	return err
}

// affected returns how many rows a statement counted.
func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// unmoved says why there was nothing to replace.
func (s *Store) unmoved(ctx context.Context, q querier, old store.ID) error {
	if _, err := s.look(ctx, q, old); err != nil {
		return err
	}
	return store.ErrConflict
}
