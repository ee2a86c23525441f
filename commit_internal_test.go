package coatcheck

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A store that gives the same version with other data breaks its contract. The
// request goes on with what it had, and nothing panics.
func TestRebaseOnTheSameVersion(t *testing.T) {
	t.Parallel()
	data, _ := record.Encode(record.Header{Device: []byte("a device")}, []record.Entry{{Name: "a", Raw: []byte("1")}}, 0)
	h, err := record.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{}
	s.setBase(&snapshot{Version: 7, Data: data}, &h)
	if err := s.rebase(&snapshot{Version: 7, Data: []byte{1}}, true); err != nil {
		t.Fatal(err)
	}
	if got := record.Find(s.entries(), "a").Raw; string(got) != "1" {
		t.Errorf("the value is %q, want 1", got)
	}
}

// pausing is Handler with a pause between the end of the response and that of the
// exchange, where a busy machine may leave a request for a while.
func pausing(m *Manager, next http.Handler, pause func(*Session)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := m.newExchange(w, r)
		defer x.end(r)
		next.ServeHTTP(x.writer(), &x.r)
		x.finish()
		pause(x.session())
	})
}

var (
	hits  = NewKey[int]("hits")
	other = NewKey[int]("other")
	note  = NewKey[string]("note")
	list  = NewKey[[]int]("list")
)

// A lateChange is one, and how to see that it was stored.
type lateChange struct {
	change func(s *Session)
	there  func(s *Session) bool
}

// lateChanges are those that need no cookie.
var lateChanges = map[string]lateChange{
	"Set":    {func(s *Session) { note.Set(s, "x") }, func(s *Session) bool { v, _ := note.Get(s); return v == "x" }},
	"Append": {func(s *Session) { Append(s, list, 7) }, func(s *Session) bool { v, _ := list.Get(s); return len(v) == 1 }},
	"Delete": {func(s *Session) { hits.Delete(s) }, func(s *Session) bool { _, ok := hits.Get(s); return !ok }},
	"Clear":  {func(s *Session) { s.Clear() }, func(s *Session) bool { _, ok := hits.Get(s); return !ok }},
	"Update": {func(s *Session) { hits.Update(s, func(int) int { return 9 }) }, func(s *Session) bool { v, _ := hits.Get(s); return v == 9 }},
	"Logout": {func(s *Session) { s.Logout() }, func(s *Session) bool { return s.User() == "" }},
}

// hijackable gives a connection of which nobody has the other end.
type hijackable struct{ *httptest.ResponseRecorder }

func (hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, other := net.Pipe()
	other.Close()
	return c, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)), nil
}

func inMemory(t *testing.T, cfg Config) *Manager {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(memstore.New(memstore.Config{}), keys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// in serves one request with the cookies.
func in[W http.ResponseWriter](h http.Handler, w W, cookies []*http.Cookie) W {
	r := httptest.NewRequest(http.MethodPost, "https://example.com/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	h.ServeHTTP(w, r)
	return w
}

// G4: "A change after the first byte is saved when the response ends if it needs
// no cookie, and otherwise is an error that the handler can see and an event;
// never silence": also one that a goroutine of the handler makes between the last
// commit and the end of the exchange.
func TestG4ChangeAtTheReturn(t *testing.T) {
	t.Parallel()
	for how, answer := range map[string]func(w http.ResponseWriter, s *Session){
		"returns":               func(http.ResponseWriter, *Session) {},
		"sets and returns":      func(_ http.ResponseWriter, s *Session) { other.Set(s, 2) },
		"writes and returns":    func(w http.ResponseWriter, _ *Session) { io.WriteString(w, "x") },
		"hijacks and returns":   func(w http.ResponseWriter, _ *Session) { w.(http.Hijacker).Hijack() },
		"writes, sets, returns": func(w http.ResponseWriter, s *Session) { io.WriteString(w, "x"); other.Set(s, 2) },
	} {
		for what, c := range lateChanges {
			for _, live := range []bool{true, false} {
				if !live && strings.Contains(how, "sets") { // that is a first write
					continue
				}
				t.Run(fmt.Sprint(how, "/", what, "/live=", live), func(t *testing.T) {
					t.Parallel()
					changeAtTheReturn(t, answer, c.change, c.there, live)
				})
			}
		}
	}
}

func changeAtTheReturn(t *testing.T, answer func(http.ResponseWriter, *Session), change func(*Session), there func(*Session) bool, live bool) {
	var mu sync.Mutex
	late := 0
	m := inMemory(t, Config{Events: func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == Late {
			late++
		}
	}})
	var cookies []*http.Cookie
	if live {
		w := httptest.NewRecorder()
		in(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s := m.From(r.Context())
			s.Login("alice")
			hits.Set(s, 1)
		})), w, nil)
		if cookies = w.Result().Cookies(); len(cookies) == 0 {
			t.Fatal("no session")
		}
	}
	var failed error
	in(pausing(m, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		if live {
			s.User()
		}
		answer(w, s)
	}), func(s *Session) {
		change(s)
		failed = s.Err()
	}), hijackable{httptest.NewRecorder()}, cookies)
	stored := false
	in(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stored = there(m.From(r.Context())) })), httptest.NewRecorder(), cookies)
	switch {
	case live && (failed != nil || !stored || late != 0):
		t.Errorf("got %v, stored %t, %d events; want it stored", failed, stored, late)
	case failed != nil && late == 0 || failed == nil && !stored && late == 0:
		t.Errorf("got %v, stored %t and no event", failed, stored)
	}
}

