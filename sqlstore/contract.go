package sqlstore

import (
	"context"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// Load returns the record of id: one statement, one round trip.
func (s *Store) Load(ctx context.Context, id store.ID) (rec store.Record, err error) {
	err = s.engine.read(ctx, func(q querier) error {
		rec, err = s.look(ctx, q, id)
		return err
	})
	return rec, s.failed(ctx, "load session", err)
}

// User returns the live records of the user, by the index on it: one statement.
func (s *Store) User(ctx context.Context, user string) (recs []store.Record, err error) {
	if user == "" { // anonymous sessions are in no index
		return nil, ctx.Err()
	}
	err = s.engine.read(ctx, func(q querier) error {
		recs, err = s.list(ctx, q, []byte(user))
		return err
	})
	return recs, s.failed(ctx, "list sessions", err)
}

// Create stores a new record: one statement, on MySQL with a user a
// transaction of four.
func (s *Store) Create(ctx context.Context, rec store.Record) error {
	s.noteLogin(rec.User)
	return s.call(ctx, "create session", func(ctx context.Context) error { return s.engine.create(ctx, rec) })
}

// Update stores the next version of a record: one conditional statement, and a
// second one that looks why when it applied to nothing.
func (s *Store) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	return s.call(ctx, "update session", func(ctx context.Context) error { return s.engine.update(ctx, rec, ifVersion) })
}

// Replace gives a session another id: on PostgreSQL one statement, elsewhere a
// transaction.
func (s *Store) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	s.noteLogin(rec.User)
	return s.call(ctx, "replace session", func(ctx context.Context) error { return s.engine.replace(ctx, old, ifVersion, rec, until) })
}

// Touch moves Seen and Expires forward: one statement that changes no index.
func (s *Store) Touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	return s.call(ctx, "touch session", func(ctx context.Context) error { return s.engine.touch(ctx, id, seen, expires) })
}

// End makes the id a tombstone: one statement, on MySQL two.
func (s *Store) End(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	var next store.ID
	err := s.call(ctx, "end session", func(ctx context.Context) (err error) {
		next, err = s.engine.end(ctx, id, until)
		return err
	})
	return next, err
}

// EndUser ends the sessions of a user and refuses older logins: a transaction
// that logins of this user wait for, and nobody else.
func (s *Store) EndUser(ctx context.Context, user string, at, until time.Time, keep ...store.ID) ([]store.ID, error) {
	if user == "" {
		return nil, ctx.Err()
	}
	var kept []byte
	for _, id := range keep {
		if !id.IsZero() {
			kept = append(kept, id[:]...)
		}
	}
	var ended []store.ID
	err := s.call(ctx, "end sessions of a user", func(ctx context.Context) (err error) {
		ended, err = s.engine.endUser(ctx, []byte(user), at, until, noNil(kept))
		return err
	})
	return ended, err
}
