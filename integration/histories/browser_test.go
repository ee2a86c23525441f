//go:build linux

package histories_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/history"
)

// A step is one thing that a worker's handler does; see internal/worker.
type step struct{ Op, Key, Arg string }

// An answer is that of a worker.
type answer struct {
	Status        int    // 0: none came
	Kind          string // of the error, if it was one
	Cookie        string // the session cookie that was set; "-" if it was cleared
	Began, Called int64
	Answers       []struct {
		Val string
		OK  bool
	}
	Handle, User string
}

// outerName is that of the cookie of the manager around another (/two/do).
const outerName = "__Host-outer="

// send makes a request of a worker's process.
func (s *site) send(ctx context.Context, process int, path, cookie string, steps ...step) (a answer) {
	body, err := json.Marshal(steps)
	if err != nil {
		return a
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url(process)+path, bytes.NewReader(body))
	if err != nil {
		return a
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	res, err := s.client.Do(r)
	if err != nil {
		return a
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode == http.StatusOK && json.Unmarshal(text, &a) != nil {
		return answer{}
	}
	a.Status, a.Kind = res.StatusCode, res.Header.Get("X-Error")
	for _, line := range res.Header.Values("Set-Cookie") {
		pair, rest, _ := strings.Cut(line, ";")
		switch {
		case strings.Contains(pair, "-lax="), strings.Contains(pair, "-over="), strings.HasPrefix(pair, outerName):
		case strings.Contains(rest, "Max-Age=0"):
			a.Cookie = "-"
		default:
			a.Cookie = pair
		}
	}
	return a
}

// A browser is one cookie jar that several clients use, and all that they saw.
type browser struct {
	site   *site
	user   string
	start  time.Time
	others []*browser // of the same user

	mu       *sync.Mutex // of the user
	cookies  []string    // the token's number is the index + 1
	handles  []string
	over     bool // somebody was told so, of the newest token
	calls    []history.Call
	surprise []string
	unknown  int // answers
	unique   int
}

// a request is on its way.
type request struct {
	b       *browser
	client  int
	process int
	token   int
	begin   time.Duration
	steps   []step
}

// mostUnknown bounds the answers of a history that nobody knows: each doubles what
// the checker has to think of.
const mostUnknown = 25

// foggy reports whether there are so many.
func (b *browser) foggy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unknown >= mostUnknown
}

// cookie returns that of a token.
func (b *browser) cookie(token int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if token == 0 {
		return ""
	}
	return b.cookies[token-1]
}

// newest returns the number of the newest token, 0 for none, and whether its
// session is known to be over.
func (b *browser) newest() (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.cookies), b.over
}

// value is one that nobody has written before.
func (b *browser) value() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unique++
	return fmt.Sprint("v", b.unique)
}

// reads are the steps that change nothing, however they end.
func reads(op string) bool {
	return op == "get" || op == "list" || op == "sleep" || op == "touch" || op == "sessions" || op == "wait"
}

// do makes a request and notes what came of it.
func (b *browser) do(ctx context.Context, client, process, token int, steps ...step) answer {
	q := request{b: b, client: client, process: process, token: token, steps: steps, begin: time.Since(b.start)}
	a := b.site.send(ctx, process, "/do", b.cookie(token), steps...)
	b.site.requests.Add(1)
	end := time.Since(b.start)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case a.Status == http.StatusOK:
		q.done(a, end)
	case a.Kind == "ended":
		b.site.ended.Add(1)
		q.note(end, history.Ended, a)
		b.over = b.over || token == len(b.cookies)
	case a.Kind == "conflict": // G1: nothing of this commit is stored
		b.site.conflicts.Add(1)
	case a.Kind == "full", a.Kind == "refused":
	default:
		b.site.unknown.Add(1)
		b.unknown++
		q.note(end, history.Unknown, a)
	}
	if a.Status == 0 || a.Status == http.StatusServiceUnavailable { // as Retry-After asks, if not for so long
		b.mu.Unlock()
		time.Sleep(30 * time.Millisecond)
		b.mu.Lock()
	}
	return a
}

