package coatcheck

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/token"
	"github.com/coatcheck/coatcheck/store"
)

// A Revoker remembers, for each user, since when sessions count: what makes a
// session that lives in its cookie end on the server (ASVS 7.4.1).
// [StoreRevoker] is one.
type Revoker interface {
	// NotBefore returns the time of the user's last revocation, or the zero
	// time. Sessions that began then or earlier are over.
	NotBefore(ctx context.Context, user string) (time.Time, error)

	// Revoke ends all sessions of user that began at at or earlier. It never
	// moves the time back.
	Revoke(ctx context.Context, user string, at time.Time) error
}

// IrrevocableSessions is the Revoker of an application that accepts that a
// session in a cookie, once copied, lives until its deadline whatever anybody
// does: logout only asks the browser to forget it, and RevokeAll fails.
type IrrevocableSessions struct{}

// NotBefore returns the zero time.
func (IrrevocableSessions) NotBefore(context.Context, string) (time.Time, error) {
	return time.Time{}, nil
}

// Revoke returns errors.ErrUnsupported.
func (IrrevocableSessions) Revoke(context.Context, string, time.Time) error {
	return fmt.Errorf("coatcheck: irrevocable sessions: %w", errors.ErrUnsupported)
}

// NewInCookie returns a manager whose sessions live in their cookies, encrypted
// and signed under keys, and not on the server. They hold at most about 2,900
// bytes ([Config.MaxCookie]), and what a server would have to know cannot be promised:
//
//   - Of two requests at once the later answer wins, also for Update and Append.
//   - Logout clears the cookie, but a copy of it lives until its deadline or
//     until RevokeAll. Flashes may show a message twice.
//   - Pop, Reload, Sessions, All, Revoke, RevokeLabel, RevokeOthers and
//     RevokeEverybody, which would have to know, fail with errors.ErrUnsupported.
//     RevokeAll works, through revoker, and returns 0.
//   - Idle counts from the last page that was loaded, and from [Session.Touch].
//
// A session with a user costs one call of the revoker per request that looks.
// Choose a Store where you can.
func NewInCookie(keys *cookie.Keys, revoker Revoker, cfg Config) (*Manager, error) {
	if keys == nil {
		return nil, errors.New("coatcheck: NewInCookie: keys is nil; cookie.KeysFromEnv reads SECRET_KEY")
	}
	if len(keys.Derive(token.Purpose)) == 0 {
		return nil, errNoSecret("NewInCookie")
	}
	if revoker == nil {
		return nil, errors.New("coatcheck: NewInCookie: revoker is nil; want StoreRevoker(store), or IrrevocableSessions{} to do without")
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.MaxPerUser != 0 {
		return nil, fmt.Errorf("coatcheck: Config.MaxPerUser is %d; want 0: nobody counts sessions in cookies", cfg.MaxPerUser)
	}
	if cfg.MaxCookie, err = cookieBound(cfg.MaxCookie); err != nil {
		return nil, err
	}
	sealer, err := cookie.NewSealer(cfg.Name, keys, maxCookieAge)
	if err != nil {
		return nil, fmt.Errorf("coatcheck: session cookie: %w", err)
	}
	return newManager(&sealedCookies{sealer: sealer, revoker: revoker}, cfg)
}

// sealedCookies is the carrier of sessions that live in their cookies.
type sealedCookies struct {
	sealer  *cookie.Sealer
	revoker Revoker
}

// Sizes of a session cookie, name and value. From large on proxies may refuse the
// answer: nginx has 4 KiB for all of its headers.
const (
	minCookie   = 512
	largeCookie = 3500
	maxCookie   = 4096
)

// cookieBound is Config.MaxCookie, zero being what browsers keep.
func cookieBound(max int) (int, error) {
	if max == 0 {
		return maxCookie, nil
	}
	if max < minCookie || max > maxCookie {
		return 0, fmt.Errorf("coatcheck: Config.MaxCookie is %d; want 0 (%d) or %d to %[2]d", max, maxCookie, minCookie)
	}
	return max, nil
}

// fits checks the size of a session cookie. One that was larger than
// Config.MaxCookie when it came, which has been lowered since, may be written as
// long as its values do not grow: a login, a touch and what makes it smaller must
// not fail.
func (s *Session) fits(size int, rec *snapshot) error {
	m, x := s.x.m, s.x
	if size > maxCookie || size > m.cfg.MaxCookie && !(s.cameLarger() && s.growsNot(rec)) {
		return fmt.Errorf("%w: a session cookie of %d bytes; Config.MaxCookie is %d", ErrTooLarge, size, m.cfg.MaxCookie)
	}
	if size >= largeCookie {
		x.event(Event{Kind: Large, Handle: rec.ID.Handle(), User: rec.User, Reason: reasonLarge})
	}
	return nil
}

// cameLarger reports whether the browser has a larger cookie than may be made.
func (s *Session) cameLarger() bool {
	m := s.x.m
	values, _ := m.sid.ReadAll(s.x.r.Header, maxNamesakes)
	return slices.ContainsFunc(values, func(v string) bool { return len(m.cfg.Name)+len(v) > m.cfg.MaxCookie })
}

// growsNot reports whether rec has no more of values than base.
func (s *Session) growsNot(rec *snapshot) bool {
	h, ok := record.CutHeader(rec.Data)
	return ok && s.life == live && len(h.Entries) <= len(s.entries())
}

func (c *sealedCookies) inCookie() bool { return true }

func (c *sealedCookies) open(value string) (opened, error) {
	payload, err := c.sealer.Open(value)
	if err != nil {
		return opened{}, err
	}
	rec, ok := record.OpenCookie(payload)
	if !ok {
		return opened{}, token.ErrMalformed
	}
	return opened{id: rec.ID, rec: &rec}, nil
}

func (c *sealedCookies) load(ctx context.Context, t opened) (store.Record, error) {
	if err := c.notRevoked(ctx, *t.rec); err != nil {
		return store.Record{}, err
	}
	return *t.rec, nil
}

// notRevoked refuses a record that its user's last revocation covers.
func (c *sealedCookies) notRevoked(ctx context.Context, rec store.Record) error {
	if rec.User == "" {
		return nil
	}
	at, err := c.revoker.NotBefore(ctx, rec.User)
	if err == nil && !rec.AuthTime.After(at) {
		err = &store.EndedError{Until: at.Add(tombstoneLife)}
	}
	return err
}

func (c *sealedCookies) seal(b []byte, rec *snapshot, fresh bool) ([]byte, error) {
	if fresh {
		rand.Read(rec.ID[:])
	}
	value, err := c.sealer.Seal(record.AppendCookie(nil, rec.record()), time.Until(rec.Deadline()))
	if err != nil {
		return b, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return append(b, value...), nil
}

// The store's part: nothing is stored, so little can fail.

func (c *sealedCookies) Create(ctx context.Context, rec store.Record) error {
	return c.notRevoked(ctx, rec)
}

func (c *sealedCookies) Replace(ctx context.Context, _ store.ID, _ uint64, rec store.Record, until time.Time) error {
	return c.notRevoked(ctx, rec)
}

func (c *sealedCookies) Update(context.Context, store.Record, uint64) error { return nil }

func (c *sealedCookies) Touch(context.Context, store.ID, time.Time, time.Time) error { return nil }

func (c *sealedCookies) End(context.Context, store.ID, time.Time) (next store.ID, err error) {
	return store.ID{}, nil
}

func (c *sealedCookies) Sweep(context.Context, time.Time, int) (int, error) { return 0, nil }

func (c *sealedCookies) EndUser(ctx context.Context, user string, at, _ time.Time, keep ...store.ID) ([]store.ID, error) {
	if len(keep) > 0 {
		return nil, errors.ErrUnsupported
	}
	return nil, c.revoker.Revoke(ctx, user, at)
}

func (c *sealedCookies) Load(context.Context, store.ID) (store.Record, error) {
	return store.Record{}, errors.ErrUnsupported
}

func (c *sealedCookies) User(context.Context, string) ([]store.Record, error) {
	return nil, errors.ErrUnsupported
}

// StoreRevoker returns a Revoker that keeps the time of each user's last
// revocation in store, as a record that no list shows. It costs one Load per
// request. Revocations are kept for 400 days, longer than any session lasts.
func StoreRevoker(st store.Store) Revoker { return storeRevoker{st} }

type storeRevoker struct{ store store.Store }

const revokerLabel = "coatcheck/not-before/v1\x00"

func revokerID(user string) store.ID { return sha256.Sum256([]byte(revokerLabel + user)) }

// ownRecord is a record that is no session, kept from at until then. It has a user
// because a full store may drop anonymous records, and one that no application can
// have, so that it is in nobody's list and EndUser does not end it.
func ownRecord(kind string, id store.ID, at, until time.Time) store.Record {
	return store.Record{
		ID: id, Version: newVersion(), User: "\x01" + kind + ":" + id.Handle(),
		AuthTime: at, Created: at, Seen: at, Expires: until, Deadline: until,
	}
}

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
	rec := ownRecord("not-before", revokerID(user), now, now.Add(maxCookieAge))
	rec.Data = binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))
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
