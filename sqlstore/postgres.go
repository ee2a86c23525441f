package sqlstore

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// postgres is the engine for PostgreSQL. Each call but EndUser is one statement
// and so a transaction of its own, which is right at the default isolation
// level (READ COMMITTED) and through a pooler that gives every transaction
// another connection. It uses no prepared statements of its own: whether and
// how statements are prepared is up to the driver.
//
// Where a statement must know the latest state, not that of its snapshot, it
// reads rows that it locks: those PostgreSQL re-reads after a wait. So a login
// locks the row of its user, making it if need be, and EndUser writes the
// revocation into that same row.
type postgres struct {
	s    *Store
	text postgresTexts
}

type postgresTexts struct {
	createAnonymous, create   string
	replaceAnonymous, replace string
}

const (
	pgColumns = "id, version, usr, auth_time, created, seen, expires, deadline, data"
	pgRecord  = "$1::bytea, $2::bigint, $3::bytea, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint, $9::bytea"

	// u is the row of the user, locked.
	pgUser = `u AS (
	INSERT INTO {users} AS u (usr, deadline) VALUES ($3::bytea, NULL)
	ON CONFLICT (usr) DO UPDATE SET deadline = u.deadline
	RETURNING revoked, keep
)`

	pgCreate = `WITH ` + pgUser + `, i AS (
	INSERT INTO {sessions} (` + pgColumns + `)
	SELECT ` + pgRecord + ` FROM u WHERE u.revoked IS NULL OR u.revoked < $4::bigint
	ON CONFLICT (id) DO NOTHING
	RETURNING id
)
SELECT COALESCE(u.revoked >= $4::bigint, FALSE), EXISTS (SELECT 1 FROM i) FROM u`

	// o is the session to be replaced, locked; i its successor; t makes o the
	// tombstone, if the successor could be inserted.
	pgReplace = `WITH {user}o AS (
	SELECT {kept} AS kept, {refused} AS refused
	FROM {sessions} s{from}
	WHERE s.id = $10::bytea AND s.version = $11::bigint AND s.version <> 0
	FOR UPDATE OF s
), i AS (
	INSERT INTO {sessions} (` + pgColumns + `, kept)
	SELECT ` + pgRecord + `, o.kept FROM o WHERE o.kept IS NOT NULL OR NOT o.refused
	ON CONFLICT (id) DO NOTHING
	RETURNING id
), t AS (
	UPDATE {sessions} SET {tombstone}, deadline = $12::bigint, next_id = i.id
	FROM i WHERE {sessions}.id = $10::bytea
	RETURNING 1
)
SELECT EXISTS (SELECT 1 FROM o), EXISTS (SELECT 1 FROM o WHERE kept IS NULL AND refused), EXISTS (SELECT 1 FROM t)`
)

func newPostgresTexts(n names) postgresTexts {
	spell := func(query string) string { return spelled(PostgreSQL, n, query) }
	replace := func(user, from, kept, refused string) string {
		return spell(strings.NewReplacer("{user}", user, "{from}", from, "{kept}", kept, "{refused}", refused).Replace(pgReplace))
	}
	return postgresTexts{
		createAnonymous:  spell("INSERT INTO {sessions} (" + pgColumns + ") VALUES (" + pgRecord + ") ON CONFLICT (id) DO NOTHING"),
		create:           spell(pgCreate),
		replaceAnonymous: replace("", "", "NULL::bytea", "FALSE"),
		replace: replace(pgUser+", ", ", u",
			"CASE WHEN position($10::bytea IN u.keep) > 0 THEN $10::bytea WHEN position(s.kept IN u.keep) > 0 THEN s.kept END",
			"COALESCE(u.revoked >= $4::bigint, FALSE)"),
	}
}

func (e *postgres) read(_ context.Context, query func(q querier) error) error { return query(e.s.db) }

func (e *postgres) create(ctx context.Context, rec store.Record) (err error) {
	var refused, done bool
	if rec.User == "" {
		done, err = counted(e.s.db.ExecContext(ctx, e.text.createAnonymous, recordArgs(rec)...))
	} else {
		err = e.s.db.QueryRowContext(ctx, e.text.create, recordArgs(rec)...).Scan(&refused, &done)
	}
	switch {
	case err != nil || done:
		return err
	case refused:
		return store.ErrEnded
	}
	return e.s.taken(ctx, e.s.db, rec.ID)
}

func (e *postgres) update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	return e.s.update(ctx, e.s.db, rec, ifVersion)
}

func (e *postgres) replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	query := e.text.replace
	if rec.User == "" {
		query = e.text.replaceAnonymous
	}
	args := append(recordArgs(rec), old[:], int64(ifVersion), micro(until))
	var found, refused, done bool
	err := e.s.db.QueryRowContext(ctx, query, args...).Scan(&found, &refused, &done)
	switch {
	case err != nil || done:
		return err
	case !found:
		return e.s.unmoved(ctx, e.s.db, old)
	case refused:
		return store.ErrEnded
	}
	return newID(e.s.taken(ctx, e.s.db, rec.ID))
}

func (e *postgres) touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	return e.s.touch(ctx, e.s.db, id, seen, expires)
}

func (e *postgres) end(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	var next []byte
	err := e.s.db.QueryRowContext(ctx, e.s.text.end, id[:], micro(until)).Scan(&next)
	return toID(next), err
}

// endUser locks the user's row first. The second statement has a snapshot of
// after that, so it sees every login that the lock has waited for.
func (e *postgres) endUser(ctx context.Context, user []byte, at, until time.Time, keep []byte) (ended []store.ID, err error) {
	err = transact(ctx, e.s.db, func(tx *sql.Tx) error {
		keep, err := e.s.keeping(ctx, tx, keep, func(keep []byte) error {
			_, err := tx.ExecContext(ctx, e.s.text.revoke, user, micro(at), micro(until), keep)
			return err
		})
		if err != nil {
			return err
		}
		ended, err = ids(ctx, tx, e.s.text.endUser, micro(until), user, keep)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

func (e *postgres) write(ctx context.Context, f func(ctx context.Context, q querier) error) error {
	return f(ctx, e.s.db)
}

// transact runs f in a transaction at READ COMMITTED: each statement sees what
// was committed before it began.
func transact(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the first error counts
		return err
	}
	return tx.Commit()
}
