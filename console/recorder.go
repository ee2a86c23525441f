package console

import (
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/store"
)

// span is how long a Recorder looks back.
const span = time.Hour

// defaultKeep is how many events a Recorder keeps of each sort.
const defaultKeep = 20_000

// maxText bounds what is kept of the text of one error.
const maxText = 300

// A Recorder keeps the last hour of a manager's events and of its store's calls, in
// the memory of this process. The zero Recorder is ready; it must not be copied, and
// is safe for concurrent use. It starts no goroutine.
//
// It never holds a token, a key or a value. What it takes is bounded, whatever comes
// in: some 10 MB at most with the default of Keep.
type Recorder struct {
	// Keep is how many events are kept of each of two sorts: those that name a
	// user, and the others, which strangers can cause. So nobody who sends forged
	// cookies pushes out why a user was logged out. Zero means 20,000; set it before
	// first use. Where an hour has more the pages say how far back they go.
	Keep int

	mu        sync.Mutex
	began     time.Time
	last      uint64 // number of the latest event
	named     ring
	strangers ring
	minutes   [minutes]tally
	listeners map[chan struct{}]bool
	begun     begun

	calls calls
	store store.Store
}

// Events returns a Config.Events that records each event and then calls next, which
// may be nil. It keeps nothing of Event.Context.
func (r *Recorder) Events(next func(coatcheck.Event)) func(coatcheck.Event) {
	r.start()
	return func(e coatcheck.Event) {
		r.record(e)
		if next != nil {
			next(e)
		}
	}
}

// Format prints how much is kept and nothing of it, whatever the verb.
func (r *Recorder) Format(f fmt.State, _ rune) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(f, "{recorder of %d events}", len(r.named.list)+len(r.strangers.list))
}

// start notes since when there is anything to know.
func (r *Recorder) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.began.IsZero() {
		return
	}
	r.began = time.Now().UTC()
	if r.Keep <= 0 {
		r.Keep = defaultKeep
	}
	// Pages that were open before a restart know smaller numbers.
	r.last = uint64(r.began.UnixMicro())
}

// An entry is an event as it is kept.
type entry struct {
	Seq    uint64
	Time   time.Time
	Kind   coatcheck.Kind
	Handle string
	User   string
	Reason string
	By     string
	Err    string
}