// A hooked writer calls a function when its header is next looked at.
type hooked struct {
	*httptest.ResponseRecorder
	hook *func()
}

func (w hooked) Header() http.Header {
	if f := *w.hook; f != nil {
		*w.hook = nil
		f()
	}
	return w.ResponseRecorder.Header()
}

// G12 and G4: who is the first to use the session after the answer has found it
// unused, and before its header leaves, has it as anybody else: the answer brings the
// cookie, says that it depends on it, and what was changed is stored.
func TestG12UsedAsTheAnswerLeaves(t *testing.T) {
	t.Parallel()
	m := inMemory(t, Config{})
	changes := maps.Clone(lateChanges)
	changes["Login"] = lateChange{func(s *Session) { s.Login("bob") }, func(s *Session) bool { return s.User() == "bob" }}
	changes["Renew"] = lateChange{(*Session).Renew, func(s *Session) bool { return s.User() == "alice" }}
	for what, c := range changes {
		for _, brought := range []bool{true, false} {
			jar := map[string]*http.Cookie{}
			if brought {
				keepCookies(jar, in(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					s := m.From(r.Context())
					s.Login("alice")
					hits.Set(s, 1)
				})), httptest.NewRecorder(), nil))
			} else if what == "Renew" {
				continue
			}
			var hook func()
			w := hooked{httptest.NewRecorder(), &hook}
			before := slices.Collect(maps.Values(jar))
			in(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				hook = func() { c.change(m.From(r.Context())) }
				io.WriteString(w, "x")
				if hook != nil {
					t.Fatal("nobody looked at the header")
				}
				if err := m.From(r.Context()).Err(); err != nil {
					t.Errorf("%s, brought=%t: %v", what, brought, err)
				}
			})), w, before)
			keepCookies(jar, w.ResponseRecorder)
			h := w.Result().Header
			if h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Cookie" {
				t.Errorf("%s, brought=%t: a cache may keep the answer: %v", what, brought, h)
			}
			if renews := what == "Login" || what == "Renew"; brought && (renews || what == "Logout") && h["Set-Cookie"] == nil {
				t.Errorf("%s: the browser keeps its cookie", what)
			}
			in(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if s := m.From(r.Context()); !c.there(s) {
					t.Errorf("%s, brought=%t: what it changed is lost: %v", what, brought, s.Err())
				}
			})), httptest.NewRecorder(), slices.Collect(maps.Values(jar)))
		}
	}
}

// keepCookies does what a browser does.
func keepCookies(jar map[string]*http.Cookie, w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		if jar[c.Name] = c; c.MaxAge < 0 {
			delete(jar, c.Name)
		}
	}
}

