package memstore

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// Create stores a new record. It fails with store.ErrExists or ErrEnded
// where the id is in use, ErrEnded where the user was revoked, and ErrFull.
func (s *Store) Create(ctx context.Context, rec store.Record) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := fits(&rec); err != nil {
		return err
	}
	need := cost(len(rec.User), len(rec.Data))
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.create(&rec, need, false)
	if err == errNoRoom {
		if !s.makeRoom(1, need, 0) {
			return store.ErrFull
		}
		return s.create(&rec, need, true)
	}
	return err
}

// create is exchange without an old one.
func (s *Store) create(rec *store.Record, need int64, reserved bool) error {
	sh := s.shard(rec.ID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if err := s.refuse(sh, rec, store.ID{}); err != nil {
		return err
	}
	if !reserved && !s.hasRoom(1, need) {
		return errNoRoom
	}
	s.add(sh, rec)
	return nil
}

// refuse reports why the record cannot be made live in its shard, which is locked. Who
// holds mu gets an answer that stands.
func (s *Store) refuse(sh *shard, rec *store.Record, old store.ID) error {
	if _, e := s.lookup(sh, &rec.ID); e != nil {
		if e.state() == isEnded {
			return store.ErrEnded
		}
		return store.ErrExists
	}
	if s.refused(rec, old) {
		return store.ErrEnded
	}
	return nil
}

// lookupAlone is lookup for the holder of mu alone. Other shards' ids and the
// states of entries do not change meanwhile.
func (s *Store) lookupAlone(id store.ID) (uint32, *entry) {
	sh := s.shard(id)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return s.lookup(sh, &id)
}

// add makes the record live. Its bytes are reserved.
func (s *Store) add(sh *shard, rec *store.Record) {
	slot := s.entries.take()
	e := s.entries.at(slot)
	e.kind = kindOf(shardOf(&rec.ID), isLive)
	e.set(rec)
	sh.ids.add(hashOf(&rec.ID), slot)
	sh.arena.put(slot, e, rec.ID, []byte(rec.User), rec.Data)
	s.lower(slot, e)
	s.live++
	if rec.User == "" {
		s.anonymous.push(&s.entries, slot)
		s.anonymousBytes.Add(cost(0, len(rec.Data)))
	} else {
		s.chain(maphash.String(s.seed, rec.User), slot, e)
	}
}

// Replace makes rec live and leaves a tombstone in place of old, in one step.
func (s *Store) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := fits(&rec); err != nil {
		return err
	}
	need := cost(len(rec.User), len(rec.Data)) + int64(len(rec.ID)) // which the tombstone names
	s.mu.Lock()
	defer s.mu.Unlock()
	slot, err := s.exchange(old, ifVersion, &rec, until.UnixMicro(), need, false)
	if err == errNoRoom {
		if !s.makeRoom(1, need, slot) {
			return store.ErrFull
		}
		if _, err = s.exchange(old, ifVersion, &rec, until.UnixMicro(), need, true); err != nil { // an Update came between
			s.bytes.Add(-need)
		}
	}
	if err == nil {
		s.keepNext(rec.User, old, rec.ID)
	}
	return err
}

// errNoRoom says that somebody else has to leave first.
var errNoRoom = errors.New("memstore: no room")

// exchange makes rec live and leaves a tombstone in place of old. It needs so many
// bytes, which are reserved or else to be had without that anybody leaves; with
// errNoRoom comes the slot of old.
func (s *Store) exchange(old store.ID, ifVersion uint64, rec *store.Record, until, need int64, reserved bool) (uint32, error) {
	from, to := s.shard(old), s.shard(rec.ID)
	// Only the holder of mu holds more than one shard, so any order will do.
	from.mu.Lock()
	defer from.mu.Unlock()
	if to != from {
		to.mu.Lock()
		defer to.mu.Unlock()
	}
	slot, e, err := s.find(from, old)
	if err != nil {
		return 0, err
	}
	if e.version != ifVersion {
		return 0, store.ErrConflict
	}
	if err := s.refuse(to, rec, old); err != nil {
		return 0, err
	}
	if !reserved && !s.hasRoom(1, need) {
		return slot, errNoRoom
	}
	s.end(from, slot, e, rec.ID, until)
	s.add(to, rec)
	return slot, nil
}

// End leaves a tombstone in place of id, whatever was there, and returns the
// id that replaced it, if any. It fails with coatcheck.ErrFull where nothing
// was there and there is no room for a tombstone.
func (s *Store) End(ctx context.Context, id store.ID, until time.Time) (next store.ID, err error) {
	if err := s.begin(ctx); err != nil {
		return next, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shard(id)
	slot, e := s.lookupAlone(id)
	if e == nil {
		if !s.makeRoom(1, cost(0, 0), 0) {
			return next, store.ErrFull
		}
		sh.mu.Lock()
		defer sh.mu.Unlock()
		slot = s.entries.take()
		e = s.entries.at(slot)
		sh.ids.add(hashOf(&id), slot)
		s.entomb(sh, slot, e, id, next, until.UnixMicro())
		return next, nil
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e.state() == isEnded {
		e.deadline = max(e.deadline, until.UnixMicro())
		return sh.arena.successor(e), nil
	}
	s.end(sh, slot, e, next, until.UnixMicro())
	return next, nil
}

// end turns a live entry into a tombstone.
func (s *Store) end(sh *shard, slot uint32, e *entry, next store.ID, until int64) {
	id := sh.arena.id(e)
	s.unlist(sh, slot, e)
	sh.arena.drop(e)
	s.bytes.Add(cost(0, 0))
	s.entomb(sh, slot, e, id, next, until)
}

// entomb makes an entry without an item the tombstone of an id.
func (s *Store) entomb(sh *shard, slot uint32, e *entry, id, next store.ID, until int64) {
	*e = entry{kind: kindOf(shardOf(&id), isEnded), deadline: until}
	var successor []byte
	if !next.IsZero() {
		successor = next[:]
	}
	sh.arena.put(slot, e, id, nil, successor)
	s.lower(slot, e)
	s.ended++
}

// unlist takes a live entry out of the lists and the count, and gives back its
// bytes.
func (s *Store) unlist(sh *shard, slot uint32, e *entry) {
	user, data := sh.arena.item(e)
	size := cost(len(user), len(data))
	if len(user) == 0 {
		s.anonymous.remove(&s.entries, slot)
		s.anonymousBytes.Add(-size)
	} else {
		s.unchain(maphash.Bytes(s.seed, user), slot, e)
	}
	s.bytes.Add(-size)
	s.live--
}

// remove makes the id of an entry unknown.
func (s *Store) remove(sh *shard, slot uint32, e *entry) {
	if e.state() == isLive {
		s.unlist(sh, slot, e)
	} else {
		_, successor := sh.arena.item(e)
		s.bytes.Add(-cost(0, len(successor)))
		s.ended--
	}
	id := sh.arena.id(e)
	sh.arena.drop(e)
	sh.ids.remove(hashOf(&id), slot)
	s.entries.give(slot)
}
