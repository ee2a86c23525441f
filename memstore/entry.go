package memstore

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// The states of an entry; the zero one is free.
const (
	isFree = iota
	isLive
	isEnded
)

// An entry is the part of a session, or of a tombstone, that has a fixed size and
// may change, as large as a line of a processor's cache. Id, user and data are an
// item in the arena of the id's shard; a tombstone's item holds its successor.
// There is no pointer in it, so that the garbage collector does not look at
// entries at all.
type entry struct {
	version  uint64
	began    int64 // times are Unix microseconds
	created  int64
	seen     int64
	expires  int64
	deadline int64 // of a tombstone: until

	// Links of the list the entry is in: its user's chain, the anonymous
	// sessions or the free slots. Guarded by Store.mu.
	next, prev uint32

	block uint32 // where the item lies
	off   uint16
	kind  uint8 // the state, and above it the number of the shard
	used  bool  // since the session last was next to be pushed out
}

const stateBits = 2

func kindOf(shard int, state uint8) uint8 { return uint8(shard)<<stateBits | state }

func (e *entry) state() uint8 { return e.kind & (1<<stateBits - 1) }

// set takes the fields of a record but for its id, user and data.
func (e *entry) set(rec *store.Record) {
	e.version = rec.Version
	e.began, e.created = rec.AuthTime.UnixMicro(), rec.Created.UnixMicro()
	e.seen, e.expires = rec.Seen.UnixMicro(), rec.Expires.UnixMicro()
	e.deadline = rec.Deadline.UnixMicro()
}

// due is when Sweep may remove the entry.
func (e *entry) due() int64 {
	if e.state() == isEnded {
		return e.deadline
	}
	return min(e.expires, e.deadline)
}

func micro(t int64) time.Time { return time.UnixMicro(t).UTC() }

// Entries come in chunks that never move. Slots count from 1; 0 is none.
const (
	chunkSize = 256
	maxSlots  = 1 << 31
)

type chunk [chunkSize]entry

// entries find the entry of a slot. It is read under any shard's lock and
// grows under Store.mu: whoever knows a slot knows a directory that has it.
type entries struct {
	chunks atomic.Pointer[[]*chunk] // to as many as fit, nil from the last on
	count  uint32                   // slots ever used
	free   uint32                   // the first of a list
}

func (t *entries) at(slot uint32) *entry {
	return &(*t.chunks.Load())[slot/chunkSize][slot%chunkSize]
}

// take returns a free slot.
func (t *entries) take() uint32 {
	if slot := t.free; slot != 0 {
		t.free = t.at(slot).next
		return slot
	}
	t.count++
	i := int(t.count / chunkSize)
	var chunks []*chunk
	if p := t.chunks.Load(); p != nil {
		chunks = *p
	}
	if i >= len(chunks) {
		more := make([]*chunk, 2*i+8)
		copy(more, chunks)
		chunks = more
		t.chunks.Store(&more)
	}
	if chunks[i] == nil {
		chunks[i] = new(chunk)
	}
	return t.count
}

// give returns a slot to the free ones.
func (t *entries) give(slot uint32) {
	*t.at(slot) = entry{next: t.free}
	t.free = slot
}

// shardCount is high enough that cores seldom meet at one lock, and low enough
// that the shards' half-filled blocks do not matter, nor their numbers in a byte
// with the state.
const shardCount = 64

// A shard holds the ids that end alike, behind a lock of its own.
type shard struct {
	mu    sync.RWMutex
	ids   index
	arena arena
}

func (s *Store) shard(id store.ID) *shard { return &s.shards[shardOf(&id)] }

func shardOf(id *store.ID) int { return int(id[len(id)-1] % shardCount) }

// shardAt is the shard of an entry that is not free.
func (s *Store) shardAt(e *entry) *shard { return &s.shards[e.kind>>stateBits] }

// hashOf is an id's hash in its shard's index: an id is a hash already.
func hashOf(id *store.ID) uint32 { return binary.LittleEndian.Uint32(id[:4]) }

// lookup returns the slot of an id, 0 where it is unknown. The index knows where
// both the entry and the item lie: among millions of sessions each is on a page of
// memory that no cache knows, and a processor that need not wait for the one to
// find the other looks for both at once.
func (s *Store) lookup(sh *shard, id *store.ID) (uint32, *entry) {
	hash := hashOf(id)
	for slot, at := sh.ids.seek(hash, fromStart); slot != 0; slot, at = sh.ids.seek(hash, at) {
		if e := s.entries.at(slot); sh.arena.has(e, sh.ids.items[at], id) {
			return slot, e
		}
	}
	return 0, nil
}

// find returns the entry of a live id.
func (s *Store) find(sh *shard, id store.ID) (uint32, *entry, error) {
	slot, e := s.lookup(sh, &id)
	if e == nil {
		return 0, nil, store.ErrNotFound
	}
	if e.state() == isEnded {
		return 0, nil, &store.EndedError{Next: sh.arena.successor(e), Until: micro(e.deadline)}
	}
	return slot, e, nil
}
