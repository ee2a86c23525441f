package console

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// A call is one of the things that a store is asked.
type call int

const (
	callLoad call = iota
	callCreate
	callUpdate
	callReplace
	callTouch
	callEnd
	callEndUser
	callUser
	callSweep
	callCount
)

var callNames = [callCount]string{"Load", "Create", "Update", "Replace", "Touch", "End", "EndUser", "User", "Sweep"}

// buckets of durations: two for each power of two, from a microsecond on. The last
// one has what took longer than half a minute.
const buckets = 52

// bucketOf returns the bucket of a duration.
func bucketOf(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0))
	if us < 2 {
		return 0
	}
	n := bits.Len64(us) - 1
	return min(2*(n-1)+1+int(us>>(n-1)&1), buckets-1)
}

// bucketEnd returns the longest duration of a bucket.
func bucketEnd(b int) time.Duration {
	if b == 0 {
		return 2 * time.Microsecond
	}
	n, half := (b-1)/2+1, (b-1)%2
	return time.Duration(1<<n+(half+1)<<(n-1)) * time.Microsecond
}

// calls counts the calls of a store by minute. It is written by every request and so
// takes a lock only where a minute begins.
type calls struct {
	mu   sync.Mutex
	byMn [minutes]callMinute
}

type callMinute struct {
	minute atomic.Int64
	took   [callCount][buckets]atomic.Uint32
	failed [callCount]atomic.Uint32
}

func (c *calls) add(what call, at time.Time, took time.Duration, failed bool) {
	minute := at.Unix() / 60
	m := &c.byMn[minute%minutes]
	if m.minute.Load() < minute {
		c.begin(m, minute)
	}
	m.took[what][bucketOf(took)].Add(1)
	if failed {
		m.failed[what].Add(1)
	}
}

// begin clears a minute of an hour ago. Who adds to that still is an hour late.
func (c *calls) begin(m *callMinute, minute int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.minute.Load() >= minute {
		return
	}
	for i := range m.took {
		m.failed[i].Store(0)
		for j := range m.took[i] {
			m.took[i][j].Store(0)
		}
	}
	m.minute.Store(minute)
}

// at returns the i-th minute of the hour that ends with now, or nil.
func (c *calls) at(now time.Time, i int) *callMinute {
	minute := now.Unix()/60 - minutes + 1 + int64(i)
	if m := &c.byMn[minute%minutes]; m.minute.Load() == minute {
		return m
	}
	return nil
}

// timing says how calls of one sort went.
type timing struct {
	Name          string
	Calls, Failed int
	Median, Slow  time.Duration
	hist          [buckets]int
}

func (t *timing) add(m *callMinute, what call) {
	t.Failed += int(m.failed[what].Load())
	for b := range t.hist {
		n := int(m.took[what][b].Load())
		t.hist[b] += n
		t.Calls += n
	}
}

// share returns a duration within which this share of the calls returned.
func (t *timing) share(of float64) time.Duration {
	want, sum := int(float64(t.Calls)*of), 0
	for b, n := range t.hist {
		if sum += n; sum > want || sum == t.Calls && n > 0 {
			return bucketEnd(b)
		}
	}
	return 0
}

// timings says how the calls of the last hour went, of each sort that there were.
func (c *calls) timings(now time.Time) (list []timing) {
	for what := range callCount {
		t := timing{Name: callNames[what]}
		for i := range minutes {
			if m := c.at(now, i); m != nil {
				t.add(m, what)
			}
		}
		if t.Calls > 0 {
			t.Median, t.Slow = t.share(.5), t.share(.99)
			list = append(list, t)
		}
	}
	return list
}

// series returns for each minute how many calls failed, and within how many
// milliseconds 99 of 100 returned.
func (c *calls) series(now time.Time) (failed, slow series) {
	for i := range minutes {
		m := c.at(now, i)
		if m == nil {
			continue
		}
		var t timing
		for what := range callCount {
			t.add(m, what)
		}
		failed[i] = float64(t.Failed)
		slow[i] = float64(t.share(.99)) / float64(time.Millisecond)
	}
	return failed, slow
}
