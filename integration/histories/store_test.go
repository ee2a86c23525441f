//go:build linux

package histories_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/history"
)

// A storeCall and a storeReply are as in internal/worker.
type storeCall struct {
	Op, ID, Old, User        string
	Version, Was             uint64
	Began, Seen, Expires     int64
	At, Until                int64
	Keep                     []string
	Data                     string
	Deadline                 int64
	TimeoutMilliseconds, Max int
}

type storeReply struct {
	Err, Text, Next string
	Until           int64
	Version         uint64
	User, Data      string
	Seen, Expires   int64
	IDs             []string
}

// A till is one user's sessions in the store, and all that was called.
type till struct {
	site  *site
	user  string
	start time.Time
	epoch int64 // µs

	mu       sync.Mutex
	ids      []string       // the number is the index + 1
	used     int            // how many of them a record may have
	versions map[int]uint64 // that a caller has seen
	known    map[int]bool   // somebody knows that it is there
	hidden   map[int]bool
	unknown  int
	calls    []history.StoreCall
}

// store is the life of one user's sessions as callers of the store see it.
func (r *run) store(ctx context.Context, rng *mathrand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, 25*time.Second)
	defer cancel()
	l := &till{site: r.site, user: "s" + rand.Text()[:10], start: time.Now(), versions: make(map[int]uint64), known: make(map[int]bool), hidden: make(map[int]bool)}
	l.epoch = l.start.UnixMicro()
	for range history.MaxIDs {
		var id [32]byte
		_, _ = rand.Read(id[:])
		l.ids = append(l.ids, hex.EncodeToString(id[:]))
	}
	var wg sync.WaitGroup
	for n := range 5 {
		c := &caller{l: l, n: n, rng: mathrand.New(mathrand.NewPCG(rng.Uint64(), 0))}
		wg.Go(func() {
			for i := 0; i < 30 && ctx.Err() == nil && !l.foggy(); i++ {
				c.call(ctx)
			}
		})
	}
	wg.Wait()
	calls, skip := l.calls, []int(nil)
	if !r.site.durable {
		calls, skip = history.ConfirmedStore(calls)
	}
	r.judge(history.CheckStore(calls, r.site.whole, checkTimeout, skip...), len(l.calls))
}

type caller struct {
	l   *till
	n   int
	rng *mathrand.Rand
}

// fresh takes an id that nobody has used, or 0. One that is for a Replace is
// hidden from other callers before that is done: in a Cluster it is in one step
// only for those who know the old one (S4).
func (l *till) fresh(replace bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.used == len(l.ids) {
		return 0
	}
	l.used++
	l.hidden[l.used] = replace && l.used > 1 && !l.site.whole
	return l.used
}

// some is an id that was used.
func (c *caller) some() (id int, version uint64) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.l.used == 0 {
		return 1, 1
	}
	id = 1 + c.rng.IntN(c.l.used)
	for c.l.hidden[id] { // the first one never is
		id--
	}
	return id, max(1, c.l.versions[id])
}

func (c *caller) call(ctx context.Context) {
	id, version := c.some()
	m := history.StoreCall{Client: c.n, ID: id, Process: c.rng.IntN(c.l.site.processes()), User: c.l.user}
	now := c.l.now()
	m.Seen, m.Began = now-int64(c.rng.IntN(3_000_000)), now-int64(c.rng.IntN(2_000_000))
	if c.l.site.far { // sweeps of the process that is ahead are not to find what Replace leaves
		m.Seen += 200_000_000
	}
	m.Version, m.Was = c.rng.Uint64()|1, version
	m.Until = now + 600_000_000 + int64(c.rng.IntN(1000))
	switch n := c.rng.IntN(24); {
	case n < 4:
		m.Op = "Create"
		if fresh := c.l.fresh(false); fresh != 0 && c.rng.IntN(4) > 0 {
			m.ID = fresh
		}
	case n < 9 && c.l.site.durable:
		m.Op = "Update"
	case n < 12:
		m.Op = "Load"
		if fresh := c.l.fresh(true); fresh > 1 && fresh != id {
			m.Op, m.Old, m.ID = "Replace", id, fresh
		}
	case n < 14 && c.l.site.durable:
		m.Op = "Touch"
	case n == 14:
		m.Op = "End"
	case n == 15 && c.rng.IntN(2) == 0:
		m.Op, m.At = "EndUser", now-int64(c.rng.IntN(1_000_000))
		if c.rng.IntN(2) == 0 && c.l.isKnown(id) {
			m.Keep = []int{id}
		}
	case n == 16:
		m.Op = "Sweep"
	case n < 19:
		m.Op = "User"
	default:
		m.Op = "Load"
	}
	c.l.do(ctx, m)
}

