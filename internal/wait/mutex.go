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
	line  atomic.Pointer[line] // made by the first who waits
	state atomic.Int32

	// Marks are its owner's, who has here what would be empty room. It does not guard
	// them.
	Marks atomic.Uint32
}

// A line is of those who wait.
type line struct {
	mu   sync.Mutex
	n    int           // whom nobody has handed it
	next chan struct{} // hands it to one of them
}

// The states of a Mutex; the even ones are of one that nobody holds.
const (
	untouched int32 = iota // never locked
	held
	free
	awaited // held, and whoever unlocks it must look for those who wait
)

// Lock reports whether it got the mutex within the limit. What is held has a state that is
// neither of the two that it may change.
func (m *Mutex) Lock(limit time.Duration) bool {
	return m.state.CompareAndSwap(m.state.Load()&free, held) || m.wait(limit)
}

// Touched reports whether anybody has ever locked it.
func (m *Mutex) Touched() bool { return m.state.Load() != untouched }

func (m *Mutex) wait(limit time.Duration) bool {
	if m.line.Load() == nil {
		m.line.CompareAndSwap(nil, &line{next: make(chan struct{}, 1)})
	}
	l := m.line.Load()
	l.mu.Lock()
	if m.state.Swap(awaited)&held == 0 {
		l.mu.Unlock()
		return true
	}
	l.n++
	l.mu.Unlock()
	timeout := time.NewTimer(limit)
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
		l.n--
		return false
	}
}

// Unlock hands the mutex to whoever waits for it.
func (m *Mutex) Unlock() {
	if !m.state.CompareAndSwap(held, free) {
		m.handOn()
	}
}

func (m *Mutex) handOn() {
	l := m.line.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == 0 { // they gave up
		m.state.Store(free)
		return
	}
	l.n--
	l.next <- struct{}{} // has room: only the holder sends, and is then none
}
