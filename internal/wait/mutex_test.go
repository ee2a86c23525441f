package wait

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// limit is how long the tests wait.
const limit = 10 * time.Second

// Who waits is next, also when the holder wants it again at once.
func TestMutexHandsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l Mutex
		var turns []int
		l.Lock(limit)
		for i := range 3 {
			go func() {
				l.Lock(limit)
				turns = append(turns, i)
				l.Unlock()
			}()
			synctest.Wait()
		}
		for want := 1; want <= 3; want++ {
			l.Unlock()
			l.Lock(limit)
			synctest.Wait()
			if len(turns) < want {
				t.Fatalf("after %d turns of the holder %d who waited had theirs", want, len(turns))
			}
		}
		l.Unlock()
	})
}

// Who gives up leaves nothing behind: the mutex is free for the next.
func TestMutexGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l Mutex
		l.Lock(limit)
		began := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if l.Lock(limit) {
					t.Error("got a mutex that is held")
				}
			})
		}
		wg.Wait()
		if waited := time.Since(began); waited != limit {
			t.Errorf("gave up after %v; want %v", waited, limit)
		}
		l.Unlock()
		if began = time.Now(); !l.Lock(limit) || time.Since(began) != 0 {
			t.Error("the mutex is not free")
		}
	})
}

// One at a time, and no turn is lost.
func TestMutexExcludes(t *testing.T) {
	t.Parallel()
	const many, each = 16, 2000
	var l Mutex
	turns := 0
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			for range each {
				if !l.Lock(limit) {
					t.Error("gave up")
					return
				}
				turns++
				l.Unlock()
			}
		})
	}
	wg.Wait()
	if turns != many*each {
		t.Errorf("%d turns of %d", turns, many*each)
	}
}

// A mutex is given to one at a time, and not waited for without end.
func TestMutex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Mutex
		if !l.Lock(limit) {
			t.Fatal("a free mutex was not given")
		}
		start := time.Now()
		if l.Lock(limit) {
			t.Fatal("a held mutex was given")
		}
		if took := time.Since(start); took != limit {
			t.Errorf("waited %v, want %v", took, limit)
		}
		var wg sync.WaitGroup
		n := 0
		for range 20 {
			wg.Go(func() {
				if !l.Lock(limit) {
					t.Error("not given in time")
					return
				}
				n++
				time.Sleep(time.Millisecond)
				l.Unlock()
			})
		}
		synctest.Wait()
		l.Unlock()
		wg.Wait()
		if n != 20 {
			t.Errorf("%d of 20", n)
		}
	})
}

// A mutex knows whether anybody has ever had it, whoever has it now.
func TestMutexTouched(t *testing.T) {
	t.Parallel()
	var m Mutex
	if m.Touched() {
		t.Error("a new mutex was touched")
	}
	for range 2 {
		if !m.Lock(0) || !m.Touched() {
			t.Error("a held mutex was never touched")
		}
		m.Unlock()
		if !m.Touched() {
			t.Error("a free mutex was never touched, after it was held")
		}
	}
}
