package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// A request is one visit as it takes place. It is the ResponseWriter too.
type request struct {
	w       *world
	visit   visit
	actor   *actor // its calls to the stores
	hand    *actor // its handler
	other   *actor // of the goroutine beside the handler
	network *actor
	browser *browser
	r       *http.Request
	began   time.Time
	brought [layers]string // the session cookies
	logs    [layers]*log

	mu        sync.Mutex
	replaced  [layers]error // what OnError was given
	header    http.Header
	status    int
	sentAt    time.Time   // when the headers left
	sent      http.Header // as they left
	left      bool        // the client did
	delivered chan struct{}
	returned  time.Time // from all managers
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	q, _ := ctx.Value(requestKey{}).(*request)
	return q
}

// visit makes one request and waits until the browser has its answer.
func (w *world) visit(v visit) {
	q := &request{
		w: w, visit: v, browser: w.browsers[v.browser], header: make(http.Header), delivered: make(chan struct{}),
		actor: newActor(w, 4*v.number), hand: newActor(w, 4*v.number+1), other: newActor(w, 4*v.number+2), network: newActor(w, 4*v.number+3),
	}
	w.mu.Lock()
	w.requests = append(w.requests, q)
	w.mu.Unlock()
	q.hand.sleep(context.Background(), v.pause)
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), requestKey{}, q))
	defer cancel()
	q.begin(ctx)
	if v.leaves > 0 {
		at := q.network.after(v.leaves)
		stop := time.AfterFunc(time.Until(at), func() {
			q.network.wake()
			q.leave()
			cancel()
		})
		defer stop.Stop()
	}
	q.serve()
	q.returned = time.Now()
	q.WriteHeader(http.StatusOK) // if nothing has left yet
	q.end()
	<-q.delivered
}

func (q *request) begin(ctx context.Context) {
	v := &q.visit
	q.began = time.Now()
	h := http.Header{"Sec-Fetch-Site": {"same-origin"}, "User-Agent": {"Firefox"}}
	if v.foreign {
		h.Set("Sec-Fetch-Site", "cross-site")
	}
	if v.method == "GET" {
		h.Set("Sec-Fetch-Mode", "navigate")
		h.Set("Sec-Fetch-Dest", "document")
	}
	if line := q.browser.cookies(v.foreign); line != "" {
		h.Set("Cookie", line)
	}
	r := &http.Request{
		Method: v.method, URL: &url.URL{Path: "/"}, RequestURI: "/", Host: "example.com", RemoteAddr: "192.0.2.1:1234",
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Body: http.NoBody,
	}
	q.r = r.WithContext(ctx)
	for store := range layers {
		if c, err := q.r.Cookie(cookieNames[store]); err == nil {
			q.brought[store] = c.Value
		}
	}
	q.w.note(q.actor, "%v, with %s", v, q.w.name(q.brought[inner]))
}

// name is how the diary calls what a cookie stands for.
func (w *world) name(value string) string {
	if value == "" {
		return "no cookie"
	}
	if w.plan.shape == inCookie {
		return "a cookie"
	}
	return w.label(tokenID(value))
}

// serve runs the handler. Like net/http's, and most programs' outermost handler,
// it survives a panic.
func (q *request) serve() {
	defer func() {
		if reason := recover(); reason != nil {
			if reason != errPanic {
				q.w.breaks("request %d: panic: %v", q.visit.number, reason)
			}
			q.WriteHeader(http.StatusInternalServerError)
		}
	}()
	q.w.handlers[q.visit.process].ServeHTTP(q, q.r)
}

var errPanic = errors.New("as planned")

