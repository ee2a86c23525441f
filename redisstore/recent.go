package redisstore

import (
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// recent is a set of ids that each leave it after life, or up to twice that:
// two maps that take turns, so that nothing has to be removed one by one.
type recent struct {
	life time.Duration

	mu       sync.RWMutex
	now, old map[store.ID]struct{}
	since    time.Time
}

func (r *recent) add(ids ...store.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := time.Now(); t.Sub(r.since) >= r.life {
		if r.old = r.now; t.Sub(r.since) >= 2*r.life {
			r.old = nil
		}
		r.now, r.since = make(map[store.ID]struct{}), t
	}
	for _, id := range ids {
		r.now[id] = struct{}{}
	}
}

func (r *recent) has(id store.ID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, now := r.now[id]
	_, old := r.old[id]
	return now || old
}

func (r *recent) remove(id store.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.now, id)
	delete(r.old, id)
}
