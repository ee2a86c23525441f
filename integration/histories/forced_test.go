//go:build linux

package histories_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/history"
)

// Histories that chance makes too rarely, each with its order forced.

// one is a site of one process on memory.
func one(t testing.TB) *site { return startMemory(t, []int{0}) }

// mustLogIn logs a user in.
func (s *site) mustLogIn(t testing.TB, process int, path, user, cookie string) (token string) {
	t.Helper()
	a := s.retry(t, process, path, cookie, step{Op: "login", Arg: user})
	if a.Status != http.StatusOK || a.Cookie == "" {
		t.Fatalf("login: got %d, cookie %t", a.Status, a.Cookie != "")
	}
	return a.Cookie
}

// retry is send until something else comes than 503 or no answer.
func (s *site) retry(t testing.TB, process int, path, cookie string, steps ...step) (a answer) {
	t.Helper()
	for t.Context().Err() == nil {
		if a = s.send(t.Context(), process, path, cookie, steps...); a.Status != 0 && a.Status != http.StatusServiceUnavailable {
			return a
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("nobody answers")
	return a
}

// post makes a request of a worker beside those of its sessions.
func (s *site) post(process int, path string, values url.Values) (status int) {
	res, err := s.client.PostForm(s.url(process)+path, values)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// waits waits until a request waits at the gate.
func (s *site) waits(t testing.TB, process int, gate string) {
	t.Helper()
	for s.post(process, "/release", url.Values{"gate": {gate}, "look": {"1"}}) != http.StatusOK {
		if t.Context().Err() != nil {
			t.Fatal("no request came to wait")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestCookieHistory: a session in the cookie, in one browser that asks one thing
// after the other of several processes, has what was set last (G1).
func TestCookieHistory(t *testing.T) {
	t.Parallel()
	n := seed()
	rng := mathrand.New(mathrand.NewPCG(n, 2))
	s := startSQLite(t, near)
	for range 20 {
		calls := cookieHistory(t, s, rng)
		fail(t, n, history.CheckSession(calls, history.Keys(calls), checkTimeout))
	}
}

// fail fails the test if a verdict is bad.
func fail(t testing.TB, seed uint64, verdicts []history.Verdict) {
	t.Helper()
	r := &run{seed: seed}
	r.start()
	if r.judge(verdicts, 0); len(r.found) > 0 {
		t.Fatalf("seed %d: %s", seed, r.found[0])
	}
}

func cookieHistory(t *testing.T, s *site, rng *mathrand.Rand) (calls []history.Call) {
	start := time.Now()
	cookie := s.mustLogIn(t, 0, "/cookie/do", "u", "")
	calls = append(calls, history.Call{Op: "login", Arg: "u", New: 1, End: time.Since(start), Outcome: history.Done})
	for i := range 60 {
		st := []step{{"set", "r0", fmt.Sprint("v", i)}, {"set", "r1", fmt.Sprint("v", i)}, {"del", "r1", ""}, {"upd", "c0", ""},
			{"append", "l0", fmt.Sprint("v", i)}, {"get", "r0", ""}, {"get", "r1", ""}, {"list", "l0", ""}, {"get", "c0", ""}}[rng.IntN(9)]
		process := rng.IntN(s.processes())
		begin := time.Since(start)
		a := s.retry(t, process, "/cookie/do", cookie, st)
		if a.Status != http.StatusOK {
			t.Fatalf("%v: got %d %s", st, a.Status, a.Kind)
		}
		if a.Cookie != "" {
			cookie = a.Cookie
		}
		calls = append(calls, history.Call{Process: process, Begin: begin, End: time.Since(start), Op: st.Op, Key: st.Key, Arg: st.Arg,
			Token: 1, Outcome: history.Done, Val: a.Answers[0].Val, OK: a.Answers[0].OK})
	}
	return calls
}

// TestLateSets: a change that a goroutine makes while the request ends is stored,
// or an event says that it is not (G4).
func TestLateSets(t *testing.T) {
	t.Parallel()
	s := one(t)
	end := time.Now().Add(lateLength)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			cookie := s.mustLogIn(t, 0, "/do", fmt.Sprint("u", n), "")
			for i := 0; time.Now().Before(end) && !t.Failed(); i++ {
				s.lateSets(t, cookie, fmt.Sprint("late", n, ".", i))
			}
		})
	}
	wg.Wait()
}

// lateLength is how long TestLateSets tries.
const lateLength = 4 * time.Second

// lateSets is one request whose handler leaves goroutines behind.
func (s *site) lateSets(t *testing.T, cookie, key string) {
	var begin, end []step
	var keys []string
	for i := range 2 {
		keys = append(keys, fmt.Sprint(key, ".", i))
		begin = append(begin, step{Op: "late", Key: keys[i]})
		end = append(end, step{Op: "get", Key: keys[i]}, step{Op: "del", Key: keys[i]})
	}
	if a := s.send(t.Context(), 0, "/do", cookie, begin...); a.Status != http.StatusOK {
		return // refused as a whole
	}
	sets := make([]lateSet, len(keys))
	for i, k := range keys {
		for !sets[i].Done && t.Context().Err() == nil {
			if err := s.get("/late?key="+k, &sets[i]); err != nil {
				t.Error(err)
				return
			}
		}
	}
	a := s.send(t.Context(), 0, "/do", cookie, end...)
	for i, set := range sets {
		if a.Status != http.StatusOK || set.Told > 0 {
			continue
		}
		// It may be one more: Err then spoke of another goroutine's.
		if got, _ := strconv.Atoi(a.Answers[2*i].Val); got < set.Last {
			t.Errorf("%s: the value is %d; %d was the last that Set accepted (Err was nil), and no event told of it (G4)", keys[i], got, set.Last)
		}
	}
}

// A lateSet is as in internal/worker.
type lateSet struct {
	Done       bool
	Last, Told int
}

// get asks the first process for something beside its sessions.
func (s *site) get(path string, answer any) error {
	res, err := s.client.Get(s.url(0) + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(answer)
}

// TestAnswerLost: where the answer to a Replace that was applied never comes, and
// the store else serves, the core looks and keeps the browser logged in (G5). A
// machine that has no time may be too late; three times it is not.
func TestAnswerLost(t *testing.T) {
	for _, e := range []struct {
		engine
		last int // a message that is not yet the last of a Replace
	}{{engine{"PostgreSQL", startPostgres}, 1}, {engine{"MariaDB", startMariaDB}, 7}} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s := e.start(t, []int{0})
			s.answerLost(t, 0) // statements are then prepared
			for message, more := e.last, true; more; message++ {
				kept := false
				for try := 0; !kept && try < 3; try++ {
					kept, more = s.answerLost(t, message)
				}
				if !kept {
					t.Fatalf("a renewal that was applied, and whose answer (%d) was lost, logged the browser out, three times (G5)", message)
				}
			}
		})
	}
}

// answerLost renews a token, and nothing comes back from the given message to the
// store on. It reports whether the browser is still logged in, and whether there
// were so many messages.
func (s *site) answerLost(t *testing.T, message int) (kept, more bool) {
	cookie, gate := s.mustLogIn(t, 0, "/do", "u", ""), rand.Text()
	var a answer
	var wg sync.WaitGroup
	wg.Go(func() {
		a = s.send(t.Context(), 0, "/do", cookie, step{Op: "get", Key: "r0"}, step{Op: "wait", Arg: gate}, step{Op: "renew"})
	})
	s.waits(t, 0, gate)
	s.forwarder.MuteNext(message)
	s.post(0, "/release", url.Values{"gate": {gate}})
	wg.Wait()
	left := s.forwarder.MuteNext(0)
	s.forwarder.Cut()
	if a.Cookie != "" && a.Cookie != "-" {
		cookie = a.Cookie
	}
	return s.retry(t, 0, "/do", cookie, step{Op: "get", Key: "r0"}).User == "u", left == 0
}

// TestManagersApart: what one manager committed reaches the browser, whatever
// another one around it fails at (G5).
func TestManagersApart(t *testing.T) {
	t.Parallel()
	s := one(t)
	cookie := s.mustLogIn(t, 0, "/two/do", "u", "")
	a := s.send(t.Context(), 0, "/two/do", cookie, step{Op: "renew"}, step{Op: "outer"})
	if a.Status == http.StatusOK {
		t.Fatal("the outer manager's value was not refused")
	}
	if a.Cookie != "" {
		cookie = a.Cookie
	}
	if a := s.retry(t, 0, "/two/do", cookie, step{Op: "get", Key: "r0"}); a.User != "u" {
		t.Errorf("after a renewal, in a request that failed for another manager, the user is %q, want %q: the new token never came (G5)", a.User, "u")
	}
}

// TestLimitClocksApart: the login that was just answered is none of those that it
// ends, whatever the clocks say (G11).
func TestLimitClocksApart(t *testing.T) {
	t.Parallel()
	s := startSQLite(t, near)
	for i := range 12 {
		cookie := s.mustLogIn(t, i%3, "/limited/do", "u", "")
		if a := s.retry(t, 0, "/limited/do", cookie, step{Op: "get", Key: "r0"}); a.User != "u" {
			t.Errorf("login %d, at a process whose clock is %+d s ahead: answered with success, and its session is over", i, near[i%3])
		}
	}
}

// TestLateLogout: a logout that comes later than the tombstone of its token stands
// either ends the session that followed, or leaves its cookie alone (G2).
func TestLateLogout(t *testing.T) {
	t.Parallel()
	s := one(t)
	cookie := s.mustLogIn(t, 0, "/do", "u", "")
	var late answer
	var wg sync.WaitGroup
	wg.Go(func() {
		late = s.send(context.WithoutCancel(t.Context()), 0, "/do", cookie, step{Op: "get", Key: "r0"}, step{Op: "wait", Arg: "late"}, step{Op: "logout"})
	})
	s.waits(t, 0, "late")
	next := s.mustLogIn(t, 0, "/do", "u", cookie)
	s.post(0, "/clock", url.Values{"ahead": {"72"}})
	s.retry(t, 0, "/do", "", step{Op: "sweep"})
	s.post(0, "/release", url.Values{"gate": {"late"}})
	wg.Wait()
	if a := s.retry(t, 0, "/do", next, step{Op: "get", Key: "r0"}); late.Cookie == "-" && a.User == "u" {
		t.Error("a late logout cleared the browser's cookie and left its session alive (G2)")
	}
}

// TestWorkerClock: the clocks of workers are apart by what was asked, and only
// they: the time that passes is the same.
func TestWorkerClock(t *testing.T) {
	t.Parallel()
	s := startSQLite(t, []int{0, 90, -90})
	for process, ahead := range []int64{0, 90, -90} {
		user := fmt.Sprint("u", process)
		before := time.Now()
		a := s.retry(t, process, "/do", "", step{Op: "login", Arg: user}, step{Op: "commit"}, step{Op: "authtime"})
		var at int64
		fmt.Sscan(a.Answers[2].Val, &at)
		if off := at - before.UnixMicro() - ahead*1_000_000; off < -10_000_000 || off > int64(time.Since(before)/time.Microsecond) {
			t.Errorf("process %d: AuthTime is %d µs off", process, off)
		}
	}
}