// G4: A phase is entered past the session only where nobody has used that. Who has
// come between the look and the step is found, and the phase is as it was.
func TestG4EnterUnused(t *testing.T) {
	t.Parallel()
	made := func(brought bool, phase uint32) *exchange {
		r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
		x := &exchange{m: &Manager{}, w: httptest.NewRecorder(), in: r, r: *r}
		if brought {
			x.own = &Session{x: x}
		}
		x.out.state.Store(phase)
		return x
	}
	for _, brought := range []bool{true, false} {
		for _, from := range []uint32{open, sent, hijacked} {
			x := made(brought, from)
			s := x.session()
			s.lock()
			s.unlock()
			if x.enterUnused(closed) || x.phase() != from {
				t.Errorf("brought=%t, phase %d: a used session was passed over, now %d", brought, from, x.phase())
			}
			x = made(brought, from)
			if !x.enterUnused(closed) || x.phase() != closed || x.used() != nil {
				t.Errorf("brought=%t, phase %d: not entered, or the session counts as used", brought, from)
			}
		}
	}
	for _, brought := range []bool{true, false} {
		x := made(brought, open)
		s := x.session()
		s.lock()
		s.cookie = cookieAbsent // it was looked at, and nothing found
		s.unlock()
		if !x.enterUnused(sent) || x.phase() != sent || x.w.Header().Get("Vary") != "Cookie" || s.failed {
			t.Errorf("brought=%t, only looked at: phase %d, header %v, %v", brought, x.phase(), x.w.Header(), s.err())
		}
		x = made(brought, open)
		s = x.session()
		s.lock()
		s.cleared = true
		s.unlock()
		if x.enterUnused(sent) || x.phase() != open {
			t.Errorf("brought=%t: a change is too late, or lost: phase %d", brought, x.phase())
		}
	}
}

// What each request takes is one allocation of a size class of Go's. A field more
// than fits takes the next class, which nobody notices otherwise.
func TestSizes(t *testing.T) {
	t.Parallel()
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("sizes of 64 bits")
	}
	const header = 8 // of Go's, for what has pointers and more than 512 bytes
	for what, s := range map[string]struct{ got, most uintptr }{
		"exchange": {unsafe.Sizeof(exchange{}), 416},
		"exchange and session": {unsafe.Sizeof(struct {
			exchange
			Session
		}{}), 576 - header},
		"extra": {unsafe.Sizeof(extra{}), 112},
	} {
		t.Logf("%s: %d bytes", what, s.got)
		if s.got > s.most {
			t.Errorf("%s: %d bytes; want at most %d", what, s.got, s.most)
		}
	}
}

// comes is a commitment that waits for so long.
func comes(plain bool, wait time.Duration) *pendingWrite {
	return &pendingWrite{plain: plain, parent: context.Background(), at: time.Now().Add(wait)}
}

// Those who cannot share a store call go one at a time, in the order in which
// they came, and nothing is left behind.
func TestQueueOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		id := store.ID{1}
		first := comes(false, commitTimeout)
		turn, err := q.enter(&id, first)
		if err != nil {
			t.Fatal(err)
		}
		var order []int
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				c := comes(false, commitTimeout)
				turn, err := q.enter(&id, c)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i) // the race detector would tell of two at once
				if turn.last.Version != uint64(i) {
					t.Errorf("waiter %d was handed version %d", i, turn.last.Version)
				}
				turn.last.Version++
				c.conclude(nil)
				q.handOn(&id, turn, c)
			})
			synctest.Wait()
		}
		first.conclude(nil)
		q.handOn(&id, turn, first)
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != 10 {
			t.Errorf("the order is %v", order)
		}
		empty(t, &q)
	})
}

// A waiter that gives up, at whatever moment, takes nobody's turn away.
func TestQueueGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		id := store.ID{2}
		var holders atomic.Int32
		hold := func() {
			if holders.Add(1) != 1 {
				t.Error("two have the turn at once")
			}
		}
		for round := range 200 {
			first := comes(round%2 == 0, commitTimeout)
			turn, err := q.enter(&id, first)
			if err != nil {
				t.Fatal(err)
			}
			hold()
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() {
					// Before the turn is passed on, at that very moment, or later.
					c := comes(round%2 == 0, time.Duration(i%3+round%2)*time.Second)
					defer c.end()
					if turn, err := q.enter(&id, c); err == nil {
						hold()
						time.Sleep(time.Millisecond)
						holders.Add(-1)
						c.conclude(nil)
						q.handOn(&id, turn, c)
					}
				})
			}
			time.Sleep(time.Second)
			holders.Add(-1)
			first.conclude(nil)
			q.handOn(&id, turn, first)
			wg.Wait()
			empty(t, &q)
		}
	})
}

