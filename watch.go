package coatcheck

import (
	"context"
	"errors"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// Watch lets the channels of Session.Ended close also for sessions that end in
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
			err := watcher.Watch(ctx, func() { m.poll(ctx) }, m.streams.found)
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
	for _, id := range m.streams.ids() {
		if ctx.Err() != nil {
			return
		}
		rec, err := m.carrier.Load(ctx, id)
		switch {
		case isOver(err):
			m.streams.found(id)
		case errors.Is(err, errors.ErrUnsupported):
			return // nobody knows of a session in its cookie
		case err != nil:
			m.storeError(ctx, id, "watch", err)
			return // the store is away; the next round asks again
		case over(&rec, clock()):
			m.streams.found(id)
		}
	}
}

// ids lists the sessions that somebody waits for.
func (w *streams) ids() []store.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]store.ID, 0, len(w.waiting))
	for id := range w.waiting {
		ids = append(ids, id)
	}
	return ids
}
