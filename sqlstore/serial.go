package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// Create and Replace as a transaction that looks, decides and writes, for
// databases that cannot do it in one statement. Everything is decided before
// the first write, so a refusal leaves nothing behind.

// A serial is such a transaction. SQLite runs it alone; MySQL locks what it
// looks at.
type serial struct {
	s       *Store
	q       querier
	lock    string                                // ends a SELECT whose rows may not change until the end
	hold    string                                // makes the row of a user, so that it can be locked; empty where none is needed
	inserts func(sql.Result, error) (bool, error) // whether an insert did
}

// A revocation is what the table of users says of one.
type revocation struct {
	at   sql.NullInt64
	keep []byte
}

// refuses reports whether it forbids a record that began then, in place of a
// session that is kept under one of the ids.
func (r revocation) refuses(authTime int64) bool { return r.at.Valid && authTime <= r.at.Int64 }

// keeps reports whether id is among those kept. The list is their bytes one
// after the other; that an id is found across two is as unlikely as a collision
// of SHA-256.
func (r revocation) keeps(id []byte) bool { return len(id) > 0 && bytes.Contains(r.keep, id) }

// user returns the user's revocation and, where that is not so by itself, lets
// no EndUser and no other login of this user happen until the end.
func (t serial) user(ctx context.Context, user string) (r revocation, err error) {
	if user == "" {
		return r, nil
	}
	if t.hold != "" {
		if _, err := t.q.ExecContext(ctx, t.hold, []byte(user)); err != nil {
			return r, err
		}
	}
	err = t.q.QueryRowContext(ctx, t.s.text.revocation+t.lock, []byte(user)).Scan(&r.at, &r.keep)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return r, err
}

// insert stores a new record, kept under the id root if that is not nil.
func (t serial) insert(ctx context.Context, rec store.Record, root []byte) error {
	var kept any
	if root != nil {
		kept = root
	}
	ok, err := t.inserts(t.q.ExecContext(ctx, t.s.text.insert, append(recordArgs(rec), kept)...))
	if err == nil && !ok {
		return t.s.taken(ctx, t.q, rec.ID)
	}
	return err
}

func (t serial) create(ctx context.Context, rec store.Record) error {
	r, err := t.user(ctx, rec.User)
	if err != nil {
		return err
	}
	if r.refuses(micro(rec.AuthTime)) {
		return store.ErrEnded
	}
	return t.insert(ctx, rec, nil)
}

func (t serial) replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	// The user before the session: EndUser takes its locks in this order too.
	r, err := t.user(ctx, rec.User)
	if err != nil {
		return err
	}
	var version int64
	var root []byte
	err = t.q.QueryRowContext(ctx, t.s.text.held+t.lock, old[:]).Scan(&version, &root)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	if err != nil {
		return err
	}
	if version == 0 || uint64(version) != ifVersion {
		return t.s.unmoved(ctx, t.q, old)
	}
	if r.keeps(old[:]) {
		root = old[:]
	} else if !r.keeps(root) {
		root = nil
	}
	if root == nil && r.refuses(micro(rec.AuthTime)) {
		return store.ErrEnded
	}
	if err := t.insert(ctx, rec, root); err != nil {
		return newID(err)
	}
	_, err = t.q.ExecContext(ctx, t.s.text.entomb, micro(until), rec.ID[:], old[:])
	return err
}

// newID hides a tombstone that is the new id's: a caller of Replace would take
// it for the old one's.
func newID(err error) error {
	if errors.Is(err, store.ErrEnded) {
		return store.ErrEnded
	}
	return err
}