// Different sessions do not wait for each other, nor does one that comes again.
func TestQueueOfManySessions(t *testing.T) {
	t.Parallel()
	var q queue
	type held struct {
		turn *turn
		c    *pendingWrite
	}
	all := make(map[store.ID]held)
	take := func(id store.ID) held {
		c := comes(true, commitTimeout)
		turn, err := q.enter(&id, c)
		if err != nil {
			t.Fatal(err)
		}
		return held{turn, c}
	}
	give := func(id store.ID, h held) {
		h.c.conclude(nil)
		q.handOn(&id, h.turn, h.c)
	}
	for i := range 64 {
		id := store.ID{byte(i)}
		h := take(id)
		if h.turn.last.Version != 0 {
			t.Error("a new turn remembers an old one's record")
		}
		h.turn.last = snapshot{ID: id, Version: 1}
		all[id] = h
	}
	for id, h := range all {
		give(id, h)
		again := take(id)
		if last := again.turn.last; last.ID != id || last.Version != 1 {
			t.Error("a new turn does not know what was stored a moment ago")
		}
		give(id, again)
	}
	empty(t, &q)
}

// More sessions at once than a shard has places for: each has a turn of its own, in
// which one goes after another, and of those that have ended none is taken for another.
func TestQueueOfOneShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		const n = 3 * len(queueShard{}.turns)
		id := func(i int) *store.ID { return &store.ID{0, byte(i)} }
		seen, commits := make(map[*turn]bool), [n]*pendingWrite{}
		for i := range n { // nobody waits for anybody
			commits[i] = comes(false, commitTimeout)
			turn, err := q.enter(id(i), commits[i])
			if err != nil || seen[turn] || turn.id != *id(i) {
				t.Fatalf("session %d: %v, or the turn of another", i, err)
			}
			seen[turn] = true
		}
		for i, c := range commits {
			turn := q.shards[0].find(id(i))
			if turn == nil || !turn.held || turn.id != *id(i) {
				t.Fatalf("session %d has lost its turn", i)
			}
			turn.last = snapshot{ID: *id(i), Version: 1}
			c.conclude(nil)
			q.handOn(id(i), turn, c)
		}
		empty(t, &q)
		for round := range 3 {
			var holders [n]atomic.Int32
			var wg sync.WaitGroup
			for i := range n {
				for range 3 {
					wg.Go(func() {
						c := comes(false, commitTimeout)
						c.now = time.Now()
						turn, err := q.enter(id(i), c)
						if err != nil {
							t.Error(err)
							return
						}
						if holders[i].Add(1) != 1 {
							t.Errorf("session %d has two holders", i)
						}
						if last := turn.last; turn.id != *id(i) || last.Version != 0 && last.ID != *id(i) {
							t.Errorf("session %d has the turn of %x, which remembers %x", i, turn.id[:2], last.ID[:2])
						}
						if turn.last = (snapshot{ID: *id(i), Version: 1, seen: c.now.UnixMicro()}); (i+round)%3 == 0 {
							turn.last = snapshot{} // it stored nothing
						}
						time.Sleep(time.Millisecond)
						holders[i].Add(-1)
						c.conclude(nil)
						q.handOn(id(i), turn, c)
					})
				}
			}
			wg.Wait()
			empty(t, &q)
			kept := 0
			for i := range n {
				if known := q.shards[0].find(id(i)); known != nil {
					kept++
				}
			}
			if kept == 0 || kept > len(q.shards[0].turns) {
				t.Errorf("%d turns are remembered", kept)
			}
		}
	})
}

