//go:build linux

package histories_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/coatcheck/coatcheck/integration/internal/history"
)

// A run is some time on one engine.
type run struct {
	site   *site
	seed   uint64
	length time.Duration
	faults bool
	only   string // "sessions" or "store"; default both
	dir    string // where findings are kept; default testdata/found

	mu       sync.Mutex
	calls    int
	verdicts map[porcupine.CheckResult]int
	log      []string // faults and when they were
	found    []string // what was wrong, and where it was kept
	byFault  map[string]int
}

// checkTimeout is how long the checker may think about one history; what it has
// not decided by then counts as neither.
const checkTimeout = 5 * time.Second

// go runs users of sessions and of the store, and faults, until the time is over
// or something was found.
func (r *run) do(t testing.TB) {
	r.start()
	ctx, cancel := context.WithTimeout(t.Context(), r.length)
	defer cancel()
	var wg, faults sync.WaitGroup
	for n := range 3 {
		wg.Go(func() {
			for round := uint64(0); ctx.Err() == nil && !r.over(); round++ {
				rng := mathrand.New(mathrand.NewPCG(r.seed, uint64(n)<<32|round))
				if r.only == "store" || r.only == "" && n == 2 {
					r.store(ctx, rng)
				} else {
					r.people(ctx, rng)
				}
			}
		})
	}
	if r.faults {
		faults.Go(func() { r.harm(ctx, mathrand.New(mathrand.NewPCG(r.seed, 1<<63))) })
	}
	wg.Wait()
	cancel()
	faults.Wait()
}

func (r *run) start() {
	r.verdicts, r.byFault = make(map[porcupine.CheckResult]int), make(map[string]int)
}

func (r *run) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.found) > 0
}

// people is the life of two browsers of one user, checked.
func (r *run) people(ctx context.Context, rng *mathrand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, 25*time.Second) // tombstones are to stand
	defer cancel()
	mu, start := new(sync.Mutex), time.Now()
	user := "u" + rand.Text()[:10]
	browsers := []*browser{
		{site: r.site, user: user, start: start, mu: mu},
		{site: r.site, user: user, start: start, mu: mu},
	}
	browsers[0].others, browsers[1].others = browsers[1:], browsers[:1]
	var wg sync.WaitGroup
	for i, b := range browsers {
		for n := range 5 {
			c := &client{b: b, n: i*5 + n, rng: mathrand.New(mathrand.NewPCG(rng.Uint64(), 0))}
			wg.Go(func() { c.live(ctx, n == 0, 25) })
		}
	}
	wg.Wait()
	for _, b := range browsers {
		r.check(b)
	}
}

// live makes so many requests. The first client is the one that logs in.
func (c *client) live(ctx context.Context, first bool, requests int) {
	for i := 0; i < requests && ctx.Err() == nil && !c.b.foggy(); i++ {
		token, over := c.b.newest()
		switch {
		case first && (token == 0 || over):
			c.identify(ctx)
			if _, over = c.b.newest(); over { // refused: revoked a moment ago
				time.Sleep(50 * time.Millisecond)
			}
		case first && c.rng.IntN(9) == 0:
			c.identify(ctx)
		default:
			if token == 0 {
				i--
			}
			c.use(ctx)
		}
	}
}

func (r *run) check(b *browser) {
	calls, keys := b.calls, history.Keys(b.calls)
	if !r.site.durable { // a failover may lose changes of values (redisstore.Config.WaitReplicas)
		calls, keys = history.Confirmed(calls), keys[:1]
	}
	r.logged("user " + b.user + " began at " + b.start.Format("15:04:05.000000"))
	verdicts := history.CheckSession(calls, keys, checkTimeout)
	if !r.site.apart {
		verdicts = append(verdicts, history.CheckRevocations(b.calls))
	}
	r.judge(verdicts, len(b.calls))
	if len(b.surprise) > 0 {
		r.find(b.surprise[0])
	}
}

// foundDir is where findings are kept, for whoever looks into them.
const foundDir = "testdata/found"

// judge counts verdicts and keeps what is wrong.
func (r *run) judge(verdicts []history.Verdict, calls int) {
	r.mu.Lock()
	r.calls += calls
	r.mu.Unlock()
	for _, v := range verdicts {
		r.mu.Lock()
		r.verdicts[v.Result]++
		r.mu.Unlock()
		if v.Illegal() {
			dir := filepath.Join(cmp.Or(r.dir, foundDir), time.Now().UTC().Format("20060102T150405.000000"))
			files, err := v.Keep(dir, strings.Map(fileName, v.Part))
			err = errors.Join(err, r.keepLogs(dir))
			r.find(fmt.Sprintf("%s: %s\nkept in %s %v", v.Part, v.Why, strings.Join(files, " "), errorText(err)))
		}
	}
}

