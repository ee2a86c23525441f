package redisstore

import (
	"context"
	"sync"
	"time"
)

// soon is how often somebody looks for commands that the server has not answered.
// It takes a tenth of a millisecond for one, and to be woken by the end of a request
// (S13), or by a timer, costs a tenth of what that request takes: only who has
// waited longer pays for it.
const soon = 20 * time.Millisecond

// A waiting is the context of one command. It ends with the one it is of, at once or,
// in the first moments, up to 2*soon later.
type waiting struct {
	context.Context
	ended chan struct{}

	in         *waits
	prev, next *waiting
	linked     bool        // is in the list
	seen       bool        // by a look
	stop       func() bool // what the end of the context would call
}

func (w *waiting) Done() <-chan struct{} { return w.ended }

// Err is nil as long as Done is open.
func (w *waiting) Err() error {
	select {
	case <-w.ended:
		return w.Context.Err()
	default:
		return nil
	}
}

// waits are the commands that nobody has looked after twice. While there are any, a
// timer looks.
type waits struct {
	mu    sync.Mutex
	first *waiting
	timer *time.Timer // made by the first
	armed bool
}

// begin returns the context of a command; its end has to be told.
func (s *waits) begin(ctx context.Context) *waiting {
	w := &waiting{Context: ctx, ended: make(chan struct{}), in: s, linked: true}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.next = s.first; w.next != nil {
		w.next.prev = w
	}
	s.first = w
	s.arm()
	return w
}

// arm sees to it that somebody looks. The mutex is held.
func (s *waits) arm() {
	switch {
	case s.armed || s.first == nil:
		return
	case s.timer == nil:
		s.timer = time.AfterFunc(soon, s.look)
	default:
		s.timer.Reset(soon)
	}
	s.armed = true
}

// look lets those be woken that it sees for the second time.
func (s *waits) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := s.first; w != nil; w = w.next {
		if w.seen {
			s.unlink(w)
			w.stop = context.AfterFunc(w.Context, func() { close(w.ended) })
		}
		w.seen = true
	}
	s.armed = false
	s.arm()
}

// unlink takes one out of the list, and leaves it its next. The mutex is held.
func (s *waits) unlink(w *waiting) {
	w.linked = false
	if w.next != nil {
		w.next.prev = w.prev
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		s.first = w.next
	}
}

// end frees what waits for the context.
func (w *waiting) end() {
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	if w.linked {
		w.in.unlink(w)
	} else if w.stop != nil {
		w.stop()
	}
}
