package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// An env is the store under test as one rule sees it.
type env struct {
	store.Store
	alone  bool // nobody else uses the store
	rounds int  // of what depends on chance

	mu   sync.Mutex
	made []store.ID
}

// now is the time as stores keep it. Rules use times about now, because an
// engine may expire by itself what has long been over.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// soon is how long the tombstones and revocations of a rule stand: longer than
// the rule takes.
func soon() time.Time { return now().Add(2 * time.Minute) }

// id returns an id nobody has used.
func (e *env) id() store.ID {
	var id store.ID
	rand.Read(id[:])
	e.known(id)
	return id
}

// known remembers an id for cleaning up.
func (e *env) known(id store.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.made = append(e.made, id)
}

// newUser returns a user nobody else has.
func newUser() string { return "storetest-" + rand.Text() }

// newVersion returns 64 random bits, never 0.
func newVersion() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:]) | 1
}

// newData returns n random bytes.
func newData(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// record returns a new record of user, not yet stored.
func (e *env) record(user string) store.Record {
	t := now()
	return store.Record{
		ID: e.id(), Version: newVersion(), User: user,
		AuthTime: t, Created: t.Add(-time.Hour), Seen: t,
		Expires: t.Add(30 * time.Minute), Deadline: t.Add(12 * time.Hour),
		Data: newData(40),
	}
}

// next returns the record as a later commit would store it.
func next(rec store.Record) store.Record {
	rec.Version, rec.Data = newVersion(), newData(len(rec.Data)+1)
	rec.Seen, rec.Expires = rec.Seen.Add(time.Second), rec.Expires.Add(time.Second)
	return rec
}

// renewed returns the record as a login of user would store it under a new id.
func (e *env) renewed(rec store.Record, user string) store.Record {
	rec = next(rec)
	rec.ID, rec.User, rec.AuthTime = e.id(), user, now()
	return rec
}

// got returns an error unless err is want; a nil want wants success.
func got(call string, err, want error) error {
	if want == nil && err == nil || want != nil && errors.Is(err, want) {
		return nil
	}
	return wrong(call, "got error %v, want %v", err, want)
}

// wrong returns an error of one call.
func wrong(call, format string, args ...any) error {
	return fmt.Errorf("%s: %s", call, fmt.Sprintf(format, args...))
}

// create stores the record.
func (e *env) create(ctx context.Context, rec store.Record) error {
	return got("Create", e.Create(ctx, rec), nil)
}

// live returns an error unless exactly rec is stored.
func (e *env) live(ctx context.Context, rec store.Record) error {
	stored, err := e.Load(ctx, rec.ID)
	if err != nil {
		return got("Load of a live session", err, nil)
	}
	return same("Load", stored, rec)
}

// unknown returns an error unless the ids are unknown.
func (e *env) unknown(ctx context.Context, ids ...store.ID) error {
	for _, id := range ids {
		if _, err := e.Load(ctx, id); !errors.Is(err, store.ErrNotFound) {
			return got("Load of an unknown id", err, store.ErrNotFound)
		}
	}
	return nil
}

// notLive returns an error if the id is live, be it unknown or ended.
func (e *env) notLive(ctx context.Context, id store.ID) error {
	_, err := e.Load(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return got("Load of a session that must not live", err, store.ErrEnded)
}

// tombstone returns what stands in place of an ended session.
func (e *env) tombstone(ctx context.Context, id store.ID) (*store.EndedError, error) {
	_, err := e.Load(ctx, id)
	var ended *store.EndedError
	if !errors.As(err, &ended) {
		return &store.EndedError{}, wrong("Load of an ended session", "got error %v, want an *EndedError", err)
	}
	return ended, got("Load of an ended session", err, store.ErrEnded)
}

// ended returns an error unless id is ended, by successor, until that time.
func (e *env) ended(ctx context.Context, id, successor store.ID, until time.Time) error {
	tomb, err := e.tombstone(ctx, id)
	if err == nil && tomb.Next != successor {
		err = wrong("tombstone", "got successor %v, want %v", named(tomb.Next), named(successor))
	}
	if err == nil && !tomb.Until.Equal(until) {
		err = wrong("tombstone", "stands until %v, want %v", tomb.Until, until)
	}
	return err
}

// end ends id and returns an error unless that names successor.
func (e *env) end(ctx context.Context, id, successor store.ID, until time.Time) error {
	found, err := e.End(ctx, id, until)
	if err == nil && found != successor {
		return wrong("End", "got successor %v, want %v", named(found), named(successor))
	}
	return got("End", err, nil)
}

// named prints an id that may be zero.
func named(id store.ID) string {
	if id.IsZero() {
		return "none"
	}
	return id.Handle()
}

// lists returns an error unless User returns exactly these records.
func (e *env) lists(ctx context.Context, user string, want ...store.Record) error {
	list, err := e.User(ctx, user)
	if err != nil {
		return got("User", err, nil)
	}
	var errs []error
	for _, rec := range want {
		if i := indexOf(list, rec.ID); i < 0 {
			errs = append(errs, wrong("User", "live session %s of %q is missing", rec.ID, user))
		} else {
			errs = append(errs, same("User", list[i], rec))
		}
	}
	if len(list) != len(want) {
		errs = append(errs, wrong("User", "got %d sessions of %q, want %d", len(list), user, len(want)))
	}
	return errors.Join(errs...)
}

func indexOf(list []store.Record, id store.ID) int {
	for i := range list {
		if list[i].ID == id {
			return i
		}
	}
	return -1
}

// same returns an error for each field of got that is not want's.
func same(call string, got, want store.Record) error {
	var errs []error
	differ := func(field string, got, want any) {
		errs = append(errs, wrong(call, "%s is %v, want %v", field, got, want))
	}
	if got.ID != want.ID {
		differ("ID", got.ID, want.ID)
	}
	if got.Version != want.Version {
		differ("Version", got.Version, want.Version)
	}
	if got.User != want.User {
		differ("User", fmt.Sprintf("%q", got.User), fmt.Sprintf("%q", want.User))
	}
	for _, f := range []struct {
		name      string
		got, want time.Time
	}{
		{"AuthTime", got.AuthTime, want.AuthTime},
		{"Created", got.Created, want.Created},
		{"Seen", got.Seen, want.Seen},
		{"Expires", got.Expires, want.Expires},
		{"Deadline", got.Deadline, want.Deadline},
	} {
		if !f.got.Equal(f.want) || f.got.Location() != time.UTC {
			differ(f.name, f.got, f.want)
		}
	}
	if !bytes.Equal(got.Data, want.Data) {
		differ("Data", fmt.Sprintf("other bytes (%d)", len(got.Data)), fmt.Sprintf("what was stored (%d)", len(want.Data)))
	}
	return errors.Join(errs...)
}