// keepLogs writes the ends of what the processes logged, and when which fault was.
func (r *run) keepLogs(dir string) (err error) {
	if r.site == nil {
		return nil
	}
	for i, w := range r.site.workers {
		log := w.Log()
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, fmt.Sprintf("process%d.log", i)), []byte(log[max(0, len(log)-1<<20):]), 0o666))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(err, os.WriteFile(filepath.Join(dir, "faults.log"), []byte(strings.Join(r.log, "\n")+"\n"), 0o666))
}

// logged notes what happens when, as the processes do.
func (r *run) logged(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, time.Now().Format("15:04:05.000000 ")+what)
}

func errorText(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

func fileName(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

func (r *run) find(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = append(r.found, what)
}

// String is the line of a summary.
func (r *run) String() string {
	s := &total{faults: make(map[string]int), verdicts: make(map[porcupine.CheckResult]int)}
	s.add(r)
	return s.String()
}

// harm makes one fault after the other.
func (r *run) harm(ctx context.Context, rng *mathrand.Rand) {
	for pause(ctx, time.Duration(500+rng.IntN(1500))*time.Millisecond) {
		all := r.site.harms()
		h := all[rng.IntN(len(all))]
		r.mu.Lock()
		r.byFault[h.name]++
		r.mu.Unlock()
		r.logged(h.name)
		if err := h.do(time.Duration(100+rng.IntN(2400))*time.Millisecond, rng); err != nil {
			r.find(fmt.Sprintf("after the fault %q the store did not come back: %v", h.name, err))
		}
		r.logged(h.name + ": over")
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// A harm is something that goes wrong for a while.
type harm struct {
	name string
	do   func(d time.Duration, rng *mathrand.Rand) error
}

func (s *site) harms() (all []harm) {
	add := func(name string, do func(time.Duration, *mathrand.Rand) error) { all = append(all, harm{name, do}) }
	add("process frozen", func(d time.Duration, rng *mathrand.Rand) error {
		w := s.workers[rng.IntN(len(s.workers))]
		w.Stop()
		time.Sleep(d)
		w.Cont()
		return nil
	})
	if len(s.workers) > 1 {
		add("process killed", func(_ time.Duration, rng *mathrand.Rand) error {
			w := s.workers[rng.IntN(len(s.workers))]
			w.Kill()
			return w.Start()
		})
	}
	if s.server != nil {
		add("server killed", func(time.Duration, *mathrand.Rand) error {
			s.server.Kill()
			return s.server.Start()
		})
		add("server frozen", func(d time.Duration, rng *mathrand.Rand) error {
			s.server.Stop()
			time.Sleep(d * time.Duration(1+2*rng.IntN(2))) // longer than a commit may take, or not
			s.server.Cont()
			return nil
		})
	}
	if f := s.forwarder; f != nil {
		add("connections cut", func(time.Duration, *mathrand.Rand) error { f.Cut(); return nil })
		add("network slow", func(d time.Duration, rng *mathrand.Rand) error {
			f.Delay(time.Duration(5+rng.IntN(200)) * time.Millisecond)
			time.Sleep(d)
			f.Delay(0)
			return nil
		})
		add("answers lost", func(d time.Duration, _ *mathrand.Rand) error {
			f.Mute()
			time.Sleep(d)
			f.Cut()
			return nil
		})
	}
	if s.drop != nil {
		add("connections cut", func(time.Duration, *mathrand.Rand) error { s.drop(); return nil })
	}
	if s.failover != nil {
		add("failover", func(time.Duration, *mathrand.Rand) error { return s.failover() })
	}
	if s.disk != nil {
		add("disk full", func(d time.Duration, _ *mathrand.Rand) error {
			if err := s.disk(true); err != nil {
				return nil // not permitted here
			}
			time.Sleep(d)
			return s.disk(false)
		})
	}
	return all
}

// found fails the test with what a run found.
func (r *run) report(t testing.TB) {
	t.Logf("seed %d: %s", r.seed, r)
	if len(r.found) > 0 {
		t.Errorf("seed %d: %d findings, the first: %s", r.seed, len(r.found), r.found[0])
	}
}

// seed is what SEED says, or a new one.
func seed() uint64 {
	var n uint64
	if _, err := fmt.Sscan(os.Getenv("SEED"), &n); err == nil {
		return n
	}
	return mathrand.Uint64()
}
