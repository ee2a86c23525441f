//go:build linux

package integration_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// People use coatcheck serve while something happens to it or to its store, and
// know what they were answered.
type people struct {
	site    *servers.Serve
	mayLose bool // a replica that takes over may lack the last writes
	all     []*person
	ctx     context.Context // they stop when it ends
	stop    context.CancelFunc
	wg      sync.WaitGroup
	turn    sync.RWMutex // who makes a request holds it; who wants silence locks it

	answered, unavailable, cut atomic.Int64 // 200, 503, and no answer
	logins, ends, lost         atomic.Int64
	logouts                    atomic.Int64 // those of ends that were asked for
	unsureLogins, unsureEnds   atomic.Int64 // were not answered 200: stored, or not
}

// A person is one goroutine with one browser.
type person struct {
	*people
	v      *visitor
	user   string
	in     bool
	away   bool                // the last request got 503, or no answer
	visits int                 // the last number that was answered
	unsure int                 // increments since whose fate is unknown
	ended  []map[string]string // cookies of sessions whose end was answered
	wrong  []string            // what no fault excuses
}

const crowdAtFaults = 16

func newPeople(t *testing.T, site *servers.Serve, mayLose bool) *people {
	p := &people{site: site, mayLose: mayLose}
	p.ctx, p.stop = context.WithCancel(t.Context())
	t.Cleanup(func() {
		p.leave() // also where the test ends early
		if t.Failed() {
			log := site.Log()
			t.Logf("coatcheck serve wrote at last:\n%s", log[max(0, len(log)-4000):])
		}
	})
	client := newClient(t, crowdAtFaults)
	for range crowdAtFaults {
		one := &person{people: p, v: newVisitor(client), user: rand.Text()}
		p.all = append(p.all, one)
		p.wg.Go(func() {
			for p.ctx.Err() == nil && len(one.wrong) < 5 {
				p.turn.RLock()
				one.step()
				p.turn.RUnlock()
			}
		})
	}
	return p
}

// leave stops all of them and waits until they have.
func (p *people) leave() {
	p.stop()
	p.wg.Wait()
}

// step does what somebody with a browser does. While the store is away they only
// try to go on: a login or logout without an answer would make them forget what
// they had.
func (p *person) step() {
	n := mathrand.IntN(100)
	if p.away {
		n = 20 + n*80/100
	}
	switch {
	case !p.in || n < 10:
		p.login()
	case n < 20:
		p.logout()
	case n < 50:
		if status, body := p.ask("GET", "/profile"); status == http.StatusOK && body != "User "+p.user {
			p.complain("GET /profile of %s: got %s", p.user, body)
		}
	default:
		p.count()
	}
}

// ask sends a request. Whoever is logged in gets 200; while the store is away
// 503, and while the server is away nothing. Above all never 401.
func (p *person) ask(method, path string, form ...string) (status int, body string) {
	status, body, _ = p.v.sendOnce(p.site, method, path, form...)
	p.away = status == http.StatusServiceUnavailable || status == 0
	switch status {
	case http.StatusOK:
		p.answered.Add(1)
	case http.StatusServiceUnavailable:
		p.unavailable.Add(1)
	case 0:
		p.cut.Add(1)
		time.Sleep(10 * time.Millisecond) // nobody listens
	case http.StatusUnauthorized, http.StatusConflict:
		p.lose("%s %s: got %d %.100s", method, path, status, body)
	default:
		p.complain("%s %s: got %d %.100s", method, path, status, body)
	}
	return status, body
}

func (p *person) complain(format string, args ...any) {
	p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
}

// lose is a complaint unless a failover excuses it: then it is counted.
func (p *person) lose(format string, args ...any) {
	if !p.mayLose {
		p.complain(format, args...)
		return
	}
	p.lost.Add(1)
	p.begin()
}

// login logs in, also where somebody is: that is a new token, and the values
// stay. Where the answer is lost the browser may have an old token, so it
// begins again.
func (p *person) login() {
	before := maps.Clone(p.v.cookies)
	status, _ := p.ask("POST", "/login", "user", p.user)
	if status != http.StatusOK {
		p.unsureLogins.Add(1)
		p.begin()
		return
	}
	p.logins.Add(1)
	if p.in {
		p.ended = append(p.ended, before)
		p.ends.Add(1)
	}
	p.in = true
}

func (p *person) logout() {
	before := maps.Clone(p.v.cookies)
	if status, _ := p.ask("POST", "/logout"); status == http.StatusOK {
		p.ended = append(p.ended, before)
		p.ends.Add(1)
		p.logouts.Add(1)
	} else {
		p.unsureEnds.Add(1)
	}
	p.begin()
}

func (p *person) begin() { p.v, p.in, p.visits, p.unsure = newVisitor(p.v.client), false, 0, 0 }

// count makes one increment. What was acknowledged is in the number, and of
// what was not, any part.
func (p *person) count() {
	status, body := p.ask("POST", "/visits")
	if status != http.StatusOK {
		p.unsure++
		return
	}
	var n int
	_, err := fmt.Sscanf(body, "Visit %d", &n)
	switch {
	case err != nil || n > p.visits+p.unsure+1:
		p.complain("POST /visits after %d, %d unsure: got %s", p.visits, p.unsure, body)
	case n <= p.visits:
		p.lose("POST /visits after %d: got %s", p.visits, body)
	default:
		p.visits, p.unsure = n, 0
	}
}

// await waits for so many answers more. Who gets none goes no further: each wait
// would take as long again.
func (p *people) await(t *testing.T, more int64) {
	t.Helper()
	from := p.answered.Load()
	if err := servers.Until(func() error {
		if n := p.answered.Load() - from; n < more {
			return fmt.Errorf("%d answers in %v; want %d", n, patience, more)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// finish compares what people were told with what there is: whoever is logged
// in still is, no number is lost, and no session that ended is alive.
func (p *people) finish(t *testing.T) {
	t.Helper()
	p.leave()
	alive := 0
	for _, one := range p.all {
		if one.in {
			if status, body := one.ask("GET", "/profile"); status == http.StatusServiceUnavailable || status == 0 {
				t.Errorf("GET /profile in the end: got %d %s", status, body)
			}
		}
		if one.in {
			one.count()
		}
		for _, cookies := range one.ended {
			old := &visitor{client: one.v.client, cookies: cookies}
			if status, _ := old.send(p.site, "GET", "/profile"); status != http.StatusUnauthorized && status != http.StatusConflict { // as a token that was replaced just now
				alive++
			}
		}
		for _, wrong := range one.wrong {
			t.Error(wrong)
		}
	}
	if p.mayLose {
		p.lost.Add(int64(alive))
		if n := p.lost.Load(); n > crowdAtFaults*3 { // what each had under way, at each fault
			t.Errorf("%d writes are lost; want no more than were under way", n)
		}
	} else if alive > 0 {
		t.Errorf("%d of %d ended sessions are alive", alive, p.ends.Load())
	}
	if p.logins.Load() == 0 || p.ends.Load() == 0 {
		t.Errorf("%d logins, %d ends: nothing was tried", p.logins.Load(), p.ends.Load())
	}
	t.Logf("%d answers, %d of them logins and %d ends; %d writes lost; %d times 503, %d no answer",
		p.answered.Load(), p.logins.Load(), p.ends.Load(), p.lost.Load(), p.unavailable.Load(), p.cut.Load())
}
