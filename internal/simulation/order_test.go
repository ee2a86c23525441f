package simulation_test

import (
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A lineage is the facts of one session through all its tokens. It is sound if
// some order of them, in which none comes before another that had ended when it
// began, explains all that was told (linearizability, as Wing and Gong check it).
type lineage struct {
	w     *world
	store int
	ids   []store.ID
	facts []*fact
	seen  map[position]struct{}
}

// A position is a state of the search: which facts are in the order already, and
// what the session then is.
type position struct {
	done [2]uint64
	session
}

// A session is what the model knows of one.
type session struct {
	at      int8 // index of the live id in the lineage's ids, or one of those below
	revoked [2]int64
	values
}

const (
	unborn int8 = -1
	over   int8 = -2
)

var users = []string{"u1", "u2"}

const (
	maxFacts = 128
	patience = 20_000 // positions, after which the search gives up
)

// explained reports whether there is such an order.
func (l *lineage) explained() bool {
	if len(l.facts) > maxFacts {
		l.w.gaveUp = true
		return true
	}
	slices.SortStableFunc(l.facts, func(a, b *fact) int { return a.begin.Compare(b.begin) })
	l.seen = make(map[position]struct{})
	return l.search(position{session: session{at: unborn}})
}

func (p *position) has(i int) bool { return p.done[i/64]&(1<<(i%64)) != 0 }

func (l *lineage) search(p position) bool {
	if _, seen := l.seen[p]; seen {
		return false
	}
	if len(l.seen) == patience {
		l.w.gaveUp = true
		return true
	}
	l.seen[p] = struct{}{}
	first, left := forever, false // when the earliest of what must yet come has ended
	for i, f := range l.facts {
		if f.must && !p.has(i) {
			left = true
			if f.end.Before(first) {
				first = f.end
			}
		}
	}
	if !left {
		return true
	}
	return l.try(&p, first, true) || l.try(&p, first, false) // what may have happened only where it must
}

// try goes on with each fact that may come next, of those that must come or not.
func (l *lineage) try(p *position, first time.Time, must bool) bool {
	for i, f := range l.facts {
		if f.begin.After(first) {
			break
		}
		if f.must != must || p.has(i) || f.before != nil && !l.placed(p, f.before) {
			continue
		}
		next := *p
		next.done[i/64] |= 1 << (i % 64)
		if l.step(&next.session, f) && l.search(next) {
			return true
		}
	}
	return false
}

// placed reports whether the fact is in the order, or in another lineage.
func (l *lineage) placed(p *position, f *fact) bool {
	i := slices.Index(l.facts, f)
	return i < 0 || p.has(i)
}

func (l *lineage) index(id store.ID) int8 {
	if id.IsZero() {
		return unborn
	}
	return int8(slices.Index(l.ids, id))
}

// step lets the fact happen and reports whether it could.
func (l *lineage) step(s *session, f *fact) bool {
	switch f.kind {
	case isLook:
		if f.view == nil {
			return s.at != l.index(f.from)
		}
		return s.at == l.index(f.from) && f.view.shows(&s.values, f.begin, f.end)
	case isEnd:
		if f.view == nil {
			return s.at < 0
		}
		return s.at == l.index(f.from) && f.view.shows(&s.values, f.begin, f.end)
	case isDead:
		return s.at != l.index(f.from)
	case isCommit:
		return l.commit(s, f)
	case isLogout, isRevoke:
		return l.endChain(s, f)
	case isEndUser:
		l.endUser(s, f)
		return true
	case isLimit:
		if s.at < 0 || s.user != f.user || l.ids[s.at] == f.to {
			return false
		}
		s.at = over
		return true
	case isList:
		return l.listed(s, f)
	}
	return false
}

func (l *lineage) commit(s *session, f *fact) bool {
	if s.at != l.index(f.from) {
		return false
	}
	for _, c := range f.changes {
		again := c.verb == "login" && s.user == c.value // what it came after is no end of it
		if !s.apply(c) {
			return false
		}
		if u := slices.Index(users, c.value); c.verb == "login" && !again && s.revoked[u] > f.login.Add(l.w.clockOf(f.process)).UnixNano() {
			return false // S8
		}
	}
	s.at = l.index(f.to)
	return true
}

// endChain ends the session from, or what replaced it.
func (l *lineage) endChain(s *session, f *fact) bool {
	at := l.index(f.from)
	switch {
	case s.at < 0 || s.at == at:
	case f.kind == isRevoke && s.user != f.user:
		return true
	}
	if s.at >= 0 {
		s.at = over
	}
	return true
}

func (l *lineage) endUser(s *session, f *fact) {
	kept := s.at >= 0 && slices.Contains(f.ids, l.ids[s.at])
	if s.at >= 0 && s.user == f.user && !kept {
		s.at = over
	}
	u := slices.Index(users, f.user)
	if kept { // and may go on by a login, whatever an earlier revocation says
		s.revoked[u] = 0
	} else {
		at := f.begin.Add(l.w.clockOf(f.process) - time.Millisecond).UnixNano()
		s.revoked[u] = max(s.revoked[u], at)
	}
}

// listed compares a list of the user's sessions with the session (S9, S10).
func (l *lineage) listed(s *session, f *fact) bool {
	live := s.at >= 0 && s.user == f.user
	for i, id := range l.ids {
		if slices.Contains(f.ids, id) != (live && int(s.at) == i) {
			return false
		}
	}
	return true
}
