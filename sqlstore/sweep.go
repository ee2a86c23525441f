package sqlstore

import (
	"context"
	"strings"
	"time"
)

const (
	// maxBatch bounds the rows of one statement of a sweep, so that nobody
	// waits long for it.
	maxBatch = 500

	// holdBatches bounds the statements of a sweep for users' rows.
	holdBatches = 4

	// idleStretch is how many sessions the idle pass looks at for each one that
	// it may remove.
	idleStretch = 4
)

// A broom finds rows that are over, and removes those of them that still are.
type broom struct {
	find   string
	remove func(n int) string // n keys, and then what find had before its limit
}

// Sweep removes what is over, at most 500 rows at a time, and waits for no lock
// on PostgreSQL. Sessions past their idle end are found by walking through the
// sessions in the order of their deadlines, another stretch with each call:
// Expires has no index, because every touch would have to change it.
func (s *Store) Sweep(ctx context.Context, now time.Time, max int) (removed int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	at := micro(now)
	for _, b := range []broom{s.text.over, s.text.revocations} {
		for more := true; more && removed < max && err == nil; {
			limit := min(max-removed, maxBatch)
			var keys [][]byte
			if keys, err = s.keys(ctx, b.find, at, limit); err == nil {
				var n int
				n, err = s.remove(ctx, b, keys, at)
				removed, more = removed+n, len(keys) == limit
			}
		}
	}
	if removed < max && err == nil {
		var n int
		n, err = s.sweepIdle(ctx, at, min(max-removed, maxBatch))
		removed += n
	}
	if removed < max && err == nil && s.dialect != SQLite {
		err = s.sweepHolds(ctx)
	}
	return removed, s.failed(ctx, "sweep", err)
}

// noteLogin counts what may make the row of a user.
func (s *Store) noteLogin(user string) {
	if user != "" && s.dialect != SQLite {
		s.logins.Add(1)
	}
}

// sweepHolds removes the rows of users who logged in and have no revocation.
// They were only there to be locked, so they do not count. Each call removes as
// many as this process's logins have made, or there would be more and more.
func (s *Store) sweepHolds(ctx context.Context) error {
	due := s.logins.Swap(0)
	for range holdBatches {
		keys, err := s.keys(ctx, s.text.holds.find, maxBatch)
		if err == nil {
			_, err = s.remove(ctx, s.text.holds, keys)
		}
		if err != nil {
			s.logins.Add(due)
			return err
		}
		if len(keys) < maxBatch {
			return nil
		}
		if due -= maxBatch; due <= 0 {
			return nil
		}
	}
	s.logins.Add(due)
	return nil
}

// sweepIdle looks at the next stretch of the sessions that are not over. Calls
// at the same time may look at the same one, and none waits for another.
func (s *Store) sweepIdle(ctx context.Context, now int64, limit int) (int, error) {
	after := s.idle.Load()
	var keys [][]byte
	var last int64
	stretch, looked := limit*idleStretch, 0
	err := s.engine.read(ctx, func(q querier) error {
		keys, looked = nil, 0
		rows, err := q.QueryContext(ctx, s.text.idle.find, now, max(after, now), stretch)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id []byte
			var idle bool
			if err := rows.Scan(&id, &last, &idle); err != nil {
				return err
			}
			looked++
			if idle && len(keys) < limit {
				keys = append(keys, id)
			}
		}
		return rows.Err()
	})
	if err != nil {
		return 0, err
	}
	n, err := s.remove(ctx, s.text.idle, keys, now)
	switch {
	case err != nil:
	case looked < stretch: // the end; begin again
		s.idle.CompareAndSwap(after, 0)
	case len(keys) < limit: // else there may be more in this stretch
		s.idle.CompareAndSwap(after, last)
	}
	return n, err
}

// keys runs a query of keys.
func (s *Store) keys(ctx context.Context, query string, args ...any) (keys [][]byte, err error) {
	err = s.engine.read(ctx, func(q querier) error {
		keys = nil
		rows, err := q.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key []byte
			if err := rows.Scan(&key); err != nil {
				return err
			}
			keys = append(keys, key)
		}
		return rows.Err()
	})
	return keys, err
}

// remove removes the rows with these keys that are still over.
func (s *Store) remove(ctx context.Context, b broom, keys [][]byte, args ...any) (int, error) {
	if len(keys) == 0 {
		return 0, nil
	}
	// A few lengths only, so that the database sees few different statements.
	n := 8
	for n < len(keys) {
		n = min(n*8, maxBatch)
	}
	all := make([]any, 0, n+len(args))
	for i := range n {
		all = append(all, keys[min(i, len(keys)-1)])
	}
	all = append(all, args...)
	var removed int64
	err := s.engine.write(ctx, func(ctx context.Context, q querier) (err error) {
		removed, err = affected(q.ExecContext(ctx, b.remove(n), all...))
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(removed), nil
}

// newBroom makes the statements for the rows of a table where over holds. It may
// not use the index in remove: rows are locked by key only, in one order.
func newBroom(d Dialect, of names, table, key, find, over string) broom {
	return broom{find: spelled(d, of, find), remove: func(n int) string {
		chosen := key + " IN (" + marks(n) + ") AND " + over
		if d == PostgreSQL { // whoever else sweeps, or uses a row, is not waited for
			chosen = key + " = ANY (ARRAY (SELECT " + key + " FROM " + table + " WHERE " + chosen + " FOR UPDATE SKIP LOCKED))"
		}
		return spelled(d, of, "DELETE FROM "+table+" WHERE "+chosen)
	}}
}

// marks returns n parameters for a list.
func marks(n int) string { return strings.Repeat("?, ", n-1) + "?" }
