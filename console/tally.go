package console

import (
	"cmp"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck"
)

// minutes is how many are kept: an hour, and the one that runs.
const minutes = 61

// maxReasons bounds the different counts of one minute. There are some sixty kinds
// and reasons; more of them would be those of a store's own.
const maxReasons = 200

// told is what is counted: a kind of event, for a reason.
type told struct {
	kind   coatcheck.Kind
	reason string
}

// A tally counts the events of one minute.
type tally struct {
	minute int64 // since 1970
	counts map[told]int
}

func (t *tally) add(kind coatcheck.Kind, reason string) {
	key := told{kind, reason}
	if _, ok := t.counts[key]; !ok && len(t.counts) >= maxReasons {
		key.reason = "other"
	}
	t.counts[key]++
}

// minuteOf returns the tally of the minute that t is in. The lock is held.
func (r *Recorder) minuteOf(t time.Time) *tally {
	minute := t.Unix() / 60
	m := &r.minutes[minute%minutes]
	if m.minute < minute {
		*m = tally{minute, make(map[told]int)}
	}
	if m.counts == nil {
		m.counts = make(map[told]int)
	}
	return m
}

// A series is a number for each minute of the last hour, the oldest first.
type series [minutes]float64

// series counts what want says.
func (r *Recorder) series(now time.Time, want func(coatcheck.Kind) bool) (s series) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range s {
		for key, n := range r.tallyAt(now, i).counts {
			if want(key.kind) {
				s[i] += float64(n)
			}
		}
	}
	return s
}

// tallyAt returns the tally of the i-th minute of the hour that ends with now. The
// lock is held.
func (r *Recorder) tallyAt(now time.Time, i int) tally {
	minute := now.Unix()/60 - minutes + 1 + int64(i)
	if m := r.minutes[minute%minutes]; m.minute == minute {
		return m
	}
	return tally{}
}

// A count is how often something happened in the last hour.
type count struct {
	Kind   coatcheck.Kind
	Reason string
	N      int
}

// countReasons counts by kind and reason, the most frequent first.
func (r *Recorder) countReasons(now time.Time, want func(coatcheck.Kind) bool) []count {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := make(map[told]int)
	for i := range minutes {
		for key, n := range r.tallyAt(now, i).counts {
			if want(key.kind) {
				sum[key] += n
			}
		}
	}
	list := make([]count, 0, len(sum))
	for key, n := range sum {
		list = append(list, count{key.kind, key.reason, n})
	}
	slices.SortFunc(list, func(a, b count) int {
		return cmp.Or(b.N-a.N, cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}

func (s *series) total() (n float64) {
	for _, v := range s {
		n += v
	}
	return n
}
