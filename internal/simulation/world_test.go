package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// The stores of a world and the cookies of their sessions.
const (
	inner = iota
	outer
	layers
)

var (
	storeNames  = [layers]string{"inner store", "outer store"}
	cookieNames = [layers]string{"__Host-Http-sid", "__Host-Http-outer"}
)

// A world is one run of a plan.
type world struct {
	plan     *plan
	start    time.Time
	latest   atomic.Int64 // the instant at which an actor last woke
	keys     *cookie.Keys
	stores   [layers]*memstore.Store
	managers [2][layers]*coatcheck.Manager // of each process; nil = it has none
	handlers [2]http.Handler
	browsers []*browser
	nobody   *actor

	mu       sync.Mutex
	diary    []entry
	calls    []*call
	events   []event
	labels   map[store.ID]string
	handles  map[string]store.ID
	requests []*request
	facts    [layers][]*fact
	revoked  []revocation
	cookies  map[string]values // what the session in a cookie holds
	last     []func()
	gaveUp   bool // the search for an order, in one place
	broken   []string
}

// An entry is a line of the world's diary.
type entry struct {
	at    time.Time
	actor int64
	text  string
}

// An event is one that a manager told.
type event struct {
	coatcheck.Event
	at             time.Time
	store, process int
}

var ring = func() *cookie.Keys {
	k, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		panic(err)
	}
	return k
}()

// run lets a plan's world take place and returns it.
func run(t *testing.T, p *plan) (w *world) {
	w = &world{plan: p, keys: ring, labels: make(map[store.ID]string), handles: make(map[string]store.ID), cookies: make(map[string]values)}
	defer func() {
		if reason := recover(); reason != nil { // such as a deadlock
			w.breaks("the world ended: %v", reason)
		}
	}()
	synctest.Test(t, func(*testing.T) { w.live() })
	return w
}

func (w *world) live() {
	w.start = time.Now()
	w.nobody = newActor(w, background)
	w.build()
	tabs := make(map[[2]int][]visit)
	for _, v := range w.plan.visits {
		tab := [2]int{v.browser, v.tab}
		tabs[tab] = append(tabs[tab], v)
		for len(w.browsers) <= v.browser {
			w.browsers = append(w.browsers, newBrowser(w))
		}
	}
	var all sync.WaitGroup
	for _, visits := range tabs {
		all.Go(func() {
			for _, v := range visits {
				w.visit(v)
			}
		})
	}
	all.Wait()
	time.Sleep(30 * time.Second) // for what is still on its way to the stores
	synctest.Wait()
	w.judge()
}

// build makes the processes.
func (w *world) build() {
	for i := range w.stores {
		w.stores[i] = memstore.New(memstore.Config{})
	}
	for process := range w.handlers {
		var h http.Handler = http.HandlerFunc(handle)
		h = w.wrap(h, process, inner)
		if w.plan.shape == stacked {
			h = w.wrap(h, process, outer)
		}
		w.handlers[process] = h
	}
}

func (w *world) wrap(h http.Handler, process, st int) http.Handler {
	v := &wire{w: w, store: st, process: process, engine: w.stores[st]}
	if process == 1 {
		v.clock = w.plan.clock
	}
	cfg := coatcheck.Config{
		Name:       cookieNames[st],
		Idle:       20 * time.Minute,
		MaxPerUser: w.plan.limit,
		Events:     func(e coatcheck.Event) { w.keepEvent(event{e, time.Now(), st, process}) },
		OnError: func(rw http.ResponseWriter, r *http.Request, err error) {
			requestOf(r.Context()).replacedBy(st, err)
			coatcheck.AnswerError(rw, r, err)
		},
	}
	var m *coatcheck.Manager
	var err error
	if w.plan.shape == inCookie {
		m, err = coatcheck.NewInCookie(w.keys, coatcheck.StoreRevoker(v), cfg)
	} else {
		m, err = coatcheck.New(v, w.keys, cfg)
	}
	if err != nil {
		panic(err)
	}
	w.managers[process][st] = m
	return m.Handler(h)
}

func (w *world) actorOf(ctx context.Context) *actor {
	if q := requestOf(ctx); q != nil {
		return q.actor
	}
	return w.nobody
}

// fate draws what becomes of a call, and how long it is under way.
func (w *world) fate(a *actor, c *call) (f fate, there, back time.Duration) {
	there, back = a.between(0, w.plan.slow), a.between(0, w.plan.slow)
	if a.healed() {
		return healthy, 0, 0
	}
	if w.plan.faults == 0 || !a.chance(w.plan.faults) {
		return healthy, there, back
	}
	switch a.draw(9) {
	case 0:
		return lostBefore, there, back
	case 1, 2:
		return lostAfter, there, back
	case 3:
		return hungBefore, there, back
	case 4, 5:
		return hungAfter, there, back
	case 6:
		return appliedLate, there, back
	case 7:
		if c.kind == "Create" || c.kind == "Replace" || c.kind == "Update" {
			return full, there, back
		}
	}
	return healthy, there + a.between(0, 3*time.Second), back + a.between(0, 3*time.Second)
}

func (w *world) since(t time.Time) time.Duration { return t.Sub(w.start) }

func (w *world) note(a *actor, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.diary = append(w.diary, entry{time.Now(), a.number, text})
}

// breaks says that a promise is broken.
func (w *world) breaks(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = append(w.broken, text)
}

func (w *world) keepCall(c *call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, c)
	for _, id := range []store.ID{c.id, c.next} {
		if _, known := w.labels[id]; !known && !id.IsZero() {
			w.labels[id] = fmt.Sprintf("s%d", len(w.labels)+1)
			w.handles[id.Handle()] = id
		}
	}
}

func (w *world) keepEvent(e event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

func (w *world) label(id store.ID) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.labelOf(id)
}

func (w *world) labelOf(id store.ID) string {
	if l, known := w.labels[id]; known {
		return l
	}
	return "-"
}

// idOf is the id that has the handle, as far as a store has heard of it.
func (w *world) idOf(handle string) store.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.handles[handle]
}

// alive reports whether the store has a live record of the id.
func (w *world) alive(st int, id store.ID) bool {
	_, err := w.stores[st].Load(context.Background(), id)
	return err == nil
}

// becameOf reports whether one id followed from the other by replacements.
func (w *world) becameOf(st int, old, id store.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range w.calls {
		i := slices.IndexFunc(w.calls, func(c *call) bool {
			return c.kind == "Replace" && c.store == st && c.applied && c.id == old
		})
		if i < 0 {
			return false
		}
		if old = w.calls[i].next; old == id {
			return true
		}
	}
	return false
}

// madeBy returns the call that made the id live.
func (w *world) madeBy(st int, id store.ID) *call {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.store == st && c.applied && (c.kind == "Create" && c.id == id || c.kind == "Replace" && c.next == id) {
			return c
		}
	}
	return nil
}

// story is the diary in the order of time.
func (w *world) story() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortStableFunc(w.diary, func(a, b entry) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return int(a.actor - b.actor)
	})
	var b strings.Builder
	for _, e := range w.diary {
		fmt.Fprintf(&b, "%14v  %s\n", w.since(e.at), e.text)
	}
	return b.String()
}

// isAny reports whether err is one of these.
func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
}
