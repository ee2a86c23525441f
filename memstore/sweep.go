package memstore

import (
	"context"
	"math"
	"time"
)

// groupSize is how many slots Sweep looks at together.
const groupSize = 64

// Sweep removes tombstones and revocations past their time and records past
// Expires or Deadline, all that there are, but at most max. It looks at one
// group of slots at a time and lets others in between.
func (s *Store) Sweep(ctx context.Context, now time.Time, max int) (removed int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	at := now.UnixMicro()
	removed = s.sweepRevoked(at, max)
	for i := 0; i >= 0 && removed < max; {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		var n int
		n, i = s.sweepNext(i, at, max-removed)
		removed += n
	}
	return removed, nil
}

func (s *Store) sweepRevoked(now int64, limit int) (removed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.revoked) == 0 || s.revokedDue >= now {
		return 0
	}
	first := int64(math.MaxInt64)
	for user, r := range s.revoked {
		if r.until < now && removed < limit {
			s.unrevoke(user, r)
			removed++
			continue
		}
		first = min(first, r.until)
	}
	s.revokedDue = first
	return removed
}

// lower notes that an entry may be due earlier than the rest of its group.
// The notes are lower bounds: Touch moves a time forward without a word.
func (s *Store) lower(slot uint32, e *entry) {
	i := int(slot / groupSize)
	for i >= len(s.due) {
		s.due = append(s.due, math.MaxInt64)
	}
	s.due[i] = min(s.due[i], e.due())
}

// sweepNext sweeps the first group from i on where something may be due, and
// returns where to go on, -1 at the end.
func (s *Store) sweepNext(i int, now int64, limit int) (removed, next int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i < len(s.due) && s.due[i] >= now {
		i++
	}
	if i == len(s.due) {
		return 0, -1
	}
	first := int64(math.MaxInt64)
	for n := range uint32(groupSize) {
		slot := uint32(i)*groupSize + n
		if slot == 0 || slot > s.entries.count {
			continue
		}
		e := s.entries.at(slot)
		if e.state() == isFree {
			continue
		}
		sh := s.shardAt(e)
		sh.mu.Lock()
		due := e.due()
		if due < now && removed < limit {
			s.remove(sh, slot, e)
			removed++
		} else {
			first = min(first, due)
		}
		sh.mu.Unlock()
	}
	s.due[i] = first
	return removed, i + 1
}
