package walkthrough

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/store"
)

// A moment is one event of a session, as the page tells it.
type moment struct {
	Seq    int64     `json:"seq"`
	Time   time.Time `json:"time"`
	Kind   string    `json:"kind"`
	Handle string    `json:"handle"`
	Says   string    `json:"says"`
}

// timeline keeps the latest events of all sessions and wakes who listens to one
// of them. Nobody hears of a session that is not their own.
type timeline struct {
	mu        sync.Mutex
	last      int64 // Seq of the latest
	recent    [512]moment
	listeners map[string]map[chan struct{}]bool
	open      int
}

// add is the sink of the manager's events.
func (t *timeline) add(e coatcheck.Event) {
	if e.Handle == "" { // nobody's session
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.recent[t.last%int64(len(t.recent))] = moment{t.last, e.Time, string(e.Kind), e.Handle, told(e)}
	for wake := range t.listeners[e.Handle] {
		select {
		case wake <- struct{}{}:
		default: // it has not yet read what woke it before
		}
	}
}

// since returns the events of a session after one.
func (t *timeline) since(handle string, seq int64) []moment {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []moment
	for n := max(seq, t.last-int64(len(t.recent))) + 1; n <= t.last; n++ {
		if m := t.recent[n%int64(len(t.recent))]; m.Handle == handle {
			list = append(list, m)
		}
	}
	return list
}

// Bounds of the streams that are open at once: of all, and of one session, so that
// nobody takes all.
const (
	maxStreams = 1000
	maxOwn     = 16
)

// listen returns a channel that is woken by events of the session, until leave
// is called; nil where too many listen.
func (t *timeline) listen(handle string) (wake chan struct{}, leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open >= maxStreams || len(t.listeners[handle]) >= maxOwn {
		return nil, nil
	}
	t.open++
	if t.listeners == nil {
		t.listeners = make(map[string]map[chan struct{}]bool)
	}
	if t.listeners[handle] == nil {
		t.listeners[handle] = make(map[chan struct{}]bool)
	}
	wake = make(chan struct{}, 1)
	t.listeners[handle][wake] = true
	return wake, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.open--
		delete(t.listeners[handle], wake)
		if len(t.listeners[handle]) == 0 {
			delete(t.listeners, handle)
		}
	}
}

// told is an event in plain words.
func told(e coatcheck.Event) string {
	switch e.Kind {
	case coatcheck.Created:
		return "A coat was hung up: the server began a session for a stranger."
	case coatcheck.LoggedIn:
		return "You logged in. The ticket is new, the one before it is dead."
	case coatcheck.Reauthenticated:
		return "You proved again who you are. The ticket is new, the one before it is dead."
	case coatcheck.Renewed:
		return "The ticket was exchanged for a new one."
	case coatcheck.LoggedOut:
		return "Logged out. The coat is gone, for good."
	case coatcheck.Revoked:
		return "Ended from the list of devices. The ticket opens nothing any more."
	case coatcheck.Expired:
		return "The time was up."
	case coatcheck.WriteEnded:
		return "A request came after the end. It changed nothing."
	case coatcheck.Conflict:
		return "Two servers wrote at once. Nothing was lost."
	case coatcheck.HeldBack:
		return "A request from another site came without the ticket. It changed nothing."
	case coatcheck.LoginRequired:
		return "A page wanted a login. Nothing was changed."
	case coatcheck.Failed:
		return "A change was refused: " + e.Reason + "."
	case coatcheck.Bound:
		return "Your browser bound the session to a key of this device. A copy of the ticket alone opens nothing any more."
	case coatcheck.Refreshed:
		return "Your browser proved its key again."
	case coatcheck.Copied:
		return "Somebody elsewhere showed your ticket without the proof of your device, and was turned away."
	case coatcheck.Refused:
		return "Turned away: " + e.Reason + "."
	case coatcheck.StoreError:
		return "The store did not answer."
	}
	return string(e.Kind)
}

const (
	streamBeat = 15 * time.Second // of comments that find out who has left
	streamWait = 30 * time.Second // for one write
)

// events streams the events of the visitor's own session, until it ends.
func (s *Site) events(w http.ResponseWriter, r *http.Request) {
	session := coatcheck.From(r.Context())
	handle := session.Handle()
	if handle == "" { // nothing to listen to; an EventSource does not try again
		w.WriteHeader(http.StatusNoContent)
		return
	}
	ended := session.Ended()
	wake, leave := s.timeline.listen(handle)
	if wake == nil {
		answer(w, http.StatusServiceUnavailable, "Too many streams")
		return
	}
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would pass it on when it ends
	st := &stream{w: w, c: http.NewResponseController(w)}
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	st.send("")
	for st.err == nil {
		// In this order: what happened before the end is told before it.
		over := isClosed(ended)
		for _, m := range s.timeline.since(handle, st.seq) {
			st.seq = m.Seq
			st.event("moment", m)
		}
		if over {
			st.event("over", s.whyOver(r))
			return
		}
		select {
		case <-ended:
		case <-wake:
		case <-beat.C:
			st.send(":\n\n")
		case <-s.closing:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// whyOver asks the store what became of the session.
func (s *Site) whyOver(r *http.Request) string {
	_, err := s.store.Load(r.Context(), noted(r.Context()).ID)
	var e *store.EndedError
	switch {
	case errors.As(err, &e) && !e.Next.IsZero():
		return "replaced"
	case err == nil, errors.Is(err, store.ErrNotFound):
		return "expired"
	}
	return "ended" // also where the store does not answer: the timeline has told why
}

// A stream writes server-sent events. After an error it writes nothing.
type stream struct {
	w   http.ResponseWriter
	c   *http.ResponseController
	seq int64
	err error
}

func (st *stream) event(name string, data any) {
	b, err := json.Marshal(data)
	if err != nil {
		st.err = err
		return
	}
	st.send(fmt.Sprintf("event: %s\ndata: %s\n\n", name, b))
}

func (st *stream) send(text string) {
	if st.err != nil {
		return
	}
	st.c.SetWriteDeadline(time.Now().Add(streamWait)) // the server's is for short answers
	if _, st.err = st.w.Write([]byte(text)); st.err == nil {
		st.err = st.c.Flush()
	}
}
