package memstore

// entryCost is what an entry takes beside user and data: itself, its share of
// the maps, and the head of its item.
const entryCost = 170

func cost(user, data int) int64 { return entryCost + int64(user) + int64(data) }

// reserve counts bytes that are about to be stored, if they fit.
func (s *Store) reserve(n int64) bool {
	if s.bytes.Add(n) > s.maxBytes && n > 0 {
		s.bytes.Add(-n)
		return false
	}
	return true
}

// hasRoom reserves bytes for so many new entries, if nobody has to leave for that.
func (s *Store) hasRoom(entries, bytes int64) bool {
	return (entries == 0 || s.rows()+entries <= s.maxRows) && s.reserve(bytes)
}

func (s *Store) rows() int64 { return s.live + s.ended + int64(len(s.revoked)) }

// makeRoom reserves bytes for so many new entries, and pushes out anonymous
// sessions where that is needed: none at all where it would not be enough, and
// never the one in the slot except. Who calls holds mu and no shard.
func (s *Store) makeRoom(entries, bytes int64, except uint32) bool {
	left := s.rows() - s.anonymous.count
	leftBytes := s.bytes.Load() - s.anonymousBytes.Load()
	if entries > 0 && left+entries > s.maxRows || bytes > 0 && leftBytes+bytes > s.maxBytes {
		return false
	}
	for !s.hasRoom(entries, bytes) {
		if !s.pushOut(except) {
			return false
		}
	}
	return true
}

// secondChances bounds how many sessions one pushOut passes over.
const secondChances = 16

// pushOut makes the oldest anonymous session unknown that was not used since
// its turn came last, as far as a few looks find one.
func (s *Store) pushOut(except uint32) bool {
	for look := 0; ; look++ {
		slot := s.anonymous.first
		if slot == except && slot != 0 {
			slot = s.entries.at(slot).next
		}
		if slot == 0 {
			return false
		}
		e := s.entries.at(slot)
		sh := s.shardAt(e)
		sh.mu.Lock()
		if !e.used || look >= secondChances {
			s.remove(sh, slot, e)
			sh.mu.Unlock()
			return true
		}
		e.used = false
		sh.mu.Unlock()
		s.anonymous.remove(&s.entries, slot)
		s.anonymous.push(&s.entries, slot)
	}
}

// A list links entries in the order they were pushed.
type list struct {
	first, last uint32
	count       int64
}

func (l *list) push(t *entries, slot uint32) {
	e := t.at(slot)
	e.next, e.prev = 0, l.last
	if l.last == 0 {
		l.first = slot
	} else {
		t.at(l.last).next = slot
	}
	l.last = slot
	l.count++
}

func (l *list) remove(t *entries, slot uint32) {
	e := t.at(slot)
	if e.prev == 0 {
		l.first = e.next
	} else {
		t.at(e.prev).next = e.next
	}
	if e.next == 0 {
		l.last = e.prev
	} else {
		t.at(e.next).prev = e.prev
	}
	l.count--
}