func (r *Recorder) record(e coatcheck.Event) {
	if now := time.Now(); e.Time.IsZero() || e.Time.After(now) || now.Sub(e.Time) > span {
		e.Time = now // an application may tell of things of its own
	}
	kept := entry{Time: e.Time, Kind: e.Kind, Handle: e.Handle, User: e.User, Reason: e.Reason, By: e.By}
	if e.Err != nil {
		kept.Err = shorten(e.Err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	kept.Seq = r.last
	to := &r.named
	if kept.User == "" {
		to = &r.strangers
	}
	to.add(kept, r.Keep)
	r.minuteOf(e.Time).add(e.Kind, e.Reason)
	for wake := range r.listeners {
		select {
		case wake <- struct{}{}:
		default: // it has not yet read what woke it before
		}
	}
}

func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	return text[:maxText] + "…"
}

// A ring keeps the latest entries, in the order of their numbers.
type ring struct {
	list  []entry
	first int // of the oldest
}

func (g *ring) add(e entry, keep int) {
	if len(g.list) < keep {
		g.list = append(g.list, e)
		return
	}
	g.list[g.first] = e
	g.first = (g.first + 1) % len(g.list)
}

// at returns the i-th entry, the oldest first.
func (g *ring) at(i int) *entry { return &g.list[(g.first+i)%len(g.list)] }

// after returns the index of the first entry that is later than both.
func (g *ring) after(seq uint64, t time.Time) int {
	return sort.Search(len(g.list), func(i int) bool { e := g.at(i); return e.Seq > seq && e.Time.After(t) })
}

// reaches returns how far back a ring goes.
func (g *ring) reaches(began time.Time, keep int) time.Time {
	if len(g.list) < keep || len(g.list) == 0 {
		return began
	}
	return g.at(0).Time
}

// A filter says which events are wanted. Empty fields ask for nothing.
type filter struct {
	Group  string // see groups
	User   string
	Handle string
}

// groups are what events can be narrowed to.
var groups = []struct {
	Name, Title string
	kinds       map[coatcheck.Kind]bool
}{
	{"", "everything", nil},
	{"logins", "logins", kinds(coatcheck.LoggedIn, coatcheck.Reauthenticated, coatcheck.Renewed, coatcheck.Created, coatcheck.Bound)},
	{"ends", "ends", ends},
	{"turned-away", "turned away", kinds(coatcheck.Refused, coatcheck.HeldBack, coatcheck.LoginRequired, coatcheck.WriteEnded, coatcheck.TooOld)},
	{"attention", "what deserves attention", attention},
}

var (
	ends      = kinds(coatcheck.LoggedOut, coatcheck.Revoked, coatcheck.Expired, coatcheck.Damaged)
	attention = kinds(coatcheck.Refused, coatcheck.Copied, coatcheck.Failed, coatcheck.Mismatch, coatcheck.Damaged, coatcheck.WriteEnded,
		coatcheck.TooOld, coatcheck.Late, coatcheck.StoreError, coatcheck.Insecure, coatcheck.Large)
)

func kinds(list ...coatcheck.Kind) map[coatcheck.Kind]bool {
	m := make(map[coatcheck.Kind]bool, len(list))
	for _, k := range list {
		m[k] = true
	}
	return m
}

// A question is a filter made ready: a user is asked for by what is known of the
// user's sessions too, since the event of one that is long over has only its handle.
type question struct {
	filter
	kinds   map[coatcheck.Kind]bool
	handles map[string]bool
}

func (q *question) wants(e *entry) bool {
	switch {
	case q.kinds != nil && !q.kinds[e.Kind]:
		return false
	case q.Handle != "" && e.Handle != q.Handle:
		return false
	case q.User == "" || e.User == q.User:
		return true
	}
	return e.User == "" && e.Handle != "" && q.handles[e.Handle]
}

// ready makes a question of a filter. The lock is held.
func (r *Recorder) ready(f filter) *question {
	q := &question{filter: f}
	for _, g := range groups {
		if g.Name == f.Group {
			q.kinds = g.kinds
		}
	}
	if f.User != "" {
		q.handles = make(map[string]bool)
		for i := range r.named.list {
			if e := &r.named.list[i]; e.User == f.User && e.Handle != "" {
				q.handles[e.Handle] = true
			}
		}
	}
	return q
}

// find returns the events of the last hour that f wants and that come after one,
// the oldest first: the latest limit of them. more reports that there were others.
func (r *Recorder) find(f filter, after uint64, limit int) (list []entry, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, since := r.ready(f), time.Now().Add(-span)
	i, j := len(r.named.list)-1, len(r.strangers.list)-1
	endI, endJ := r.named.after(after, since), r.strangers.after(after, since)
	for i >= endI || j >= endJ {
		var e *entry
		if j < endJ || i >= endI && r.named.at(i).Seq > r.strangers.at(j).Seq {
			e = r.named.at(i)
			i--
		} else {
			e = r.strangers.at(j)
			j--
		}
		if !q.wants(e) {
			continue
		}
		if len(list) == limit {
			more = true
			break
		}
		list = append(list, *e)
	}
	for a, b := 0, len(list)-1; a < b; a, b = a+1, b-1 {
		list[a], list[b] = list[b], list[a]
	}
	return list, more
}

// userOf returns the user of whom an event named this handle, or "".
func (r *Recorder) userOf(handle string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.named.list) - 1; i >= 0; i-- {
		if e := r.named.at(i); e.Handle == handle {
			return e.User
		}
	}
	return ""
}

// reach returns since when all events that name a user are known, and all others.
func (r *Recorder) reach() (named, strangers time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	hour := time.Now().Add(-span)
	later := func(t time.Time) time.Time {
		if t.Before(hour) {
			return hour
		}
		return t
	}
	return later(r.named.reaches(r.began, r.Keep)), later(r.strangers.reaches(r.began, r.Keep))
}

// latest returns the number of the latest event.
func (r *Recorder) latest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// maxListeners bounds the streams of events that are open at once.
const maxListeners = 64

// listen returns a channel that is woken by events until leave is called; nil where
// too many listen.
func (r *Recorder) listen() (wake chan struct{}, leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.listeners) >= maxListeners {
		return nil, nil
	}
	if r.listeners == nil {
		r.listeners = make(map[chan struct{}]bool)
	}
	wake = make(chan struct{}, 1)
	r.listeners[wake] = true
	return wake, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.listeners, wake)
	}
}
