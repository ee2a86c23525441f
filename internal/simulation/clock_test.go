package simulation_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// An actor is whoever acts one thing after another: a request, a goroutine of its
// handler, a browser's network. Its decisions come from a source of its own, so
// that a world without one request takes the same course in the others.
//
// Each of its instants has nanoseconds, modulo a millisecond, that no other
// instant of any actor has. All that the library waits for are whole milliseconds
// from one of these instants, so of all that waits only one thing wakes at a time,
// and the scheduler of Go has nothing to decide.
type actor struct {
	w      *world
	number int64
	mu     sync.Mutex
	rng    *rand.Rand
	used   int64
	woke   time.Time // its latest instant
	heal   bool      // its next call to a store meets no fault
}

const (
	maxActors  = 256
	background = maxActors - 1 // calls that belong to no request
	apart      = 8             // nanoseconds between two instants, for a library that yields
)

func newActor(w *world, number int) *actor {
	return &actor{w: w, number: int64(number), rng: rand.New(rand.NewPCG(w.plan.seed, uint64(number)*0x9e3779b97f4a7c15)), woke: time.Now()}
}

// after is the actor's next own instant that is at least d from now.
func (a *actor) after(d time.Duration) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	residue := apart * (a.used*maxActors + a.number) % int64(time.Millisecond)
	a.used++
	at := time.Now().Add(d)
	wait := residue - int64(at.Nanosecond())%int64(time.Millisecond)
	if wait <= 0 {
		wait += int64(time.Millisecond)
	}
	return at.Add(time.Duration(wait))
}

// sleep waits for d, or until ctx ends, and reports which.
func (a *actor) sleep(ctx context.Context, d time.Duration) bool {
	return a.sleepUntil(ctx, a.after(d))
}

func (a *actor) sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		a.wake()
		return false
	}
	a.wake()
	return true
}

// wake takes note that the actor acts now.
func (a *actor) wake() {
	a.mu.Lock()
	a.woke = time.Now()
	a.mu.Unlock()
	a.w.latest.Store(time.Now().UnixNano())
}

// settle takes the chance out of the library's own pauses, which are random and
// shorter than pauseQuantum: whoever comes from one goes on when it is over.
func (a *actor) settle() {
	if time.Now().UnixNano()-a.w.latest.Load() < apart {
		return // somebody's instant brought us here
	}
	a.mu.Lock()
	woke := a.woke
	a.mu.Unlock()
	rounds := (time.Since(woke) + pauseQuantum - 1) / pauseQuantum
	a.sleep(context.Background(), time.Until(woke.Add(rounds*pauseQuantum)))
}

const pauseQuantum = 128 * time.Millisecond

func (a *actor) draw(n int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rng.IntN(n)
}

// chance is true once in n times; never if n is 0.
func (a *actor) chance(n int) bool { return n > 0 && a.draw(n) == 0 }

// between draws a duration.
func (a *actor) between(low, high time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return low + time.Duration(a.rng.Int64N(int64(high-low)+1))
}
