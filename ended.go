package coatcheck

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// endWaiters knows who wants to hear of the end of a session.
type endWaiters struct {
	mu      sync.Mutex
	waiting map[store.ID]*endWaiter
	ending  int // ends under way in this process, which will tell of them

	observer store.Observer // nil = nobody wants to know how many there are
}

// An endWaiter is what all the requests share that wait for one session. Nobody
// tells when a hijacked connection is done: it leaves its endWaiter behind until
// the session ends, but never more than one for a session.
type endWaiter struct {
	id    store.ID
	over  chan struct{}
	timer *time.Timer // for the expiry
	refs  int
}

// Ended returns a channel that is closed when the session ends: by logout,
// revocation, expiry, or because a login or renewal replaced its token, after
// which the client should connect again with the new one. It is for websockets
// and event streams, and is already closed where there is no session. Call it
// before the handler returns; unless the connection was hijacked it tells
// nothing after that.
//
// An end in this process closes it at once. An end elsewhere is seen when the
// idle end comes near; watch the store for more (see [Manager.Watch]). It costs
// one load for each session that somebody waits for.
func (s *Session) Ended() <-chan struct{} {
	if !s.lock() {
		return closedChannel()
	}
	defer s.unlock()
	s.ensureLoaded()
	more := s.x.extra()
	switch {
	case more.waiter != nil && (s.life != live || more.waiter.id == s.base.ID):
	case s.life != live || s.x.phase() == closed:
		return closedChannel()
	default: // what an earlier token had is closed already
		more.waiter = s.x.m.await(s.base.ID, utc(s.base.expires))
	}
	return more.waiter.over
}

func closedChannel() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// await registers a request until its session ends.
func (m *Manager) await(id store.ID, expires time.Time) *endWaiter {
	w := &m.endWaiters
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.waiting[id]
	if e == nil {
		e = &endWaiter{id: id, over: make(chan struct{})}
		if w.waiting == nil {
			w.waiting = make(map[store.ID]*endWaiter)
		}
		w.waiting[id] = e
		w.observe(1)
		// The session may have ended since this request loaded it.
		wait := time.Duration(0)
		if m.carrier.inCookie() {
			wait = time.Until(expires)
		}
		e.timer = time.AfterFunc(wait, func() { m.expire(e) })
	}
	e.refs++
	return e
}

// expire looks whether the session of an endWaiter is over, and when to look again:
// activity moves its end.
func (m *Manager) expire(e *endWaiter) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	rec, err := m.carrier.Load(ctx, e.id)
	wait := time.Until(rec.Expires)
	switch {
	case err != nil && !isOver(err) && !errors.Is(err, errors.ErrUnsupported):
		wait = loadTimeout // the store is away: ask again
	case err != nil || wait <= 0:
		m.endWaiters.found(e.id)
		return
	}
	m.endWaiters.mu.Lock()
	defer m.endWaiters.mu.Unlock()
	if m.endWaiters.waiting[e.id] == e {
		e.timer.Reset(wait)
	}
}

// ends notes that this process is about to end sessions, until the function that
// it returns is called.
func (w *endWaiters) ends() (done func()) {
	add := func(n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ending += n
	}
	add(1)
	return func() { add(-1) }
}

// tellTime is how long whoever finds a session ended lets those tell of it first
// who may have ended it in this process.
const tellTime = 10 * time.Millisecond

// found takes note that a session is over in the store. Where this process may
// have ended it, its event comes first (G13).
func (w *endWaiters) found(id store.ID) {
	w.mu.Lock()
	e := w.waiting[id]
	wait := e != nil && w.ending > 0
	if wait {
		e.timer.Reset(tellTime)
	}
	w.mu.Unlock()
	if !wait {
		w.end(id)
	}
}

// end closes the channel of all who wait for this session.
func (w *endWaiters) end(id store.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.waiting[id]; e != nil {
		e.timer.Stop()
		close(e.over)
		delete(w.waiting, id)
		w.observe(-1)
	}
}

// remove forgets a request that has returned.
func (w *endWaiters) remove(e *endWaiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.refs--; e.refs == 0 && w.waiting[e.id] == e {
		e.timer.Stop()
		delete(w.waiting, e.id)
		w.observe(-1)
	}
}

// observe tells how many more there are (G13).
func (w *endWaiters) observe(more int) {
	if w.observer != nil {
		w.observer.Awaited(more)
	}
}

// Watch lets the channels of [Session.Ended] close also for sessions that end in
// other processes, until ctx ends, and returns its error. A store that is a
// Watcher tells at once; of others Watch asks every so often, one load for each
// session that somebody waits for. Run it in a goroutine of your own where
// several processes share a store:
//
//	go sessions.Watch(ctx, 5*time.Second)
func (m *Manager) Watch(ctx context.Context, every time.Duration) error {
	if every <= 0 {
		return errors.New("coatcheck: Watch: every must be > 0")
	}
	watcher, pushes := store.As[store.Watcher](m.carrier)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if pushes {
			// The poll finds what ended while nobody was listening.
			err := watcher.Watch(ctx, func() { m.poll(ctx) }, m.endWaiters.found)
			if err != nil && ctx.Err() == nil {
				m.storeError(ctx, store.ID{}, "watch", err)
			}
		}
		m.poll(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// poll looks at each session that somebody waits for.
func (m *Manager) poll(ctx context.Context) {
	for _, id := range m.endWaiters.ids() {
		if ctx.Err() != nil {
			return
		}
		rec, err := m.carrier.Load(ctx, id)
		switch {
		case isOver(err):
			m.endWaiters.found(id)
		case errors.Is(err, errors.ErrUnsupported):
			return // nobody knows of a session in its cookie
		case err != nil:
			m.storeError(ctx, id, "watch", err)
			return // the store is away; the next round asks again
		case expired(&rec, clock()):
			m.endWaiters.found(id)
		}
	}
}

// ids lists the sessions that somebody waits for.
func (w *endWaiters) ids() []store.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]store.ID, 0, len(w.waiting))
	for id := range w.waiting {
		ids = append(ids, id)
	}
	return ids
}