// done notes an answer. Without a session at the end the token was not good.
func (q *request) done(a answer, end time.Duration) {
	b := q.b
	identity := q.steps[len(q.steps)-1].Op
	switch {
	case identity == "revokeothers":
		q.note(end, history.Done, a)
		return
	case identity == "logout":
		b.over = b.over || q.token == len(b.cookies)
		q.note(end, history.Done, a)
		return
	case identity == "remember" && a.Cookie == "" && a.Handle != "": // it had nothing to extend
		q.steps = q.steps[:len(q.steps)-1]
		q.note(end, history.Done, a)
		b.call(q, end, history.Call{Op: "see", Val: a.User, Outcome: history.Done})
		return
	case identity == "login" || a.Handle != "" && (identity == "renew" || identity == "reauth" || identity == "remember"):
		if a.Cookie == "" || a.Cookie == "-" {
			b.surprise = append(b.surprise, fmt.Sprintf("%s with token %d was answered without a cookie (G3)", identity, q.token))
			return
		}
		b.cookies, b.handles, b.over = append(b.cookies, a.Cookie), append(b.handles, ""), false
	case a.Cookie != "" && a.Cookie != "-":
		// Nothing but a login makes an ended session's browser a session again,
		// while the tombstone stands (G2); after that it is a new one.
		if !b.late(end) {
			b.surprise = append(b.surprise, fmt.Sprintf("%v with token %d started a session over one that was ended at %s (G2)", q.steps, q.token, end))
		}
		b.call(q, end, history.Call{Op: "none", Outcome: history.Done})
		return
	case a.Handle == "" && q.token != 0:
		b.over = b.over || q.token == len(b.cookies)
		b.call(q, end, history.Call{Op: "none", Outcome: history.Done})
		return
	}
	q.note(end, history.Done, a)
	if q.token != 0 && a.Handle != "" && identity != "login" && identity != "renew" && identity != "reauth" && identity != "remember" {
		b.call(q, end, history.Call{Op: "see", Val: a.User, Outcome: history.Done})
		b.handles[q.token-1] = a.Handle
	}
}

// late reports whether tombstones may have gone.
func (b *browser) late(at time.Duration) bool { return b.site.far || at > 30*time.Second }

// note adds a call for each step.
func (q *request) note(end time.Duration, outcome history.Outcome, a answer) {
	for i, st := range q.steps {
		c := history.Call{Op: st.Op, Key: st.Key, Arg: st.Arg, Outcome: outcome, Began: a.Began, Called: a.Called}
		switch {
		case st.Op == "sessions" && outcome == history.Done:
			q.listed(end, st, a.Answers[i].Val)
			continue
		case st.Op == "sleep" || st.Op == "sessions" || st.Op == "wait" || st.Op == "touch" || outcome == history.Unknown && reads(st.Op):
			continue
		case st.Op == "flash" || st.Op == "flashes":
			c.Key = "f"
		case st.Op == "login" || st.Op == "renew" || st.Op == "reauth" || st.Op == "remember":
			// The user was revoked after the request began, by this process's clock,
			// or is being revoked in a Cluster: nothing is said of the token (S8).
			if outcome == history.Ended && (st.Op == "login" || st.Op == "reauth" && q.b.site.apart || !q.b.site.whole) {
				continue
			}
			if outcome == history.Done {
				c.New = len(q.b.cookies)
			}
		case st.Op == "logout" && (q.b.late(end) || outcome != history.Done):
			c.Outcome = history.Unknown
		case st.Op == "revokeall" || st.Op == "revokeothers" || st.Op == "revoke":
			q.revoked(end, st, c, i, a)
			continue
		}
		if i < len(a.Answers) && outcome == history.Done {
			c.Val, c.OK = a.Answers[i].Val, a.Answers[i].OK
		}
		q.b.call(q, end, c)
	}
}

// listed notes which tokens' sessions a list had (G11, S9, S10).
func (q *request) listed(end time.Duration, st step, handles string) {
	list := strings.Split(handles, ",")
	for _, b := range append([]*browser{q.b}, q.b.others...) {
		for n, handle := range b.handles {
			if handle == "" {
				continue
			}
			b.calls = append(b.calls, history.Call{
				Client: q.client, Process: q.process, Token: n + 1, Begin: q.begin, End: end,
				Op: "listed", Arg: st.Arg, OK: slices.Contains(list, handle), Outcome: history.Done,
			})
		}
	}
}

// revoked notes a revocation in the histories that it concerns.
func (q *request) revoked(end time.Duration, st step, c history.Call, i int, a answer) {
	c.Key, c.Op, c.Arg = "", "revoked", st.Arg
	switch st.Op {
	case "revokeall":
		q.b.call(q, end, c)
	case "revokeothers":
		own := c
		own.Op, own.Key = "others", ""
		if own.Arg = a.User; own.Arg == "" && own.Outcome == history.Done { // its own ended with them
			own.Outcome, c.Outcome = history.Unknown, history.Unknown
		}
		if c.Arg = own.Arg; c.Outcome == history.Unknown {
			c.Arg, own.Arg = q.b.user, q.b.user // or the other one
		}
		q.b.call(q, end, own)
		if q.b.site.far && q.token < len(q.b.cookies) { // what led to its successor may be swept
			own.Op, own.Outcome = "revoked", history.Unknown
			q.b.call(q, end, own)
			own.Op, own.Outcome = "others", c.Outcome
		}
		if c.Outcome == history.Ended {
			return // it was not its place to end others
		}
		if c.Outcome == history.Unknown {
			own.Arg += "x"
			q.b.call(q, end, own)
		}
	case "revoke":
		for n, handle := range q.b.handles {
			if handle == "" || handle != st.Key {
				continue
			}
			c.Op = "revokedone"
			at := *q
			at.token = n + 1
			if c.Outcome == history.Done && !a.Answers[i].OK {
				c.Op = "listed"
			}
			q.b.call(&at, end, c)
		}
		return
	}
	for _, other := range q.b.others {
		other.call(q, end, c)
		if st.Op == "revokeothers" && c.Outcome == history.Unknown {
			also := c
			also.Arg += "x"
			other.call(q, end, also)
		}
	}
}