func empty(t *testing.T, q *queue) {
	t.Helper()
	for i := range q.shards {
		shard := &q.shards[i]
		if n := len(shard.more) + len(slices.DeleteFunc(slices.Clone(shard.turns[:]), func(t *turn) bool { return t == nil || !t.held })); n != 0 {
			t.Errorf("%d turns are left", n)
		}
	}
}

// A commit that others may still have in their line is left as it is: whoever gets
// to it there must find that it has ended, and not another commit (G1). So is one of
// which nobody knows, because it panicked.
func TestLend(t *testing.T) {
	t.Parallel()
	for _, c := range []pendingWrite{{done: true, waited: true}, {done: true, left: true}, {done: true, waited: true, left: true}} {
		s := &Session{changes: new(changes)}
		w := s.lend()
		if *w = c; s.lend() == w {
			t.Error("a commit under way was lent again")
		}
		s.takeBack(w)
		if !w.done || s.lend() == w {
			t.Errorf("waited=%t, left=%t: it was given to others", c.waited, c.left)
		}
		if s.endChanges(); s.changes == nil {
			t.Errorf("waited=%t, left=%t: the changes were given to others with it", c.waited, c.left)
		}
	}
	s := &Session{changes: new(changes)}
	w := s.lend()
	w.done = true
	if s.takeBack(w); w.done || s.lend() != w {
		t.Error("what nobody else has was not used again")
	}
}

// The changes of a request go to another when it has ended, unless the session still
// knows something by them.
func TestEndChanges(t *testing.T) {
	t.Parallel()
	end := func(set func(s *Session)) bool {
		s := &Session{x: new(exchange), changes: new(changes)}
		set(s)
		s.endChanges()
		return s.changes == nil
	}
	if !end(func(*Session) {}) {
		t.Error("what nobody needs was kept")
	}
	for what, set := range map[string]func(s *Session){
		"an error":       func(s *Session) { s.setErr(ErrLate) },
		"an op":          func(s *Session) { s.ops = make([]op, 1) },
		"a token change": func(s *Session) { s.tokenChange = renewToken },
		"Clear":          func(s *Session) { s.cleared = true },
		"Logout":         func(s *Session) { s.loggedOut = true },
	} {
		if end(set) {
			t.Errorf("%s: the changes were given to others", what)
		}
	}
	for i := range reflect.TypeFor[asked]().NumField() {
		name := reflect.TypeFor[asked]().Field(i).Name
		if end(func(s *Session) {
			switch f := reflect.ValueOf(&s.asked).Elem().Field(i); f.Kind() {
			case reflect.Pointer:
				*(*unsafe.Pointer)(f.Addr().UnsafePointer()) = reflect.New(f.Type().Elem()).UnsafePointer()
			case reflect.String:
				*(*string)(f.Addr().UnsafePointer()) = "x"
			default: // begins with a byte of a number
				*(*byte)(f.Addr().UnsafePointer()) = 1
			}
		}) {
			t.Errorf("%s: the changes were given to others", name)
		}
	}
}

// What stays in changes of which nothing is asked, and that are not lent, is cleared for
// the next.
func TestResetChanges(t *testing.T) {
	t.Parallel()
	if n := reflect.TypeFor[changes]().NumField(); n != 4 { // asked, planned, write and lent
		t.Errorf("there are %d fields; want 4, or a look at what reset leaves", n)
	}
	c := &changes{planned: planned{
		ops: make([]op, 0, 1), blind: true, applied: 1, lasting: true, altered: true, looked: time.Now(), view: make([]record.Entry, 1),
		opsRoom: [1]op{{name: "x"}}, viewRoom: [2]record.Entry{{Name: "x"}, {Raw: []byte("1")}},
	}}
	for i := range reflect.TypeFor[planned]().NumField() {
		if reflect.ValueOf(c.planned).Field(i).IsZero() {
			t.Errorf("%s is not tried", reflect.TypeFor[planned]().Field(i).Name)
		}
	}
	w := c.lend()
	w.rec, w.sid, w.token[0] = snapshot{User: "alice", Data: []byte("x")}, "x", 'x'
	c.takeBack(w)
	if c.reset(); !reflect.ValueOf(c).Elem().IsZero() {
		t.Errorf("what another gets has still %+v", c.planned)
	}
}

