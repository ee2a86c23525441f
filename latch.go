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
// the application, and so must not wait for ever. Whoever lets go of it hands it
// to one who waits: a goroutine that takes it again and again starves nobody.
type latch struct {
	state   atomic.Int32
	stuck   atomic.Bool // a call did not get the latch
	mu      sync.Mutex
	waiters int           // whom nobody has handed it; guarded by mu
	next    chan struct{} // hands it to one of them; made by the first
}

// The states of a latch.
const (
	latchFree int32 = iota
	latchHeld
	latchAwaited // held, and whoever unlocks it must look for those who wait
)

// lock reports whether it got the latch within lockWait.
func (l *latch) lock() bool { return l.state.CompareAndSwap(latchFree, latchHeld) || l.wait() }

func (l *latch) wait() bool {
	l.mu.Lock()
	if l.state.Swap(latchAwaited) == latchFree {
		l.mu.Unlock()
		return true
	}
	l.waiters++
	if l.next == nil {
		l.next = make(chan struct{}, 1)
	}
	l.mu.Unlock()
	timeout := time.NewTimer(lockWait)
	defer timeout.Stop()
	select {
	case <-l.next:
		return true
	case <-timeout.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.next: // at the last moment
		return true
	default:
		l.waiters--
		l.stuck.Store(true)
		return false
	}
}

func (l *latch) unlock() {
	if l.state.CompareAndSwap(latchHeld, latchFree) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiters == 0 { // they gave up
		l.state.Store(latchFree)
		return
	}
	l.waiters--
	l.next <- struct{}{} // has room: only the holder sends, and is then none
}
