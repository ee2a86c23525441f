package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// mysql is the engine for MySQL and MariaDB. Update and Touch are one statement;
// what touches a user or two sessions is a transaction that locks the row of
// the user first and then sessions by their ids, so that no two of them can
// wait for each other. At READ COMMITTED InnoDB locks rows only, and no gaps
// between them.
//
// Load, Update and Touch are prepared once on each connection: without that
// every statement is prepared, run and forgotten, in two round trips, unless the
// driver has interpolateParams, and then the server reads each as a new one.
type mysql struct {
	s     *Store
	alike prepared // statements outside of transactions
}

const (
	mysqlHold = "INSERT INTO {users} (usr) VALUES (?) ON DUPLICATE KEY UPDATE usr = usr"

	mysqlRevoke = "INSERT INTO {users} (usr, revoked, deadline, keep) VALUES (?, ?, ?, ?)" +
		" ON DUPLICATE KEY UPDATE keep = ?, revoked = GREATEST(COALESCE(revoked, ?), ?)," +
		" deadline = GREATEST(COALESCE(deadline, ?), ?)"

	// The assignments are made one after the other: version is the old one
	// only before it is set.
	mysqlEnd = "INSERT INTO {sessions} (id, version, auth_time, created, seen, expires, deadline, data)" +
		" VALUES (?, 0, 0, 0, 0, 0, ?, '') ON DUPLICATE KEY UPDATE" +
		" deadline = IF(version = 0, GREATEST(deadline, ?), ?), {tombstone}"

	mysqlOfUser  = "SELECT id FROM {sessions} WHERE usr = ? ORDER BY id"
	mysqlEndOne  = "UPDATE {sessions} SET {tombstone}, deadline = ? WHERE id = ? AND usr = ?"
	mysqlForLock = " FOR UPDATE"
)

func (e *mysql) spell(query string) string { return spelled(MySQL, e.s.names, query) }

func (e *mysql) serial(q querier) serial {
	return serial{s: e.s, q: q, hold: e.spell(mysqlHold), lock: mysqlForLock, inserts: func(r sql.Result, err error) (bool, error) {
		if err != nil {
			return false, err
		}
		n, err := r.LastInsertId() // see onConflict
		return n == 0, err
	}}
}

func (e *mysql) read(_ context.Context, query func(q querier) error) error { return query(&e.alike) }

// write runs f in a transaction, because outside of one the isolation level is
// the server's. After a refusal it commits: nothing was written but perhaps the
// row of the user, and if that vanished again all who wait for it would lock
// the gap that it leaves, and then each other.
func (e *mysql) write(ctx context.Context, f func(ctx context.Context, q querier) error) error {
	var refused error
	err := e.transact(ctx, func(q querier) error {
		err := f(ctx, q)
		if refusal(err) {
			refused, err = err, nil
		}
		return err
	})
	if err == nil {
		err = refused
	}
	return err
}

// alone runs f, which is one statement and a look, without a transaction and so
// at the server's isolation level. Where that undoes it because another has
// changed the row, as MariaDB does with innodb_snapshot_isolation, it runs again
// at READ COMMITTED, where a statement waits and then sees what is there.
func (e *mysql) alone(ctx context.Context, f func(ctx context.Context, q querier) error) error {
	err := f(ctx, &e.alike)
	if err != nil && undone(err) {
		err = e.write(ctx, f)
	}
	return err
}

// transact runs f in a transaction at READ COMMITTED. What begins and ends it is
// sent like any other statement: the driver's own Commit waits for its answer
// whatever the context says, and so for ever if none comes (S13, G5).
func (e *mysql) transact(ctx context.Context, f func(q querier) error) error {
	conn, err := e.begin(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err = f(conn); err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		if _, failed := conn.ExecContext(ctx, "ROLLBACK"); failed != nil {
			discard(conn) // and with it its transaction
		}
	}
	return err
}

// mostStale bounds how many connections that are gone begin takes from the pool.
const mostStale = 1000

// begin takes a connection and begins a transaction. One that was closed while
// nobody used it tells so at the first statement and is replaced, as database/sql
// does for a Begin of its own.
func (e *mysql) begin(ctx context.Context) (*sql.Conn, error) {
	for try := 1; ; try++ {
		conn, err := e.s.db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		if _, err = conn.ExecContext(ctx, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"); err == nil {
			_, err = conn.ExecContext(ctx, "START TRANSACTION")
		}
		if err == nil {
			return conn, nil
		}
		discard(conn)
		if err != driver.ErrBadConn || try == mostStale || ctx.Err() != nil {
			return nil, err
		}
	}
}

// discard keeps a connection from being used again.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close() // says that it is closed
}

func (e *mysql) create(ctx context.Context, rec store.Record) error {
	if rec.User == "" {
		return e.alone(ctx, func(ctx context.Context, q querier) error { return e.serial(q).create(ctx, rec) })
	}
	return e.write(ctx, func(ctx context.Context, q querier) error { return e.serial(q).create(ctx, rec) })
}

func (e *mysql) update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	return e.alone(ctx, func(ctx context.Context, q querier) error { return e.s.update(ctx, q, rec, ifVersion) })
}

func (e *mysql) replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	return e.write(ctx, func(ctx context.Context, q querier) error {
		return e.serial(q).replace(ctx, old, ifVersion, rec, until)
	})
}

func (e *mysql) touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	return e.alone(ctx, func(ctx context.Context, q querier) error { return e.s.touch(ctx, q, id, seen, expires) })
}

// end asks for the successor afterwards: a tombstone's never changes.
func (e *mysql) end(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	t := micro(until)
	err := e.alone(ctx, func(ctx context.Context, q querier) error {
		_, err := q.ExecContext(ctx, e.spell(mysqlEnd), id[:], t, t, t)
		return err
	})
	if err != nil {
		return store.ID{}, err
	}
	var next []byte
	err = e.s.db.QueryRowContext(ctx, e.s.text.next, id[:]).Scan(&next)
	if errors.Is(err, sql.ErrNoRows) { // swept already: it had no time left
		err = nil
	}
	return toID(next), err
}

func (e *mysql) endUser(ctx context.Context, user []byte, at, until time.Time, keep []byte) (ended []store.ID, err error) {
	err = e.transact(ctx, func(tx querier) error {
		from, to := micro(at), micro(until)
		keep, err := e.s.keeping(ctx, tx, keep, func(keep []byte) error {
			_, err := tx.ExecContext(ctx, e.spell(mysqlRevoke), user, from, to, keep, keep, from, from, to, to)
			return err
		})
		if err != nil {
			return err
		}
		// By id, one by one: an update by the index on the user would lock in
		// the other order than End does.
		list, err := ids(ctx, tx, e.spell(mysqlOfUser), user)
		if err != nil {
			return err
		}
		for _, id := range list {
			if bytes.Contains(keep, id[:]) {
				continue
			}
			n, err := affected(tx.ExecContext(ctx, e.spell(mysqlEndOne), to, id[:], user))
			if err != nil {
				return err
			}
			if n > 0 { // else it has just been ended, or is another user's
				ended = append(ended, id)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}
