package coatcheck

import (
	"sync"
	"sync/atomic"
	"time"
)

// lockWait bounds how long a call waits for another of the same request: the
// longest that one may take. Only a function given to Update that uses the
// session, which it must not, waits in vain.
const lockWait = loadTimeout + commitTimeout

// A latch is a mutex that is held across calls to the store and to functions of
// the application, and so must not wait for ever.
type latch struct {
	state atomic.Int32
	stuck atomic.Bool // a call did not get the latch
	mu    sync.Mutex
	freed chan struct{} // closed at the next unlock; nil if nobody waits
}

// The states of a latch.
const (
	latchFree int32 = iota
	latchHeld
	latchAwaited // held, and whoever unlocks it must wake those who wait
)

// lock reports whether it got the latch within lockWait.
func (l *latch) lock() bool { return l.state.CompareAndSwap(latchFree, latchHeld) || l.wait() }

func (l *latch) wait() bool {
	timeout := time.NewTimer(lockWait)
	defer timeout.Stop()
	for {
		l.mu.Lock()
		if l.state.Swap(latchAwaited) == latchFree {
			l.mu.Unlock()
			return true
		}
		if l.freed == nil {
			l.freed = make(chan struct{})
		}
		freed := l.freed
		l.mu.Unlock()
		select {
		case <-freed:
		case <-timeout.C:
			l.stuck.Store(true)
			return false
		}
	}
}

func (l *latch) unlock() {
	if l.state.Swap(latchFree) != latchAwaited {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.freed != nil {
		close(l.freed)
		l.freed = nil
	}
}
