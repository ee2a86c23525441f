package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// sqlite is the engine for SQLite. Its writes go through the queue: there is one
// writer at a time, so a transaction may look, decide and write.
type sqlite struct {
	s     *Store
	queue queue
	reads prepared
}

func (e *sqlite) serial(q querier) serial { return serial{s: e.s, q: q, inserts: counted} }

// counted is how an insert that ignores a conflict says whether it inserted.
func counted(r sql.Result, err error) (bool, error) {
	n, err := affected(r, err)
	return n > 0, err
}

// read waits while the database is busy, which in the mode of a write-ahead log
// is at most the moment of its recovery.
func (e *sqlite) read(ctx context.Context, query func(q querier) error) error {
	return unbusy(ctx, func() error { return query(&e.reads) })
}

func (e *sqlite) create(ctx context.Context, rec store.Record) error {
	return e.queue.do(ctx, func(ctx context.Context, q querier) error { return e.serial(q).create(ctx, rec) })
}

func (e *sqlite) update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	return e.queue.do(ctx, func(ctx context.Context, q querier) error { return e.s.update(ctx, q, rec, ifVersion) })
}

func (e *sqlite) replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	return e.queue.do(ctx, func(ctx context.Context, q querier) error {
		return e.serial(q).replace(ctx, old, ifVersion, rec, until)
	})
}

func (e *sqlite) touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	return e.queue.do(ctx, func(ctx context.Context, q querier) error { return e.s.touch(ctx, q, id, seen, expires) })
}

func (e *sqlite) end(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	var next []byte
	err := e.queue.do(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRowContext(ctx, e.s.text.end, id[:], micro(until)).Scan(&next)
	})
	if err != nil {
		return store.ID{}, err
	}
	return toID(next), nil
}

func (e *sqlite) endUser(ctx context.Context, user []byte, at, until time.Time, keep []byte) ([]store.ID, error) {
	var ended []store.ID
	err := e.queue.do(ctx, func(ctx context.Context, q querier) (err error) {
		keep, err := e.s.keeping(ctx, q, keep, func(keep []byte) error {
			_, err := q.ExecContext(ctx, e.s.text.revoke, user, micro(at), micro(until), keep)
			return err
		})
		if err == nil {
			ended, err = ids(ctx, q, e.s.text.endUser, micro(until), user, keep)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

func (e *sqlite) write(ctx context.Context, f func(ctx context.Context, q querier) error) error {
	return e.queue.do(ctx, f)
}
