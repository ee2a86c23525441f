package coatcheck

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Who waits is next, also when the holder wants it again at once.
func TestLatchHandsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l latch
		var turns []int
		l.lock()
		for i := range 3 {
			go func() {
				l.lock()
				turns = append(turns, i)
				l.unlock()
			}()
			synctest.Wait()
		}
		for want := 1; want <= 3; want++ {
			l.unlock()
			l.lock()
			synctest.Wait()
			if len(turns) < want {
				t.Fatalf("after %d turns of the holder %d who waited had theirs", want, len(turns))
			}
		}
		l.unlock()
	})
}

// Who gives up leaves nothing behind: the latch is free for the next.
func TestLatchGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l latch
		l.lock()
		began := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if l.lock() {
					t.Error("got a latch that is held")
				}
			})
		}
		wg.Wait()
		if waited := time.Since(began); waited != lockWait || !l.stuck.Load() {
			t.Errorf("gave up after %v, stuck %t; want %v, true", waited, l.stuck.Load(), lockWait)
		}
		l.unlock()
		if began = time.Now(); !l.lock() || time.Since(began) != 0 {
			t.Error("the latch is not free")
		}
	})
}

// One at a time, and no turn is lost.
func TestLatchExcludes(t *testing.T) {
	t.Parallel()
	const many, each = 16, 2000
	var l latch
	turns := 0
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			for range each {
				if !l.lock() {
					t.Error("gave up")
					return
				}
				turns++
				l.unlock()
			}
		})
	}
	wg.Wait()
	if turns != many*each {
		t.Errorf("%d turns of %d", turns, many*each)
	}
}
