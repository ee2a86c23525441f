package coatcheck

import (
	"sync"
	"time"
)

// lockWait bounds how long a call waits for another of the same request: the
// longest that one may take. Only a function given to Update that uses the
// session, which it must not, waits in vain.
const lockWait = loadTimeout + commitTimeout

// A latch is a mutex that is held across calls to the store and to functions of
// the application, and so must not wait for ever.
type latch struct {
	mu   sync.Mutex
	held bool
	free chan struct{} // closed at the next unlock; nil if nobody waits
}

// lock reports whether it got the latch within lockWait.
func (l *latch) lock() bool {
	l.mu.Lock()
	if l.held && !l.wait() {
		return false
	}
	l.held = true
	l.mu.Unlock()
	return true
}

// wait is called with mu held and returns so, unless it gave up.
func (l *latch) wait() bool {
	timeout := time.NewTimer(lockWait)
	defer timeout.Stop()
	for l.held {
		if l.free == nil {
			l.free = make(chan struct{})
		}
		free := l.free
		l.mu.Unlock()
		select {
		case <-free:
		case <-timeout.C:
			return false
		}
		l.mu.Lock()
	}
	return true
}

func (l *latch) unlock() {
	l.mu.Lock()
	l.held = false
	if l.free != nil {
		close(l.free)
		l.free = nil
	}
	l.mu.Unlock()
}