// handle is the handler of all requests: it does what the plan says.
func handle(w http.ResponseWriter, r *http.Request) {
	q := requestOf(r.Context())
	q.open(w, r)
	for i, s := range q.visit.steps {
		q.hand.sleep(context.Background(), s.wait)
		q.do(s, w)
		if i == 0 && len(q.visit.beside) > 0 && q.logs[inner].startBeside() {
			go q.runBeside(q.logs[inner].beside)
		}
	}
	if q.visit.panics {
		for _, l := range q.logs {
			if l != nil {
				l.panics()
			}
		}
		panic(errPanic)
	}
	if len(q.visit.beside) > 0 {
		q.hand.sleep(context.Background(), 0)
	}
	for _, l := range q.logs {
		if l != nil {
			l.returns()
		}
	}
}

func (q *request) runBeside(done chan struct{}) {
	defer close(done)
	for _, s := range q.visit.beside {
		q.other.sleep(context.Background(), s.wait)
		q.logs[inner].single(s, q.other)
	}
}

// open begins the logs of the request's sessions.
func (q *request) open(w http.ResponseWriter, r *http.Request) {
	for store := range layers {
		if m := q.w.managers[q.visit.process][store]; m != nil {
			q.logs[store] = &log{q: q, store: store, m: m, s: m.From(r.Context()), ctx: r.Context()}
			if q.w.plan.shape != inCookie {
				q.logs[store].cookie = tokenID(q.brought[store])
			}
		}
	}
}

func (q *request) do(s step, w http.ResponseWriter) {
	store := inner
	if s.outer {
		store = outer
	}
	l := q.logs[store]
	switch s.verb {
	case "write":
		q.write(w)
	default:
		if l.alone() {
			l.do(s)
		} else {
			l.single(s, q.hand)
		}
	}
}

// write sends the first byte, before which all sessions are committed.
func (q *request) write(w http.ResponseWriter) {
	var marks [layers]mark
	for store, l := range q.logs {
		if l != nil {
			marks[store] = l.mark()
		}
	}
	w.Write([]byte("x"))
	for store, l := range q.logs {
		if l != nil && !l.flushed {
			l.flushed = true
			l.settled(marks[store], q.errorOf(store))
			l.keepCookie()
		}
	}
}

// end takes note of what the return of the handler committed, and looks at the
// answer.
func (q *request) end() {
	for store, l := range q.logs {
		if l == nil {
			continue
		}
		if l.beside != nil {
			<-l.beside
		}
		l.ends(q.errorOf(store))
		l.keepCookie()
	}
	q.w.note(q.actor, "request %d: answered %d", q.visit.number, q.status)
	q.checkLooks()
}

func (q *request) replacedBy(store int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.replaced[store] = err
}

func (q *request) errorOf(store int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.replaced[store]
}

func (q *request) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left = true
}

// Header lets those go first who go on at the same instant, after a store call
// that their commits shared. What was changed beside the handler meanwhile is
// committed next, and whether that comes along with theirs would be chance.
func (q *request) Header() http.Header {
	if len(q.visit.beside) > 0 {
		q.hand.sleep(context.Background(), 0)
	}
	return q.header
}

// WriteHeader lets the headers leave.
func (q *request) WriteHeader(status int) {
	q.mu.Lock()
	if q.status != 0 {
		q.mu.Unlock()
		return
	}
	q.status, q.sentAt, q.sent = status, time.Now(), q.header.Clone()
	q.mu.Unlock()
	q.checkHeaders()
	at := q.network.after(q.visit.travel)
	go func() {
		defer close(q.delivered)
		q.network.sleepUntil(context.Background(), at)
		q.mu.Lock()
		left := q.left
		q.mu.Unlock()
		if left {
			return
		}
		q.checkDelivery()
		q.browser.keep(q.sent)
		q.w.note(q.network, "request %d: the browser has the answer, and %s", q.visit.number, q.w.name(q.browser.get(cookieNames[inner])))
	}()
}

func (q *request) Write(b []byte) (int, error) {
	q.WriteHeader(http.StatusOK)
	return len(b), nil
}

func (q *request) Flush() { q.WriteHeader(http.StatusOK) }

func (q *request) String() string { return fmt.Sprintf("request %d", q.visit.number) }