// foggy is as browser.foggy.
func (l *till) foggy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unknown >= mostUnknown
}

func (l *till) isKnown(id int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known[id]
}

func (l *till) now() int64 { return time.Now().UnixMicro() }

// do makes the call and notes what came of it.
func (l *till) do(ctx context.Context, m history.StoreCall) {
	w := storeCall{
		Op: m.Op, ID: l.ids[m.ID-1], User: m.User, Version: m.Version, Was: m.Was, Began: m.Began, Seen: m.Seen,
		Expires: m.Seen + 1800_000_000, Deadline: l.epoch + 36000_000_000, At: m.At, Until: m.Until, Max: 100, TimeoutMilliseconds: 2000,
	}
	if m.Old != 0 {
		w.Old = l.ids[m.Old-1]
	}
	for _, id := range m.Keep {
		w.Keep = append(w.Keep, l.ids[id-1])
	}
	if m.Op == "Sweep" {
		w.At = l.epoch - 3600_000_000
	}
	m.Begin = time.Since(l.start)
	reply, ok := l.site.callStore(ctx, m.Process, w)
	m.End = time.Since(l.start)
	l.site.requests.Add(1)
	if m.Unknown = !ok || reply.Err == "unknown"; m.Unknown {
		time.Sleep(30 * time.Millisecond)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case reply.Err == "conflict":
		l.site.conflicts.Add(1)
	case reply.Err == "ended":
		l.site.ended.Add(1)
	case m.Unknown:
		l.site.unknown.Add(1)
		l.unknown++
	}
	if m.Unknown && (m.Op == "Load" || m.Op == "User" || m.Op == "Sweep") || reply.Err == "full" {
		return
	}
	l.learn(&m, reply)
	l.calls = append(l.calls, m)
}

// learn puts the answer into the call, and what it tells into the till.
func (l *till) learn(m *history.StoreCall, reply storeReply) {
	m.Err, m.Got, m.GotUser, m.GotSeen, m.GotUntil = reply.Err, reply.Version, reply.User, reply.Seen, reply.Until
	m.Next = slices.Index(l.ids, reply.Next) + 1
	for _, id := range reply.IDs {
		m.IDs = append(m.IDs, slices.Index(l.ids, id)+1)
	}
	if m.Unknown || m.Err != "" {
		return
	}
	switch m.Op {
	case "Create", "Update", "Replace":
		l.versions[m.ID], l.known[m.ID], l.hidden[m.ID] = m.Version, true, false
	case "Load":
		l.versions[m.ID] = m.Got
	}
}

func (s *site) callStore(ctx context.Context, process int, c storeCall) (reply storeReply, ok bool) {
	body, err := json.Marshal(c)
	if err != nil {
		return reply, false
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url(process)+"/store", bytes.NewReader(body))
	if err != nil {
		return reply, false
	}
	res, err := s.client.Do(r)
	if err != nil {
		return reply, false
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return reply, err == nil && res.StatusCode == http.StatusOK && json.Unmarshal(text, &reply) == nil
}
