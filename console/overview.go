package console

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/store"
)

// An overview is what the first page shows.
type overview struct {
	Counts   counted
	Store    storeState
	Charts   []chart
	Ends     []count
	Refusals []count
	Timings  []timing
	Latest   []event
	Since    time.Time
}

// A storeState says whether the store answers.
type storeState struct {
	Asked bool // it can be asked
	Away  string
	Took  time.Duration
}

func (c *Console) overview(w http.ResponseWriter, r *http.Request) {
	rec, now := c.cfg.Recorder, time.Now()
	var o overview
	o.Store = c.ping(r)
	o.Counts = c.stats.get(r, rec.store, now)
	is := func(set map[coatcheck.Kind]bool) func(coatcheck.Kind) bool {
		return func(k coatcheck.Kind) bool { return set[k] }
	}
	one := func(k coatcheck.Kind) func(coatcheck.Kind) bool { return is(kinds(k)) }
	failed, slow := rec.calls.series(now)
	o.Charts = []chart{
		counting("Logins", "good", rec.series(now, one(coatcheck.LoggedIn)), now),
		counting("Ends", "plain", rec.series(now, is(ends)), now),
		counting("Refusals", "alert", rec.series(now, one(coatcheck.Refused)), now),
		counting("Turned away", "plain", rec.series(now, is(turnedAway)), now),
		counting("Conflicts", "plain", rec.series(now, one(coatcheck.Conflict)), now),
		counting("Store errors", "alert", failed, now),
		lasting("Store calls, 99 of 100", slow, now),
	}
	o.Ends = rec.countReasons(now, is(ends))
	o.Refusals = rec.countReasons(now, func(k coatcheck.Kind) bool { return k == coatcheck.Refused || turnedAway[k] })
	o.Timings = rec.calls.timings(now)
	latest, _ := rec.find(filter{Group: "attention"}, 0, 8)
	o.Latest = newestFirst(latest)
	o.Since, _ = rec.reach()
	c.render(w, r, http.StatusOK, "overview", page{Title: "Overview", Body: o})
}

// turnedAway are the kinds of requests that were not let do what they asked for,
// beside those that were forged.
var turnedAway = kinds(coatcheck.HeldBack, coatcheck.LoginRequired, coatcheck.WriteEnded, coatcheck.TooOld, coatcheck.Failed)

// ping asks the store whether it answers, at the cost of the least that it can do.
func (c *Console) ping(r *http.Request) (s storeState) {
	pinger, ok := store.As[store.Pinger](c.cfg.Recorder.store)
	if !ok {
		return s
	}
	ctx, cancel := limited(r)
	defer cancel()
	began := time.Now()
	err := pinger.Ping(ctx)
	s.Asked, s.Took = true, time.Since(began)
	if err != nil {
		s.Away = whyNot(err)
	}
	return s
}

// A counted is what the store holds, and when that was counted. Nil numbers are not
// known.
type counted struct {
	Sessions, Users *int
	At              time.Time // zero: never
	Err             string    // why there is nothing newer
}

// countEvery is how often the store is asked to count, however many look.
const countEvery = 30 * time.Second

// stats keeps the last count.
type stats struct {
	counting sync.Mutex
	mu       sync.Mutex
	last     counted
	tried    time.Time
}

// get returns the last count, or counts if that is old and nobody does so now.
func (s *stats) get(r *http.Request, of store.Store, now time.Time) counted {
	counter, ok := store.As[store.Counter](of)
	if !ok {
		return counted{Err: "This store does not count."}
	}
	if !s.counting.TryLock() {
		return s.now()
	}
	defer s.counting.Unlock()
	s.mu.Lock()
	due := now.Sub(s.tried) >= countEvery
	s.mu.Unlock()
	if !due {
		return s.now()
	}
	// Not the request's: who leaves must not make the next one count again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTimeout)
	defer cancel()
	st, err := counter.Stats(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried = time.Now()
	if err != nil {
		s.last.Err = whyNot(err)
		return s.last
	}
	s.last = counted{known(st.Sessions), known(st.Users), s.tried, ""}
	return s.last
}

func (s *stats) now() counted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// known is nil for what the engine cannot tell at a bounded cost.
func known(n int64) *int {
	if n < 0 {
		return nil
	}
	v := int(n)
	return &v
}
