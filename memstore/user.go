package memstore

import (
	"context"
	"hash/maphash"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// The sessions of a user are a chain through their entries. Users whose hashes
// are equal share one, so every walk compares the names.

// chainOf returns the index of the chain with that hash, and its hash there.
func (s *Store) chainOf(hash uint64) (*index, uint32) {
	return &s.users[hash%shardCount], uint32(hash >> 32)
}

// firstOf returns the first slot of the user's chain.
func (s *Store) firstOf(user string) uint32 {
	x, hash := s.chainOf(maphash.String(s.seed, user))
	slot, _ := x.seek(hash, fromStart)
	return slot
}

// chain puts a slot at the front of a user's chain.
func (s *Store) chain(userHash uint64, slot uint32, e *entry) {
	x, hash := s.chainOf(userHash)
	head, _ := x.seek(hash, fromStart)
	e.next, e.prev = head, 0
	if head == 0 {
		x.add(hash, slot)
		return
	}
	s.entries.at(head).prev = slot
	x.change(hash, head, slot)
}

func (s *Store) unchain(userHash uint64, slot uint32, e *entry) {
	x, hash := s.chainOf(userHash)
	if e.next != 0 {
		s.entries.at(e.next).prev = e.prev
	}
	switch {
	case e.prev != 0:
		s.entries.at(e.prev).next = e.next
	case e.next != 0:
		x.change(hash, slot, e.next)
	default:
		x.remove(hash, slot)
	}
}

// User returns the live records of user, the newest first. It locks out
// nobody who only reads and updates.
func (s *Store) User(ctx context.Context, user string) ([]store.Record, error) {
	if err := s.begin(ctx); err != nil || user == "" {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var records []store.Record
	for slot := s.firstOf(user); slot != 0; {
		e := s.entries.at(slot)
		sh := s.shardAt(e)
		sh.mu.RLock()
		if name, _ := sh.arena.item(e); string(name) == user {
			records = append(records, sh.arena.record(e))
		}
		sh.mu.RUnlock()
		slot = e.next
	}
	return records, nil
}

// EndUser ends the live sessions of user but those in keep, and refuses logins
// of before at. There is always room for that: it is never ErrFull.
func (s *Store) EndUser(ctx context.Context, user string, at, until time.Time, keep ...store.ID) ([]store.ID, error) {
	if err := s.begin(ctx); err != nil || user == "" {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keep = s.followed(keep)
	s.revoke(user, at.UnixMicro(), until.UnixMicro(), keep)
	var ended []store.ID
	for slot := s.firstOf(user); slot != 0; {
		e := s.entries.at(slot)
		next, sh := e.next, s.shardAt(e)
		sh.mu.Lock()
		id := sh.arena.id(e)
		if name, _ := sh.arena.item(e); string(name) == user && !slices.Contains(keep, id) {
			s.end(sh, slot, e, store.ID{}, until.UnixMicro())
			ended = append(ended, id)
		}
		sh.mu.Unlock()
		slot = next
	}
	return ended, nil
}

// followed returns the ids to keep and those that replaced them (S8). The zero ID
// is none.
func (s *Store) followed(keep []store.ID) []store.ID {
	var all []store.ID
	for _, id := range keep {
		for ; !id.IsZero() && !slices.Contains(all, id); id = s.successor(id) {
			all = append(all, id)
		}
	}
	return all
}

// successor returns the id that replaced id, or zero.
func (s *Store) successor(id store.ID) (next store.ID) {
	sh := s.shard(id)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if _, e := s.lookup(sh, &id); e != nil && e.state() == isEnded {
		next = sh.arena.successor(e)
	}
	return next
}

// A revocation refuses logins of one user that began at or before at. Several
// of a user become one that refuses what any of them does: a session that the
// last call did not keep is over, so only its keep matters.
type revocation struct {
	at, until int64
	keep      []store.ID
}

// revocationCost is what a revocation takes beside the user and the kept ids.
const revocationCost = 150

func (r *revocation) cost(user string) int64 {
	return revocationCost + int64(len(user)) + int64(len(r.keep)*len(store.ID{}))
}

func (s *Store) revoke(user string, at, until int64, keep []store.ID) {
	r := &revocation{at: at, until: until, keep: keep}
	if before := s.revoked[user]; before != nil {
		r.at, r.until = max(r.at, before.at), max(r.until, before.until)
		s.unrevoke(user, before)
	}
	if !s.makeRoom(1, r.cost(user), 0) {
		s.bytes.Add(r.cost(user))
	}
	s.revoked[user] = r
	s.revokedDue = min(s.revokedDue, r.until)
}

func (s *Store) unrevoke(user string, r *revocation) {
	s.bytes.Add(-r.cost(user))
	delete(s.revoked, user)
}

// refused reports whether a revocation forbids to make the record live.
func (s *Store) refused(rec *store.Record, old store.ID) bool {
	r := s.revoked[rec.User]
	return r != nil && rec.AuthTime.UnixMicro() <= r.at && !slices.Contains(r.keep, old)
}

// keepNext keeps the successor of a kept session in its place.
func (s *Store) keepNext(user string, old, next store.ID) {
	if r := s.revoked[user]; r != nil {
		if i := slices.Index(r.keep, old); i >= 0 {
			r.keep[i] = next
		}
	}
}
