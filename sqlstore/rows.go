package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A querier is a database, a connection or a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Times are stored as microseconds, and the bits of a version as the signed
// integer that every database has.
func micro(t time.Time) int64       { return t.UnixMicro() }
func fromMicro(v integer) time.Time { return time.UnixMicro(int64(v)).UTC() }

// userValue is NULL for an anonymous session, which no index then holds.
func userValue(user string) any {
	if user == "" {
		return nil
	}
	return []byte(user)
}

// noNil makes no data an empty value instead of NULL.
func noNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// recordArgs are the parameters of columns, in that order.
func recordArgs(rec store.Record) []any {
	return []any{
		rec.ID[:], int64(rec.Version), userValue(rec.User), micro(rec.AuthTime), micro(rec.Created),
		micro(rec.Seen), micro(rec.Expires), micro(rec.Deadline), noNil(rec.Data),
	}
}

// A row is one row of the sessions: a record, or a tombstone.
type row struct {
	version                                    integer // 0 in a tombstone
	user                                       []byte
	authTime, created, seen, expires, deadline integer
	rest                                       []byte // the data, or a tombstone's successor
}

// An integer is a column, scanned without the reflection that an int64 costs.
type integer int64

// Scan takes an integer, or its digits where a driver sends texts.
func (n *integer) Scan(value any) (err error) {
	switch v := value.(type) {
	case int64:
		*n = integer(v)
		return nil
	case []byte:
		var i int64
		i, err = strconv.ParseInt(string(v), 10, 64)
		*n = integer(i)
		return err
	}
	return fmt.Errorf("sqlstore: a column holds a %T; want an integer", value)
}

// dest is where Scan puts the columns of texts.load.
func (r *row) dest() []any {
	return []any{&r.version, &r.user, &r.authTime, &r.created, &r.seen, &r.expires, &r.deadline, &r.rest}
}

// record returns what the row holds, or the *EndedError of its tombstone.
func (r *row) record(id store.ID) (store.Record, error) {
	if r.version == 0 {
		e := &store.EndedError{Until: fromMicro(r.deadline)}
		copy(e.Next[:], r.rest)
		return store.Record{}, e
	}
	return store.Record{
		ID: id, Version: uint64(r.version), User: string(r.user),
		AuthTime: fromMicro(r.authTime), Created: fromMicro(r.created), Seen: fromMicro(r.seen),
		Expires: fromMicro(r.expires), Deadline: fromMicro(r.deadline), Data: r.rest,
	}, nil
}

// look returns the record of id as q sees it, or why there is none.
func (s *Store) look(ctx context.Context, q querier, id store.ID) (store.Record, error) {
	var r row
	err := q.QueryRowContext(ctx, s.text.load, id[:]).Scan(r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Record{}, store.ErrNotFound
	}
	if err != nil {
		return store.Record{}, err
	}
	return r.record(id)
}

// list returns the records of a user.
func (s *Store) list(ctx context.Context, q querier, user []byte) ([]store.Record, error) {
	return s.records(ctx, q, s.text.user, user)
}

// records returns the records of a query of looks and an id.
func (s *Store) records(ctx context.Context, q querier, query string, args ...any) ([]store.Record, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var recs []store.Record
	for rows.Next() {
		var r row
		var id []byte
		if err := rows.Scan(append(r.dest(), &id)...); err != nil {
			return nil, err
		}
		rec, err := r.record(toID(id))
		if err != nil {
			return nil, err
		}
		recs = append(recs, rec)
	}
	return recs, rows.Err()
}

func toID(b []byte) (id store.ID) {
	copy(id[:], b)
	return id
}

// ids runs a query of ids.
func ids(ctx context.Context, q querier, query string, args ...any) ([]store.ID, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []store.ID
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		list = append(list, toID(id))
	}
	return list, rows.Err()
}

// keeping notes a revocation that keeps those ids and what has replaced them
// (S8), and returns all of those. The first note locks out every Replace of the
// user's sessions, so the tombstones that are read after it are all there are.
func (s *Store) keeping(ctx context.Context, q querier, keep []byte, note func(keep []byte) error) ([]byte, error) {
	if err := note(keep); err != nil {
		return nil, err
	}
	all := slices.Clip(keep)
	for at := 0; at < len(all); at += len(store.ID{}) {
		var next []byte
		err := q.QueryRowContext(ctx, s.text.next, all[at:at+len(store.ID{})]).Scan(&next)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
		if len(next) == len(store.ID{}) && !bytes.Contains(all, next) {
			all = append(all, next...)
		}
	}
	if len(all) > len(keep) {
		return all, note(all)
	}
	return all, nil
}
