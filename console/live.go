package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// An eventsPage shows events as they happen.
type eventsPage struct {
	Filter filter
	Groups []groupChoice
	Events []event
	More   bool
	Since  time.Time
	Others time.Time // since when those without a user are known
	Stream string
}

type groupChoice struct {
	Name, Title string
	Chosen      bool
}

func filterOf(q url.Values) filter {
	return filter{Group: q.Get("group"), User: q.Get("user"), Handle: q.Get("handle")}
}

func (c *Console) events(w http.ResponseWriter, r *http.Request) {
	rec := c.cfg.Recorder
	p := eventsPage{Filter: filterOf(r.URL.Query())}
	for _, g := range groups {
		p.Groups = append(p.Groups, groupChoice{g.Name, g.Title, g.Name == p.Filter.Group})
	}
	after := rec.latest()
	list, more := rec.find(p.Filter, 0, maxShown)
	p.Events, p.More = newestFirst(list), more
	p.Since, p.Others = rec.reach()
	p.Stream = "stream?" + url.Values{"group": {p.Filter.Group}, "user": {p.Filter.User}, "handle": {p.Filter.Handle},
		"after": {strconv.FormatUint(after, 10)}}.Encode()
	c.render(w, r, http.StatusOK, "events", page{Title: "Events", Body: p})
}

const (
	streamBeat = 15 * time.Second // of comments that find out who has left
	streamWait = 30 * time.Second // for one write
	streamLife = 2 * time.Minute  // then the browser comes again, and is asked again who it is
	maxAtOnce  = 200              // events; of more the latest

	// streamRest is how long a stream rests after a look through the events. A look
	// holds up whoever tells of one, so that streams that looked at each event of a busy
	// site would cost its requests.
	streamRest = 200 * time.Millisecond
)

// stream sends the events that a filter wants, by server-sent events, until the
// operator's session ends or it is time to ask again.
func (c *Console) stream(w http.ResponseWriter, r *http.Request) {
	rec, q := c.cfg.Recorder, r.URL.Query()
	wake, leave := rec.listen()
	if wake == nil {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "Too many streams", http.StatusServiceUnavailable)
		return
	}
	defer leave()
	p := &pulse{c: c, r: r, wake: wake, beat: time.NewTicker(streamBeat), life: time.NewTimer(streamLife)}
	defer p.stop()
	if s := c.cfg.Operators.From(r.Context()); s.Handle() != "" {
		p.ended = s.Ended()
	}
	after, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64)
	if err != nil {
		after, _ = strconv.ParseUint(q.Get("after"), 10, 64)
	}
	h := headers(w)
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would pass it on when it ends
	if r.Method == http.MethodHead {
		return
	}
	out := sender{w: w, c: http.NewResponseController(w)}
	out.send("retry: 2000\n\n")
	for f := filterOf(q); out.err == nil; {
		list, more := rec.find(f, after, maxAtOnce)
		if more {
			out.event(list[0].Seq-1, "skipped", struct{}{})
		}
		for _, e := range list {
			out.event(e.Seq, "told", newEvent(e))
			after = e.Seq
		}
		if !p.wait(&out) {
			return
		}
	}
}

// A pulse says when a stream looks again, and when it ends.
type pulse struct {
	c     *Console
	r     *http.Request
	wake  <-chan struct{}
	ended <-chan struct{} // nil, which tells nothing, where no session says who looks
	beat  *time.Ticker
	life  *time.Timer
	next  time.Time // it looks no sooner
}

func (p *pulse) stop() {
	p.beat.Stop()
	p.life.Stop()
}

// wait waits until it is time to look again, or reports that the stream is over.
// Meanwhile it finds out who has left, and who may not look any more.
func (p *pulse) wait(out *sender) bool {
	wake, rested := p.wake, (<-chan time.Time)(nil)
	for out.err == nil {
		select {
		case <-wake:
			wake, rested = nil, time.After(time.Until(p.next)) // at once, if that is over
		case <-rested:
			p.next = time.Now().Add(streamRest)
			return true
		case <-p.beat.C:
			if !p.c.cfg.Authorize(p.r) {
				return false
			}
			out.send(":\n\n")
		case <-p.ended:
			return false
		case <-p.life.C:
			return false
		case <-p.c.closing:
			return false
		case <-p.r.Context().Done():
			return false
		}
	}
	return false
}

// A sender writes server-sent events. After an error it writes nothing.
type sender struct {
	w   http.ResponseWriter
	c   *http.ResponseController
	err error
}

func (s *sender) event(id uint64, name string, data any) {
	b, err := json.Marshal(data)
	if err != nil {
		s.err = err
		return
	}
	s.send(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", id, name, b))
}

func (s *sender) send(text string) {
	if s.err != nil {
		return
	}
	s.c.SetWriteDeadline(time.Now().Add(streamWait)) // the server's is for short answers
	if _, s.err = s.w.Write([]byte(text)); s.err == nil {
		s.err = s.c.Flush()
	}
}
