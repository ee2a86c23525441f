package coatcheck

import "time"

// Of two processes that write one session the one that is nearer to the store
// would win every time: between what the other reads and what it writes lies its
// whole distance. So whoever has won makes a pause.
const (
	calm      = time.Second           // after so long without another process nobody yields to one
	busyFrom  = calm / 10             // a session on which commits wait for so long is looked at
	lookEvery = time.Second           // so often: whether a pause lets another process in
	lookPause = 50 * time.Millisecond // of that length
	minPause  = time.Millisecond
	maxPause  = 64 * time.Millisecond
)

// A heat is what a process knows of how busy a session is, here and elsewhere. It
// makes nobody wait who does not share the session with others.
type heat struct {
	since, latest time.Time     // commits have been waiting for each other here
	rival         time.Time     // when another process last showed
	mine          uint64        // the version that was stored here last
	alone         int           // how often since it did
	together      int           // how many commits shared the last store call
	pause         time.Duration // after each commit, while there is a rival
	looked        time.Time     // for one
	until         time.Time     // the pause under way
}

// busy reports whether commits waited for each other a moment ago.
func (h *heat) busy(now time.Time) bool { return now.Sub(h.latest) < calm }

// won takes note of a commit here, of so many together, which one that waited
// for nobody is not. The pause after it grows while the other process comes in
// between less than every third time.
func (h *heat) won(was, version uint64, together int, waited bool) {
	if !waited && h.mine == 0 {
		return // nobody waits for anybody here
	}
	now := time.Now()
	if !h.busy(now) {
		*h = heat{since: now, rival: h.rival}
	}
	if h.mine != 0 && h.mine != was {
		h.rival, h.alone = now, 0
	} else {
		h.alone++
	}
	h.mine = version
	if !waited {
		return
	}
	h.latest, h.together = now, together
	switch {
	case h.shared(now):
		if h.alone == 0 {
			h.pause = h.pause * 7 / 8
		} else if h.alone > 1 {
			h.pause = 2 * h.pause
		}
		h.pause = min(max(h.pause, minPause), maxPause)
		h.until = now.Add(h.pause)
	case now.Sub(h.since) > busyFrom && now.Sub(h.looked) > lookEvery:
		h.looked, h.until = now, now.Add(lookPause)
	}
}

// shared reports whether another process commits to the session too.
func (h *heat) shared(now time.Time) bool { return now.Sub(h.rival) < calm }

// lost takes note of a commit elsewhere.
func (h *heat) lost(now time.Time) { h.rival = now }

// rest returns how long a chain of that length should wait before its store
// call, so that others get in between, or, once, that more come along: with
// another process each call that succeeds is precious.
func (h *heat) rest(chain int, rested bool) time.Duration {
	if h.rival.IsZero() && h.until.IsZero() {
		return 0
	}
	now := time.Now()
	wait := h.until.Sub(now)
	if !rested && chain < h.together/2 && h.shared(now) {
		wait = max(wait, minPause)
	}
	return wait
}
