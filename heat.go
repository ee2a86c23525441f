package coatcheck

import (
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// Of two processes that write one session the one that is nearer to the store
// would win every time: between what the other reads and what it writes lies its
// whole distance. So whoever loses again and again shows itself, by a touch, and
// whoever has won then makes a pause.
const (
	calm     = time.Second // after so long without another process nobody yields to one
	minPause = time.Millisecond
	maxPause = 128 * time.Millisecond
	patience = 2                      // conflicts before a process shows itself, and again after each eight
	ahead    = 250 * time.Millisecond // so much later than the session was last seen is the touch that shows it
	farAhead = 5 * time.Second        // but no more than this beyond its own clock
)

// A heat is what a process knows of how busy a session is, here and elsewhere. It
// makes nobody wait who does not share the session with others.
type heat struct {
	latest   time.Time     // commits have been waiting for each other here
	rival    time.Time     // when another process last showed
	mine     uint64        // the version that was stored here last
	alone    int           // how often since it did
	together int           // how many commits shared the last store call
	pause    time.Duration // after each commit, while there is a rival
	until    time.Time     // the pause under way
}

// busy reports whether commits waited for each other a moment ago.
func (h *heat) busy(now time.Time) bool { return now.Sub(h.latest) < calm }

// won takes note of a commit here, of so many together, which one that waited
// for nobody is not. The pause after it grows while the other process comes in
// between less than every third time.
func (h *heat) won(was, version uint64, together int, waited bool) {
	if !waited && h.mine == 0 && h.rival.IsZero() {
		return // nobody waits for anybody
	}
	now := time.Now()
	if !h.busy(now) && !h.shared(now) {
		*h = heat{}
	}
	if h.mine != 0 && h.mine != was {
		h.rival, h.alone = now, 0
	} else {
		h.alone++
	}
	h.mine = version
	if waited {
		h.latest, h.together = now, together
	}
	if !h.shared(now) {
		return
	}
	if h.alone == 0 {
		h.pause = h.pause * 15 / 16
	} else if h.alone > 1 {
		h.pause = 2 * h.pause
	}
	h.pause = min(max(h.pause, minPause), maxPause)
	h.until = now.Add(h.pause)
}

// shared reports whether another process commits to the session too.
func (h *heat) shared(now time.Time) bool { return now.Sub(h.rival) < calm }

// lost takes note of another process.
func (h *heat) lost(now time.Time) { h.rival = now }

// rest returns how long a chain of that length should wait before its store
// call, so that others get in between, or, once, that more come along: with
// another process each call that succeeds is precious.
func (h *heat) rest(chain int, rested bool) time.Duration {
	if h.rival.IsZero() {
		return 0
	}
	now := time.Now()
	wait := h.until.Sub(now)
	if !rested && chain < h.together/2 && h.shared(now) {
		wait = max(wait, minPause)
	}
	return wait
}

// show lets the processes that win know of this one: they find the session seen
// by somebody else. It is a hint, and nobody waits for what becomes of it.
func (s *Session) show(c *commitment, seen time.Time) {
	if seen = seen.Add(ahead); seen.After(clock().Add(farAhead)) {
		return
	}
	_ = s.x.m.carrier.Touch(&c.ctx, s.base.ID, seen, idleEnd(seen, s.idleTime(), s.base.Deadline))
}

// shownIn reports whether another process has seen the session since this one
// stored last, what it loaded says; of who has waited, before that. Touches of
// its own are a tenth of the idle time apart.
func (s *Session) shownIn(last *store.Record, waited bool) bool {
	return last.Version != 0 && (waited || s.base.Version == last.Version) &&
		s.base.Seen.After(last.Seen) && s.base.Seen.Sub(last.Seen) < s.idleTime()/10
}
