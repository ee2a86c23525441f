package coatcheck

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/store"
)

// StoreRevoker returns a Revoker that keeps the time of each user's last
// revocation in store, as a record that no list shows. It costs one Load per
// request. Revocations are kept for 400 days, longer than any session lasts.
func StoreRevoker(st store.Store) Revoker { return storeRevoker{st} }

type storeRevoker struct{ store store.Store }

const revokerLabel = "coatcheck/not-before/v1\x00"

func revokerID(user string) store.ID { return sha256.Sum256([]byte(revokerLabel + user)) }

// revokerUser owns the record. It has a user because a full store may drop
// anonymous records, and one that no application can have, so that it is in
// nobody's list and EndUser does not end it.
func revokerUser(id store.ID) string { return "\x01not-before:" + id.Handle() }

func (r storeRevoker) NotBefore(ctx context.Context, user string) (time.Time, error) {
	rec, err := r.store.Load(ctx, revokerID(user))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, err
	}
	return notBefore(rec)
}

func notBefore(rec store.Record) (time.Time, error) {
	if len(rec.Data) != 8 {
		return time.Time{}, record.ErrDamaged
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(rec.Data))).UTC(), nil
}

func (r storeRevoker) Revoke(ctx context.Context, user string, at time.Time) error {
	now := clock()
	rec := store.Record{
		ID: revokerID(user), User: revokerUser(revokerID(user)),
		AuthTime: now, Created: now, Seen: now,
		Expires: now.Add(maxCookieAge), Deadline: now.Add(maxCookieAge),
		Data: binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro())),
	}
	for ctx.Err() == nil {
		rec.Version = newVersion()
		err := r.store.Create(ctx, rec)
		if !errors.Is(err, store.ErrExists) {
			if err == nil { // no request may sweep this store: each new user removes others (G14)
				_, _ = r.store.Sweep(ctx, now, sweepBatch)
			}
			return err
		}
		old, err := r.store.Load(ctx, rec.ID)
		if err == nil {
			var before time.Time
			if before, err = notBefore(old); err == nil && !before.Before(at) {
				return nil
			}
			err = r.store.Update(ctx, rec, old.Version)
		}
		// Another revocation came between, or a sweep: look again.
		if !errors.Is(err, ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("coatcheck: revoke: %w", ctx.Err())
}
