package memstore

import (
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/coatcheck/coatcheck/store"
)

// EntryCost is what an entry counts beside user and data.
const EntryCost = entryCost

// Chain tells users apart whose sessions do not share a chain.
func (s *Store) Chain(user string) uint64 {
	hash := maphash.String(s.seed, user)
	return hash%shardCount<<32 | hash>>32
}

// HoldShard locks out everybody from the sessions in the id's shard.
func (s *Store) HoldShard(id store.ID) (release func()) {
	sh := s.shard(id)
	sh.mu.Lock()
	return sh.mu.Unlock
}

// Near lets the index know where the items of so many blocks of a shard lie; for the
// others it asks their entries. The store is empty yet.
func (s *Store) Near(blocks uint32) {
	for i := range s.shards {
		s.shards[i].arena.near = blocks
	}
}

// Busy reports whether somebody changes which ids exist.
func (s *Store) Busy() bool {
	if s.mu.TryLock() {
		s.mu.Unlock()
		return false
	}
	return true
}

// Audit counts everything again and compares.
func (s *Store) Audit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	differ := func(what string, got, want int64) {
		if got != want {
			errs = append(errs, fmt.Errorf("%s: got %d, want %d", what, got, want))
		}
	}
	var live, ended, anonymous, anonymousBytes, bytes, indexed, listed int64
	used := make(map[*shard]map[uint32]int)
	for slot := uint32(1); slot <= s.entries.count; slot++ {
		e := s.entries.at(slot)
		if e.state() == isFree {
			continue
		}
		sh := s.shardAt(e)
		id := sh.arena.id(e)
		if sh != s.shard(id) {
			errs = append(errs, fmt.Errorf("slot %d: in another shard than its id", slot))
		}
		if found, _ := s.lookup(sh, &id); found != slot {
			errs = append(errs, fmt.Errorf("slot %d: its id finds slot %d", slot, found))
		}
		at := sh.ids.items[sh.ids.place(hashOf(&id), slot)]
		if want := sh.arena.locationOf(e.block, e.off); at != want {
			errs = append(errs, fmt.Errorf("slot %d: its item lies at %d, the index says %d", slot, want, at))
		}
		if s.due[slot/groupSize] > e.due() {
			errs = append(errs, fmt.Errorf("slot %d: due before its group", slot))
		}
		user, data := sh.arena.item(e)
		if used[sh] == nil {
			used[sh] = make(map[uint32]int)
		}
		used[sh][e.block] += itemHead + len(user) + len(data)
		size := cost(len(user), len(data))
		bytes += size
		switch {
		case e.state() == isEnded:
			ended++
		case len(user) == 0:
			live++
			anonymous++
			anonymousBytes += size
		default:
			live++
			listed++
			if first := s.firstOf(string(user)); first == 0 {
				errs = append(errs, fmt.Errorf("slot %d: its user has no chain", slot))
			}
		}
	}
	for user, r := range s.revoked {
		bytes += r.cost(user)
		if r.until < s.revokedDue {
			errs = append(errs, errors.New("a revocation is due before revokedDue"))
		}
	}
	for i := range s.shards {
		sh := &s.shards[i]
		indexed += int64(sh.ids.count)
		for n, b := range sh.arena.blocks {
			differ(fmt.Sprintf("bytes in use of block %d", n), int64(b.used), int64(used[sh][uint32(n)]))
			if b.buf != nil && !sh.arena.isFilling(uint32(n)) && 3*b.used < 2*cap(b.buf) {
				errs = append(errs, fmt.Errorf("block %d: %d of %d bytes in use", n, b.used, cap(b.buf)))
			}
		}
	}
	var chained, anonymousListed int64
	for i := range s.users {
		for _, w := range s.users[i].words {
			for slot := uint32(w); slot != 0; slot = s.entries.at(slot).next {
				chained++
			}
		}
	}
	for slot := s.anonymous.first; slot != 0; slot = s.entries.at(slot).next {
		anonymousListed++
	}
	differ("live", s.live, live)
	differ("ended", s.ended, ended)
	differ("ids", indexed, live+ended)
	differ("anonymous", s.anonymous.count, anonymous)
	differ("anonymous, listed", anonymousListed, anonymous)
	differ("bytes of anonymous", s.anonymousBytes.Load(), anonymousBytes)
	differ("bytes", s.bytes.Load(), bytes)
	differ("chained", chained, listed)
	return errors.Join(errs...)
}