// A commit does not read the record that it has made: what it knows of it is what a
// look would find.
func TestReadAfterCommit(t *testing.T) {
	t.Parallel()
	m := inMemory(t, Config{})
	look := func(s *Session, what, text string, n int) {
		t.Helper()
		v, _ := note.Get(s)
		h, err := record.Open(s.base.Data)
		found := s.base
		found.opened(&h)
		if s.base.values > 0 && s.base.values != found.values { // it need not know them
			t.Errorf("%s: it knows of %d values, want %d", what, s.base.values, found.values)
		}
		if got, _ := hits.Get(s); v != text || got != n || err != nil || s.Err() != nil {
			t.Errorf("%s: %q and %d, %v, %v; want %q and %d", what, v, got, err, s.Err(), text, n)
		}
		if !s.base.sure {
			t.Errorf("%s: it is not sure of what it has stored", what)
		}
		if found.entriesLen != s.base.entriesLen || found.remembered != s.base.remembered {
			t.Errorf("%s: %d bytes of entries, %d seconds; want %d, %d", what, s.base.entriesLen, s.base.remembered, found.entriesLen, found.remembered)
		}
	}
	w := in(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		note.Set(m.From(r.Context()), "x")
	})), httptest.NewRecorder(), nil)
	in(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		note.Set(s, "x")
		s.Commit()
		look(s, "a first commit", "x", 0)
	})), httptest.NewRecorder(), nil)
	in(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		if look(s, "a load", "x", 0); s.base.values != 1 {
			t.Errorf("it knows of %d values: nothing is tried here", s.base.values)
		}
		other.Set(s, 1)
		s.Commit()
		look(s, "another value", "x", 0)
		hits.Update(s, func(int) int { return 1234567 })
		look(s, "a change", "x", 1234567)
		s.Login("alice")
		s.Remember(20 * 24 * time.Hour)
		s.Commit()
		look(s, "a login", "x", 1234567)
		hits.Update(s, func(int) int { return 8 })
		look(s, "a change of a longer record", "x", 8)
		if s.base.remember() == 0 {
			t.Error("it is not remembered: nothing is tried here")
		}
		note.Set(s, strings.Repeat("y", 300))
		s.Renew()
		s.Commit()
		look(s, "a renewal", strings.Repeat("y", 300), 8)
		s.Clear()
		hits.Set(s, 5)
		s.Commit()
		look(s, "Clear", "", 5)
	})), httptest.NewRecorder(), w.Result().Cookies())
}

// G4: Who keeps a session beyond its request finds what it was, and reaches nothing of
// another request.
func TestG4SessionAfterItsRequest(t *testing.T) {
	t.Parallel()
	m := inMemory(t, Config{})
	for range 20 {
		var kept *Session
		in(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			kept = m.From(r.Context())
			kept.Login("alice")
			hits.Set(kept, 1)
		})), httptest.NewRecorder(), nil)
		if kept.changes != nil {
			t.Fatal("the changes were kept: nothing is tried here")
		}
		w := in(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s := m.From(r.Context())
			s.Login("bob")
			note.Set(s, "x")
			v, _ := hits.Get(kept)
			if _, ok := note.Get(kept); kept.User() != "alice" || v != 1 || ok || kept.Err() != nil {
				t.Errorf("the session of before is of %q, %d, %t, %v", kept.User(), v, ok, kept.Err())
			}
			note.Set(kept, "y")
			hits.Update(kept, func(int) int { return 7 })
			kept.Login("eve")
			kept.Logout()
			kept.Clear()
			if !errors.Is(kept.Err(), ErrLate) {
				t.Errorf("a change after the end: %v", kept.Err())
			}
			if v, _ := note.Get(s); v != "x" || s.User() != "bob" || s.Err() != nil {
				t.Errorf("another request has %q of %q, %v", v, s.User(), s.Err())
			}
		})), httptest.NewRecorder(), nil)
		in(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s := m.From(r.Context())
			if v, _ := note.Get(s); v != "x" || s.User() != "bob" {
				t.Errorf("stored is %q of %q", v, s.User())
			}
		})), httptest.NewRecorder(), w.Result().Cookies())
	}
}
