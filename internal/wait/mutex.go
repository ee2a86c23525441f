package wait

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Mutex is one that is held across calls to the store and to functions of
// the application, and so must not wait for ever. Whoever lets go of it hands it
// to one who waits: a goroutine that takes it again and again starves nobody.
type Mutex struct {
	state   atomic.Int32
	waiters int32 // whom nobody has handed it; guarded by mu
	mu      sync.Mutex
	next    chan struct{} // hands it to one of them; made by the first
}

// The states of a Mutex.
const (
	free int32 = iota
	held
	awaited // held, and whoever unlocks it must look for those who wait
)

// Lock reports whether it got the mutex within the limit.
func (m *Mutex) Lock(limit time.Duration) bool {
	return m.state.CompareAndSwap(free, held) || m.wait(limit)
}

func (m *Mutex) wait(limit time.Duration) bool {
	m.mu.Lock()
	if m.state.Swap(awaited) == free {
		m.mu.Unlock()
		return true
	}
	m.waiters++
	if m.next == nil {
		m.next = make(chan struct{}, 1)
	}
	m.mu.Unlock()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-m.next:
		return true
	case <-timeout.C:
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.next: // at the last moment
		return true
	default:
		m.waiters--
		return false
	}
}

// Unlock hands the mutex to whoever waits for it.
func (m *Mutex) Unlock() {
	if m.state.CompareAndSwap(held, free) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiters == 0 { // they gave up
		m.state.Store(free)
		return
	}
	m.waiters--
	m.next <- struct{}{} // has room: only the holder sends, and is then none
}