func (b *browser) call(q *request, end time.Duration, c history.Call) {
	c.Client, c.Process, c.Token, c.Begin, c.End = q.client, q.process, q.token, q.begin, end
	if b != q.b {
		c.Token = 0
	}
	b.calls = append(b.calls, c)
}

// A client makes the requests of one tab.
type client struct {
	b   *browser
	n   int
	rng *rand.Rand
}

// identify is what the one client does that changes who the browser is.
func (c *client) identify(ctx context.Context) {
	token, over := c.b.newest()
	op := step{Op: "login", Arg: c.b.user}
	if token != 0 && !over {
		op = []step{{Op: "renew"}, {Op: "renew"}, {Op: "reauth"}, {Op: "remember"}, {Op: "login", Arg: c.b.user}, {Op: "login", Arg: c.b.user + "x"}}[c.rng.IntN(6)]
	}
	steps := []step{op}
	if token != 0 && c.rng.IntN(2) == 0 {
		steps = []step{c.sleep(), op}
	}
	c.b.do(ctx, c.n, c.process(), token, steps...)
}

func (c *client) process() int { return c.rng.IntN(c.b.site.processes()) }

func (c *client) sleep() step { return step{Op: "sleep", Arg: fmt.Sprint(c.rng.IntN(12))} }

// use makes one request of a page that uses the session.
func (c *client) use(ctx context.Context) {
	token, over := c.b.newest()
	if over && c.rng.IntN(4) > 0 {
		time.Sleep(time.Millisecond)
	}
	if token > 1 && c.rng.IntN(12) == 0 {
		token-- // a page that was slow
	}
	if token == 0 {
		time.Sleep(time.Millisecond)
		return
	}
	if c.rng.IntN(40) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(1+c.rng.IntN(30))*time.Millisecond)
		defer cancel()
	}
	switch c.rng.IntN(500) {
	case 0:
		c.b.do(ctx, c.n, c.process(), token, step{Op: "logout"})
	case 1:
		c.b.do(ctx, c.n, c.process(), 0, step{Op: "revokeall", Arg: c.b.user})
	case 2:
		c.b.do(ctx, c.n, c.process(), token, step{Op: "revokeothers"})
	case 3:
		if c.b.handle(token) == "" {
			return
		}
		c.b.do(ctx, c.n, c.process(), 0, step{Op: "revoke", Key: c.b.handle(token), Arg: c.b.user})
	case 4:
		c.b.do(ctx, c.n, c.process(), token, c.sleep(), step{Op: "clear"})
	case 5, 6, 7, 8:
		c.b.do(ctx, c.n, c.process(), 0, step{Op: "sessions", Arg: c.b.user})
	default:
		c.b.do(ctx, c.n, c.process(), token, c.steps()...)
	}
}

func (b *browser) handle(token int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.handles[token-1]
}

// steps are those of one request: about different keys, at most the last of
// them committing at once.
func (c *client) steps() (steps []step) {
	pick := func(all ...step) { steps = append(steps, all[c.rng.IntN(len(all))]) }
	if c.rng.IntN(3) > 0 {
		pick(step{"get", "r0", ""}, step{"get", "c0", ""}, step{"list", "l0", ""}, step{"get", "r1", ""})
	}
	if c.rng.IntN(3) > 0 {
		steps = append(steps, c.sleep())
	}
	read := ""
	if len(steps) > 0 {
		read = steps[0].Key
	}
	if c.rng.IntN(3) > 0 && read != "r1" {
		pick(step{"set", "r1", "dark"}, step{"set", "r1", "light"}, step{"del", "r1", ""}, step{"setfor", "r1", "dark"})
	}
	if c.rng.IntN(4) == 0 && read != "r0" {
		pick(step{"set", "r0", c.b.value()}, step{"pop", "r0", ""})
	} else if c.rng.IntN(4) == 0 && read != "l0" {
		pick(step{"append", "l0", c.b.value()}, step{"append", "l0", c.b.value()}, step{"take", "l0", ""})
	} else if c.rng.IntN(3) == 0 {
		pick(step{"flash", "", c.b.value()}, step{"flashes", "", ""})
	} else if c.rng.IntN(2) == 0 && read != "c0" {
		steps = append(steps, step{"upd", "c0", ""})
	}
	if len(steps) == 0 || steps[len(steps)-1].Op == "sleep" {
		pick(step{"get", "r1", ""})
		if read == "r1" {
			steps[len(steps)-1].Key = "r0"
		}
	}
	return steps
}
