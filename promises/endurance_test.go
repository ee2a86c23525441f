package promises_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/traffic"
	"github.com/coatcheck/coatcheck/memstore"
)

// A straight serves requests without a network.
type straight struct{ http.Handler }

func (h straight) RoundTrip(r *http.Request) (res *http.Response, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the connection was closed")
		}
	}()
	in := httptest.NewRequest(r.Method, r.URL.String(), nil).WithContext(r.Context())
	in.Header = r.Header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, in)
	return w.Result(), nil
}

// heapObjects is how many objects are in use.
func heapObjects() int {
	runtime.GC()
	runtime.GC() // what a pool held goes the second time
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapObjects)
}

// G14: everything has a limit: half an hour of mixed traffic, ten requests a
// second, leaves no goroutine, no object and no row behind beyond the live
// sessions; and when all of those are over, nothing.
func TestG14HalfAnHour(t *testing.T) { // not parallel: it counts what the process has
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(memstore.Config{})
		// Times so short that a session of every kind ends within the run. The
		// visitors are back sooner, so none of theirs does.
		m := manage(t, store, coatcheck.Config{Idle: 10 * time.Minute, Lifetime: 24 * time.Hour, AnonymousIdle: 10 * time.Minute, AnonymousLifetime: 24 * time.Hour})
		site := straight{traffic.Site(m)}
		ctx, stop := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { m.Watch(ctx, 5*time.Second) })
		var crowds []*traffic.Crowd
		for i := range 10 {
			crowds = append(crowds, traffic.NewCrowd(fmt.Sprint("crowd", i), "https://app.example", site, 5))
		}
		// leavers keep something and never come back.
		leavers := newBrowser(life(m))
		type count struct{ goroutines, objects, requests, live int }
		var counts []count
		for range 6 {
			var working sync.WaitGroup
			for _, c := range crowds {
				working.Go(func() {
					for range 300 {
						if err := c.Step(); err != nil {
							t.Error(err)
						}
						time.Sleep(time.Second)
					}
				})
			}
			for range 300 {
				leavers.Clone().Send("POST", "/set")
				time.Sleep(time.Second)
			}
			working.Wait()
			synctest.Wait()
			if _, err := m.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			now := count{goroutines: runtime.NumGoroutine(), objects: heapObjects()}
			for _, c := range crowds {
				now.requests += c.Requests
				now.live += c.Live()
			}
			counts = append(counts, now)
			stats, err := store.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			// Of the leavers, one a second, those of the last eleven minutes: the
			// idle time and a tenth. Tombstones stand for one.
			left := min(300*len(counts), 659)
			if stats.Sessions != int64(now.live+left) {
				t.Errorf("after %d minutes: %d sessions, want %d of visitors and %d of leavers", 5*len(counts), stats.Sessions, now.live, left)
			}
			if stats.Tombstones > 60*10 {
				t.Errorf("after %d minutes: %d tombstones, want at most those of a minute", 5*len(counts), stats.Tombstones)
			}
		}
		// From the fifteenth minute on as many come as go.
		from, to := counts[2], counts[len(counts)-1]
		// One that each thousandth request left would be ten; the process may have a
		// few of its own, which the count does not tell apart.
		if to.goroutines-from.goroutines > (to.requests-from.requests)/1000 {
			t.Errorf("%d goroutines, later %d", from.goroutines, to.goroutines)
		}
		if grown, served := to.objects-from.objects, to.requests-from.requests; grown > served/50 {
			t.Errorf("%d requests left %d objects: %v", served, grown, counts)
		}
		if to.requests < 17_000 {
			t.Errorf("%d requests, want about 18,000", to.requests)
		}

		time.Sleep(time.Hour)
		m.Sweep(t.Context())
		if stats, err := store.Stats(t.Context()); err != nil || stats.Sessions+stats.Tombstones+stats.Users+stats.Bytes != 0 {
			t.Errorf("an hour later: %+v, %v, want nothing", stats, err)
		}
		stop()
		watching.Wait()
	})
}
