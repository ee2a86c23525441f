// Package memstore keeps sessions in the memory of this process. They are gone
// when it ends, and another process does not see them: for one instance, for
// development and for tests.
//
//	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
//
// Sessions lie in large blocks without pointers, so that a million of them are
// no work for the garbage collector (docs/spec/store.md says what they cost).
package memstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// Defaults of Config.
const (
	defaultSessions = 1_000_000
	defaultBytes    = 512 << 20
)

// Config bounds what a Store keeps. The zero value is the default, and most
// programs need only that.
//
// Where a new session does not fit, anonymous ones are pushed out, roughly
// those first that have been idle the longest. Sessions of users, tombstones
// and revocations never are: when nothing else is left the call fails with
// coatcheck.ErrFull.
type Config struct {
	// MaxSessions bounds the number of sessions, tombstones and revocations
	// counted too. Zero is 1,000,000.
	MaxSessions int

	// MaxBytes bounds what they take, each counted with its user, its data and
	// 170 bytes for all the rest. Zero is 512 MiB. What old versions of
	// sessions still take until their blocks are cleared, at most half as
	// much again as users and data, comes on top, and so does what the garbage
	// collector leaves lying (see GOGC and GOMEMLIMIT).
	MaxBytes int64
}

// A Store is a store.Store in memory, a store.Counter and a
// store.Lister. It is safe for concurrent use and starts no goroutine.
//
// Which ids exist, and in what state, changes under mu, then the id's shard's
// lock: so who holds either may read it. What a live record holds changes
// under its shard's lock alone. Nobody waits for mu while holding a shard.
type Store struct {
	err                   error // of the Config; every call returns it
	maxRows, maxBytes     int64
	seed                  maphash.Seed
	entries               entries
	shards                *[shardCount]shard // behind a pointer, so that whatever prints what holds this prints no id (G13)
	bytes, anonymousBytes atomic.Int64       // of everything, and of anonymous sessions

	mu          sync.Mutex
	live, ended int64
	anonymous   list              // the anonymous sessions, the newest last
	users       [shardCount]index // of the first slots of users' chains
	revoked     map[string]*revocation
	revokedDue  int64   // no revocation is over before
	due         []int64 // for each group of slots: none is over before
}

// New returns an empty store. A store with a negative bound answers every call
// with an error that names the field.
func New(cfg Config) *Store {
	s := &Store{
		maxRows:  int64(cfg.MaxSessions),
		maxBytes: cfg.MaxBytes,
		seed:     maphash.MakeSeed(),
		shards:   new([shardCount]shard),
		revoked:  make(map[string]*revocation),
	}
	switch {
	case s.maxRows < 0 || s.maxRows >= maxSlots:
		s.err = fmt.Errorf("memstore: Config.MaxSessions is %d; want 0 (%d) to %d", s.maxRows, defaultSessions, int64(maxSlots-1))
	case s.maxBytes < 0:
		s.err = fmt.Errorf("memstore: Config.MaxBytes is %d; want >= 0", s.maxBytes)
	}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.ids.ofIDs = true
		sh.arena = arena{ids: &sh.ids, entries: &s.entries, near: nearMost}
	}
	if s.maxRows == 0 {
		s.maxRows = defaultSessions
	}
	if s.maxBytes == 0 {
		s.maxBytes = defaultBytes
	}
	return s
}

// Format prints that this is a store and nothing of what it holds, whatever the
// verb.
func (s *Store) Format(f fmt.State, _ rune) { io.WriteString(f, "{memstore}") }

// begin reports why a call cannot start. Nothing here waits, so a context is
// asked once and its Done, which may cost a timer, never.
func (s *Store) begin(ctx context.Context) error {
	if s.err != nil {
		return s.err
	}
	return ctx.Err()
}

// Load returns the record of id, store.ErrNotFound or a
// *store.EndedError. Its Data lies in the store's own memory, which is
// never written again; holding on to it holds a block of 8 KiB.
func (s *Store) Load(ctx context.Context, id store.ID) (rec store.Record, err error) {
	if err := s.begin(ctx); err != nil {
		return rec, err
	}
	sh := s.shard(id)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	_, e, err := s.find(sh, id)
	if err == nil {
		sh.arena.read(e, &rec)
	}
	return rec, err
}

// Touch moves Seen and Expires of a live record forward, never back.
func (s *Store) Touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	_, e, err := s.find(sh, id)
	if err != nil {
		return err
	}
	e.seen, e.expires = max(e.seen, seen.UnixMicro()), max(e.expires, expires.UnixMicro())
	e.used = true
	return nil
}

// Update stores the record where the stored Version is was. It fails with
// coatcheck.ErrFull where the data grows and there is no room for that.
func (s *Store) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := fits(&rec); err != nil {
		return err
	}
	slot, lacking, err := s.update(&rec, ifVersion, 0, false)
	if err != errAlone {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.makeRoom(0, lacking, slot) {
		return store.ErrFull
	}
	// The version vouches for the size of what is stored: the room suffices.
	_, _, err = s.update(&rec, ifVersion, lacking, true)
	s.bytes.Add(-lacking) // what is left of it
	return err
}

// errAlone says that an update is for the holder of mu: it needs room that
// somebody else has to leave, or ends the session earlier.
var errAlone = errors.New("memstore: update needs the lock")

// update has room for so many bytes more. With errAlone come the slot and the
// bytes that it lacks.
func (s *Store) update(rec *store.Record, ifVersion uint64, room int64, alone bool) (slot uint32, lacking int64, err error) {
	sh := s.shard(rec.ID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slot, e, err := s.find(sh, rec.ID)
	if err != nil {
		return 0, 0, err
	}
	if e.version != ifVersion {
		return 0, 0, &store.ConflictError{Now: sh.arena.record(e)}
	}
	user, data := sh.arena.item(e)
	grown := int64(len(rec.Data) - len(data))
	earlier := rec.Deadline.UnixMicro() < e.deadline
	switch {
	case earlier && !alone:
		return slot, max(grown, 0), errAlone
	case grown <= room:
		s.bytes.Add(grown)
	case !s.reserve(grown):
		return slot, grown, errAlone
	}
	if len(user) == 0 {
		s.anonymousBytes.Add(grown)
	}
	seen, expires := e.seen, e.expires
	e.set(rec)
	e.seen, e.expires = max(e.seen, seen), max(e.expires, expires)
	e.used = true
	sh.arena.replace(slot, e, user, rec.Data)
	if earlier {
		s.lower(slot, e)
	}
	return slot, 0, nil
}

// fits reports what no entry can hold. The core sends nothing like it.
func fits(rec *store.Record) error {
	if len(rec.User) > math.MaxUint8 {
		return fmt.Errorf("memstore: the user has %d bytes; want at most %d", len(rec.User), math.MaxUint8)
	}
	if int64(len(rec.Data)) > math.MaxInt32 {
		return fmt.Errorf("memstore: the data has %d bytes; want at most %d", len(rec.Data), math.MaxInt32)
	}
	return nil
}

// Stats counts what the store holds.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	if err := s.begin(ctx); err != nil {
		return store.Stats{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := store.Stats{Sessions: s.live, Tombstones: s.ended, Bytes: s.bytes.Load()}
	for i := range s.users {
		stats.Users += int64(s.users[i].count)
	}
	return stats, nil
}
