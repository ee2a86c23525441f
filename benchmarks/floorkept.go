package benchmarks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/exact"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/wait"
	"github.com/coatcheck/coatcheck/store"
)

// FloorKept is the floor behind floor-mw's API, and what coatcheck promises (G1 to
// G14) written straight down for exactly these routes: one configuration, three
// operations (read, change, log in), no events, no logout, no device bindings, no
// cookies of former names. Its records and tokens are coatcheck's own. What it takes
// no library can stay below that promises as much; each promise stands beside what it
// costs.
//
// Where a promise leaves a choice that none of the routes meets it takes the
// strict one: of several cookies of its name none counts, and what a handler says to
// caches itself is replaced. A request without a cookie gets as much room as one with.
var FloorKept = Library{Name: "floor-kept", New: func(b Backend) (App, error) {
	if b.Kind != Memory && b.Kind != Redis {
		return unsupported(b)
	}
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		return nil, err
	}
	st, closeStore, err := coatcheckStore(b)
	if err != nil {
		return nil, err
	}
	if b.Made != nil {
		b.Made(st)
	}
	k := &kept{store: st, origins: http.NewCrossOriginProtection()}
	k.tokens.init(keys)
	return web{Handler: keptRoutes().behind(b, k.handler), close: closeStore}, nil
}}

func keptRoutes() routes {
	return routes{
		"/untouched": untouched,
		"/read": func(w http.ResponseWriter, r *http.Request) {
			text, _ := keptFrom(r.Context()).text(textName)
			answer(w, text)
		},
		"/count": func(w http.ResponseWriter, r *http.Request) {
			answerNumber(w, keptFrom(r.Context()).update(countName, func(n int) int { return n + 1 }))
		},
		"/set": func(w http.ResponseWriter, r *http.Request) {
			keptFrom(r.Context()).set(textName, textValue)
			w.Write(okBody)
		},
		"/login": func(w http.ResponseWriter, r *http.Request) {
			keptFrom(r.Context()).login(userOf(r))
			w.Write(okBody)
		},
		"/fill": func(w http.ResponseWriter, r *http.Request) {
			x := keptFrom(r.Context())
			x.login(userOf(r))
			x.set(textName, textValue)
			if n := number(r); n > 1 {
				x.setRaw(countName, []byte("0"))
				for name, value := range extra(n) {
					x.set(name, value)
				}
			}
			w.Write(okBody)
		},
		"/fill4k": func(w http.ResponseWriter, r *http.Request) {
			x := keptFrom(r.Context())
			x.login(userValue)
			x.set(largeName, strings.Repeat("x", 4000))
			x.set(textName, textValue)
			w.Write(okBody)
		},
	}.pages()
}

// The times of coatcheck's default configuration, in microseconds as in records, and
// its bounds.
const (
	keptSecond    = int64(1e6)
	keptIdle      = 1800 * keptSecond
	keptLife      = 12 * 3600 * keptSecond // of a session with a user
	keptAnonymous = 4 * 3600 * keptSecond
	keptTombstone = 60 * keptSecond
	keptWindow    = 50 * keptSecond // in which a request may set a cookie (G2)

	keptTimeout = 5 * time.Second // of a load, and of a commit (G5)
	keptLook    = time.Second     // of which so much is for a look (G5)
	keptBatch   = 100             // how much a request may sweep (G14)
)

// Why a request is answered for its handler (G5), and how.
type keptError struct {
	status int
	text   string
}

func (e *keptError) Error() string { return e.text }

var (
	errKeptForeign   = &keptError{http.StatusForbidden, "Forbidden"}
	errKeptHeld      = &keptError{http.StatusConflict, "This request came from elsewhere, without the session cookie. Nothing was changed."}
	errKeptEnded     = &keptError{http.StatusConflict, "Your session has ended. Nothing was changed."}
	errKeptReplacing = &keptError{http.StatusConflict, "This came while you logged in or out. Nothing was changed. Please try once more."}
	errKeptLate      = &keptError{http.StatusInternalServerError, "Internal Server Error"}
	errKeptValue     = &keptError{http.StatusInternalServerError, "Internal Server Error"}
	errKeptLarge     = &keptError{http.StatusRequestEntityTooLarge, "Request Entity Too Large"}
	errKeptAway      = &keptError{http.StatusServiceUnavailable, "Service Unavailable"}
)

// kept is what all requests share.
type kept struct {
	store   store.Store
	tokens  keptTokens
	origins *http.CrossOriginProtection
	swept   atomic.Int64
	tails   [2]atomic.Pointer[keptTail]
	lines   [64]keptLine
}

// What has become of a session.
const (
	keptNone     = iota
	keptLive     // what follows is its record
	keptEnded    // only a login goes on (G2)
	keptReplaced // the same, by a login whose answer the browser is about to have
)

// The phases of an answer, and beside them whether anybody has looked at the session:
// one word, so that an answer that leaves and a first look never miss each other (G4).
const (
	keptOpen uint32 = iota
	keptSent
	keptClosed
	keptPhase         = 3
	keptLooked uint32 = 4
)

// A keptRequest is the request that the handler gets, its context, its session and
// its writer in one allocation. No pool: a goroutine of the handler may hold any of
// them for longer.
type keptRequest struct {
	in          *http.Request
	r           http.Request
	k           *kept
	w           http.ResponseWriter
	before      http.Header // what stood in the answer at entry, for one that is replaced (G5)
	began, mono int64       // µs since 1970 (G2), and ns since start
	state       atomic.Uint32
	marks       atomic.Uint32 // of the load's context
	left        uint16        // how many headers left
	refusing    bool          // the answer was replaced
	returned    bool          // the handler, and not by a panic

	hidden   bool // the browser has, or may have, a cookie that did not come (G7)
	life     uint8
	entries  uint16     // where they begin in data
	mu       sync.Mutex // a handler's goroutines share a session; of what is here and below
	err      error
	id       store.ID
	version  uint64
	user     string
	data     []byte
	authTime int64
	created  int64
	seen     int64
	expires  int64
	deadline int64
	change   *keptChange
	timed    atomic.Pointer[wait.Context]

	// Of this answer alone: a slice that others share they could edit (G12).
	vary, cacheControl [1]string
}

type keptKey struct{}

func keptFrom(ctx context.Context) *keptRequest { return ctx.Value(keptKey{}).(*keptRequest) }

// keptStart is what the monotonic clock is read against.
var keptStart = time.Now()

// now is the time, by a difference: that reads one clock, where time.Now reads two.
func (x *keptRequest) now() int64 {
	return x.began + (int64(time.Since(keptStart))-x.mono)/1000
}

func (k *kept) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := k.request(w, r)
		if h := w.Header(); len(h) > 0 {
			x.before = h.Clone() // G5: middleware around us says it of every answer
		}
		defer x.end(r)
		if k.refuses(r) {
			x.err = errKeptForeign
			x.state.Store(keptLooked)
		} else {
			next.ServeHTTP(x.writer(), &x.r)
		}
		x.start() // G4: commit before the first byte, which here the server writes
		x.returned = true
	})
}

// request makes what a request keeps. The compiler spares the copy that WithContext
// makes by itself.
func (k *kept) request(w http.ResponseWriter, r *http.Request) *keptRequest {
	x, began := new(keptRequest), time.Now() // G2: what began before an end is in flight
	x.in, x.k, x.w, x.began, x.mono = r, k, w, began.UnixMicro(), int64(began.Sub(keptStart))
	x.r = *r.WithContext(x)
	return x
}

func (x *keptRequest) parent() context.Context { return x.in.Context() }

func (x *keptRequest) Deadline() (time.Time, bool) { return x.parent().Deadline() }
func (x *keptRequest) Done() <-chan struct{}       { return x.parent().Done() }
func (x *keptRequest) Err() error                  { return x.parent().Err() }

func (x *keptRequest) Value(key any) any {
	if _, ok := key.(keptKey); ok {
		return x
	}
	return x.parent().Value(key)
}

// G13: no cookie in what prints a context.
func (x *keptRequest) Format(f fmt.State, _ rune) { io.WriteString(f, "{floor-kept}") }

// refuses reports whether a request that may change something comes from another
// origin (G6), by Fetch Metadata, Origin or Referer (G7). With none of them it does
// not, which is what Check says too.
func (k *kept) refuses(r *http.Request) bool {
	post := r
	switch r.Method {
	case http.MethodGet:
		if len(r.Header["Upgrade"]) == 0 { // G6: an upgrade is judged as a POST
			return false
		}
		post = new(*r)
		post.Method = http.MethodPost
	case http.MethodHead, http.MethodOptions:
		return false
	}
	if len(r.Header["Sec-Fetch-Site"]) == 0 && len(r.Header["Origin"]) == 0 && len(r.Header["Referer"]) == 0 {
		return false
	}
	return k.origins.Check(post) != nil || keptForeign(r)
}

// keptForeign reports whether Origin or Referer are of another host (G7).
func keptForeign(r *http.Request) bool {
	for _, name := range [...]string{"Origin", "Referer"} {
		for _, value := range r.Header[name] {
			_, host, ok := strings.Cut(value, "://")
			if !ok {
				continue
			}
			if end := strings.IndexAny(host, "/?#"); end >= 0 {
				host = host[:end]
			}
			if host = keptHost(host[strings.LastIndexByte(host, '@')+1:]); host != "" && !strings.EqualFold(host, keptHost(r.Host)) {
				return true
			}
		}
	}
	return false
}

func keptHost(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return host
}

// start commits before the first byte (G4) and reports whether the handler's answer
// may leave.
func (x *keptRequest) start() bool {
	if x.state.CompareAndSwap(keptOpen, keptSent) { // G5: nobody looked, and the store is not asked
		h := x.w.Header()
		if !keptPlain(h) {
			x.dropForeign(h)
		}
		x.left = uint16(len(h))
		return true
	}
	return x.startLooked()
}

func (x *keptRequest) startLooked() bool {
	if x.state.Load()&keptPhase != keptOpen {
		return !x.refusing
	}
	x.mu.Lock()
	if x.leave(); x.err == nil {
		x.state.CompareAndSwap(keptLooked, keptSent|keptLooked)
	}
	err := x.err
	x.mu.Unlock()
	if err == nil {
		return true
	}
	x.replace(err)
	return false
}

// leave commits what is pending and writes the session's headers. The mutex is held.
func (x *keptRequest) leave() {
	if x.err != nil {
		return
	}
	if c := x.change; c != nil {
		if c.pending {
			x.commit(c, x.now())
		} else if c.cookies[0] != "" && x.now()-x.began > keptWindow {
			x.dropLate(c)
		}
		if x.err != nil {
			return
		}
	}
	if x.life == keptLive && x.began-x.seen >= keptIdle/10 {
		x.touch()
	}
	x.putHeaders()
}

// dropLate ends a session whose cookie would leave so late that it could replace a
// newer one (G2).
func (x *keptRequest) dropLate(c *keptChange) {
	ctx := wait.Detached(x.parent(), time.Now().Add(keptTimeout))
	defer ctx.End()
	_, _ = x.k.store.End(ctx, x.id, keptTime(x.now()+keptTombstone))
	c.cookies, x.life, x.err = [2]string{}, keptEnded, errKeptEnded
}

// touch moves the idle end, once in a tenth of the idle time (G5: its failure
// changes no answer).
func (x *keptRequest) touch() {
	if x.r.Method == http.MethodHead || keptPrefetch(&x.r) {
		return
	}
	ctx := wait.Detached(x.parent(), time.Now().Add(keptTimeout))
	defer ctx.End()
	now := x.now()
	if expires := keptIdleEnd(now, x.deadline); x.k.store.Touch(ctx, x.id, keptTime(now), keptTime(expires)) == nil {
		x.seen, x.expires = now, expires
	}
}

// keptIdleEnd is a tenth late, since Seen is written once in a tenth.
func keptIdleEnd(now, deadline int64) int64 { return min(now+keptIdle+keptIdle/10, deadline) }

func keptTime(micro int64) time.Time { return time.UnixMicro(micro).UTC() }

// keptPlain reports whether a handler has set no more than its Content-Type.
func keptPlain(h http.Header) bool { return len(h) == 0 || len(h) == 1 && h["Content-Type"] != nil }

// putHeaders tells caches (G12), and the browser its new cookies.
func (x *keptRequest) putHeaders() {
	h, c := x.w.Header(), x.change
	x.vary[0], x.cacheControl[0] = "Cookie", "no-store"
	if keptPlain(h) {
		h["Vary"] = x.vary[:]
	} else {
		x.dropForeign(h)
		x.tidy(h)
	}
	h["Cache-Control"] = x.cacheControl[:]
	if c != nil && c.cookies[0] != "" {
		if others := h["Set-Cookie"]; len(others) > 0 {
			h["Set-Cookie"] = slices.Concat(c.cookies[:], others)
		} else {
			h["Set-Cookie"] = c.cookies[:]
		}
	}
	x.left = uint16(len(h))
}

// tidy joins Vary to what is there and takes out what speaks to shared caches (G12).
func (x *keptRequest) tidy(h http.Header) {
	vary := slices.Clip(x.vary[:])
	for name, lines := range h {
		switch http.CanonicalHeaderKey(name) {
		case "Vary":
			vary = append(vary, lines...)
			delete(h, name)
		case "Expires", "Pragma", "Surrogate-Control", "Edge-Control", "X-Accel-Expires":
			delete(h, name)
		default:
			if strings.HasSuffix(http.CanonicalHeaderKey(name), "-Control") {
				delete(h, name)
			}
		}
	}
	h["Vary"] = []string{strings.Join(vary, ", ")}
}

// dropForeign takes out Set-Cookie lines of our names that are not ours (G4).
func (x *keptRequest) dropForeign(h http.Header) {
	for name, lines := range h {
		if len(name) >= len("Set-Cookie") && strings.EqualFold(strings.TrimPrefix(name, http.TrailerPrefix), "Set-Cookie") && slices.ContainsFunc(lines, x.poses) {
			if h[name] = slices.DeleteFunc(slices.Clone(lines), x.poses); len(h[name]) == 0 {
				delete(h, name)
			}
		}
	}
}

func (x *keptRequest) poses(line string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(line, " \t="), "=")
	switch strings.TrimSpace(name) {
	case keptCookieName, keptMarkerName:
		return x.change == nil || !slices.Contains(x.change.cookies[:], line)
	}
	return false
}

// replace answers for the handler: its status, body and headers are dropped, and what
// it still writes fails (G5).
func (x *keptRequest) replace(err error) {
	x.refusing = true
	x.state.CompareAndSwap(keptLooked, keptSent|keptLooked)
	answer, ok := errors.AsType[*keptError](err)
	if !ok {
		answer = errKeptAway
	}
	h := x.w.Header()
	clear(h)
	maps.Copy(h, x.before)
	x.dropForeign(h)
	if answer != errKeptForeign {
		x.putHeaders()
	}
	h["Cache-Control"] = []string{"no-store"}
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	if answer.status == http.StatusServiceUnavailable {
		h["Retry-After"] = []string{"1"}
	}
	x.left = uint16(len(h))
	x.w.WriteHeader(answer.status)
	if x.r.Method != http.MethodHead {
		io.WriteString(x.w, answer.text)
	}
}

// end is deferred, so that a panic stores nothing (G4).
func (x *keptRequest) end(r *http.Request) {
	// The server looks there for uploaded files, and others for the pattern.
	r.Pattern, r.MultipartForm = x.r.Pattern, x.r.MultipartForm
	state := x.state.Load()
	if state&keptLooked != 0 || !x.state.CompareAndSwap(state, keptClosed) {
		x.endLooked()
	}
	if h := x.w.Header(); uint16(len(h)) != x.left { // G4: what was added since are trailers, or another's after a panic
		x.dropForeign(h)
	}
	// G5: the answer is whole that replaced one whose handler aborts as its writes fail.
	if x.refusing && !x.returned {
		if fault := recover(); fault != nil && fault != any(http.ErrAbortHandler) && fault != any(errKeptReplaced) {
			panic(fault)
		}
	}
}

func (x *keptRequest) endLooked() {
	x.mu.Lock()
	defer x.mu.Unlock()
	state := x.state.Load()
	if c := x.change; c != nil && c.pending && x.returned && x.err == nil {
		x.commit(c, x.now()) // G4: a change after the first byte, which needs no cookie
	}
	x.state.Store(keptClosed | keptLooked) // G4: from now on each change is an error
	if state&keptPhase == keptOpen {
		x.putHeaders() // for whoever answers after a panic
	}
}

var errKeptReplaced = errors.New("floor-kept: the response was replaced")

// A keptPlainWriter and those after it are as the server's writer: with Flush where
// that has it, and with all of HTTP/1. One pointer each, they are no allocation.
type keptPlainWriter struct{ x *keptRequest }

func (x *keptRequest) writer() http.ResponseWriter {
	w := keptPlainWriter{x}
	if _, flush := x.w.(http.Flusher); !flush {
		return w
	}
	if _, server := x.w.(http.Hijacker); !server {
		return keptFlushWriter{w}
	}
	return keptServerWriter{keptFlushWriter{w}}
}

// G13: no cookie in what prints a writer.
func (w keptPlainWriter) Format(f fmt.State, _ rune) { io.WriteString(f, "{floor-kept}") }

func (w keptPlainWriter) Header() http.Header { return w.x.w.Header() }

// Unwrap is for deadlines and full duplex, by http.ResponseController.
func (w keptPlainWriter) Unwrap() http.ResponseWriter { return w.x.w }

func (w keptPlainWriter) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols {
		w.x.dropForeign(w.x.w.Header()) // G4: 103 carries headers too, and ends nothing
	} else if !w.x.start() {
		return
	}
	w.x.w.WriteHeader(status)
}

func (w keptPlainWriter) Write(b []byte) (int, error) {
	if !w.x.start() {
		return 0, errKeptReplaced
	}
	return w.x.w.Write(b)
}

func (w keptPlainWriter) WriteString(s string) (int, error) {
	if !w.x.start() {
		return 0, errKeptReplaced
	}
	return io.WriteString(w.x.w, s)
}

type keptFlushWriter struct{ keptPlainWriter }

func (w keptFlushWriter) Flush() { w.FlushError() }

func (w keptFlushWriter) FlushError() error {
	if !w.x.start() {
		return errKeptReplaced
	}
	return http.NewResponseController(w.x.w).Flush()
}

type keptServerWriter struct{ keptFlushWriter }

func (w keptServerWriter) ReadFrom(src io.Reader) (int64, error) {
	if !w.x.start() {
		return 0, errKeptReplaced
	}
	if to, ok := w.x.w.(io.ReaderFrom); ok {
		return to.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{w.x.w}, src)
}

func (w keptServerWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !w.x.start() {
		return nil, nil, errKeptReplaced
	}
	return w.x.w.(http.Hijacker).Hijack()
}

func (w keptServerWriter) CloseNotify() <-chan bool {
	return w.x.w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
}

// look is the first look at the session, once. It returns the time, where it came to
// that. The mutex is held.
func (x *keptRequest) look() int64 {
	if x.state.Load()&keptLooked != 0 {
		return 0
	}
	if x.state.Or(keptLooked)&keptPhase != keptOpen || x.tooLate() {
		x.err = errKeptLate // G12: a cache may have the first bytes, without Vary
		return 0
	}
	value, ok := keptCookie(x.r.Header["Cookie"], keptCookieName)
	var id store.ID
	if ok {
		id, ok = x.k.tokens.open(value) // G8: what is forged costs no call
	}
	if site := x.r.Header["Sec-Fetch-Site"]; len(site) > 0 && x.withheld(site[0], &id, ok) {
		x.hidden = true
		return 0
	}
	if !ok {
		return 0
	}
	return x.load(id)
}

// withheld reports whether the browser keeps back a Strict cookie (G7), or what came
// in its place is not ours: the marker names the session.
func (x *keptRequest) withheld(site string, id *store.ID, came bool) bool {
	if site != "cross-site" && site != "none" && !keptForeign(&x.r) {
		return false
	}
	marker, ok := keptCookie(x.r.Header["Cookie"], keptMarkerName)
	switch {
	case came && ok:
		return marker != id.Handle()
	case came || ok:
		return ok || site == "cross-site"
	}
	return site != "none"
}

// tooLate reports whether nobody answers for the handler any more (G4):
// http.TimeoutHandler has.
func (x *keptRequest) tooLate() bool { return x.parent().Err() == context.DeadlineExceeded }

func (x *keptRequest) load(id store.ID) (now int64) {
	load := (*keptLoad)(x)
	rec, err := x.k.store.Load(load, id)
	load.end()
	now = x.now()
	switch {
	case err == nil && (rec.Expires.UnixMicro() <= now || rec.Deadline.UnixMicro() <= now):
		if rec.Expires.UnixMicro() > x.began && rec.Deadline.UnixMicro() > x.began {
			x.life = keptEnded // G2: during this request
		}
	case err == nil:
		if !x.take(&rec) { // G5: a damaged record is an ended session
			ctx := wait.Detached(x.parent(), time.Now().Add(keptTimeout))
			defer ctx.End()
			_, _ = x.k.store.End(ctx, id, keptTime(now+keptTombstone))
			x.life = keptEnded
		}
	case errors.Is(err, store.ErrNotFound):
	case errors.Is(err, store.ErrEnded):
		if e, ok := errors.AsType[*store.EndedError](err); !ok || e.Until.UnixMicro() > x.began {
			x.ended(e) // G2: as long as its tombstone stands
		}
	default:
		x.err = errKeptAway // G5: which is not "not logged in"
	}
	return now
}

// ended takes note of how the session ended, as far as the store says.
func (x *keptRequest) ended(e *store.EndedError) {
	if x.life = keptEnded; e != nil && !e.Next.IsZero() {
		x.life = keptReplaced
	}
}

// why is the error of a session that has ended.
func (x *keptRequest) why() error {
	if x.life == keptReplaced {
		return errKeptReplacing
	}
	return errKeptEnded
}

// take makes a record that of the session, if it is whole.
func (x *keptRequest) take(rec *store.Record) bool {
	h, err := record.Open(rec.Data)
	if err != nil {
		return false
	}
	x.life, x.entries = keptLive, uint16(len(rec.Data)-len(h.Entries))
	x.id, x.version, x.user, x.data = rec.ID, rec.Version, rec.User, rec.Data
	x.authTime, x.created = rec.AuthTime.UnixMicro(), rec.Created.UnixMicro()
	x.seen, x.expires, x.deadline = rec.Seen.UnixMicro(), rec.Expires.UnixMicro(), rec.Deadline.UnixMicro()
	return true
}

// The marks of a context without a timer.
const (
	keptPolled uint32 = 1 << iota // the store has asked once: so early it is not over
	keptOver
)

// A keptLoad is the request as the context of its load (G5: it ends with the request,
// or after 5 s), with a timer only for who waits on it.
type keptLoad keptRequest

// G13: no cookie in what prints a context.
func (l *keptLoad) Format(f fmt.State, _ rune) { io.WriteString(f, "{floor-kept}") }

func (l *keptLoad) arm() *wait.Context {
	return keptArm(&l.timed, &l.marks, &wait.Context{Parent: l.in.Context(), At: time.Now().Add(keptTimeout)})
}

func keptArm(timed *atomic.Pointer[wait.Context], marks *atomic.Uint32, made *wait.Context) *wait.Context {
	timed.CompareAndSwap(nil, made)
	if made = timed.Load(); marks.Load()&keptOver != 0 {
		made.End()
	}
	return made
}

func (l *keptLoad) armed() *wait.Context {
	if timed := l.timed.Load(); timed != nil {
		return timed
	}
	return l.arm()
}

func (l *keptLoad) Deadline() (time.Time, bool) { return l.armed().Deadline() }
func (l *keptLoad) Done() <-chan struct{}       { return l.armed().Done() }

func (l *keptLoad) Err() error {
	if l.marks.Or(keptPolled)&(keptPolled|keptOver) != 0 {
		return l.armed().Err()
	}
	return l.in.Context().Err()
}

func (l *keptLoad) Value(key any) any {
	if timed := l.timed.Load(); timed != nil {
		return timed.Value(key)
	}
	return l.in.Context().Value(key)
}

func (l *keptLoad) end() {
	l.marks.Or(keptOver)
	if timed := l.timed.Load(); timed != nil {
		timed.End()
	}
}

// A keptCall is the context of the store call of a commit: not the client's, who may
// leave, and over in 5 s less one for a look (G5). It too has a timer for who waits.
type keptCall struct {
	parent context.Context
	at     int64 // in microseconds
	marks  atomic.Uint32
	timed  atomic.Pointer[wait.Context]
}

// G13: the request is behind it.
func (c *keptCall) Format(f fmt.State, _ rune) { io.WriteString(f, "{floor-kept}") }

func (c *keptCall) until() time.Time { return time.UnixMicro(c.at) }

func (c *keptCall) armed() *wait.Context {
	if timed := c.timed.Load(); timed != nil {
		return timed
	}
	return keptArm(&c.timed, &c.marks, wait.Detached(c.parent, c.until()))
}

func (c *keptCall) Deadline() (time.Time, bool) { return c.until(), true }
func (c *keptCall) Done() <-chan struct{}       { return c.armed().Done() }

func (c *keptCall) Err() error {
	if c.marks.Or(keptPolled)&(keptPolled|keptOver) != 0 {
		return c.armed().Err()
	}
	return nil
}

func (c *keptCall) Value(key any) any {
	if timed := c.timed.Load(); timed != nil {
		return timed.Value(key)
	}
	return c.parent.Value(key)
}

func (c *keptCall) end() {
	c.marks.Or(keptOver)
	if timed := c.timed.Load(); timed != nil {
		timed.End()
	}
}

// A keptChange is what a handler asks for until it is stored, and room to store it:
// one allocation of a request that changes something.
type keptChange struct {
	pending bool
	cleared bool // the values of another user
	user    string
	ops     []keptOp
	cookies [2]string // what the answer sets

	call    keptCall
	id      store.ID      // as which it stands in line
	wake    chan struct{} // by who was before it there
	handed  *store.Record // what that one stored
	roomOps [1]keptOp
	room    [16]byte
}

// A keptOp is one change of one value, which can be made again on what another
// request has stored (G1).
type keptOp struct {
	name string
	raw  []byte
	f    func(int) int // in place of raw
	n    int           // what it made
}

// text returns the value of that name, a copy: what the store has given nobody may
// change (S12).
func (x *keptRequest) text(name string) (string, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.look(); x.err != nil {
		return "", false
	}
	var raw []byte
	if x.life == keptLive && (x.change == nil || !x.change.cleared) {
		raw = record.Find(x.data[x.entries:], name).Raw
	}
	if c := x.change; c != nil && c.pending {
		for i := range c.ops {
			if c.ops[i].name == name {
				raw = c.ops[i].raw
			}
		}
	}
	if s, ok := exact.CutString(raw); ok {
		return string(s), true
	}
	s, err := record.Unmarshal[string](raw)
	return s, err == nil
}

// pend returns the change that is to be made, or nil where none may be, and the time
// if it had to look at that. The mutex is held.
func (x *keptRequest) pend(login bool) (c *keptChange, now int64) {
	now = x.look()
	switch {
	case x.err != nil:
	case x.state.Load()&keptPhase == keptClosed || x.tooLate():
		x.err = errKeptLate
	case x.life >= keptEnded && !login && (x.change == nil || x.change.user == ""):
		x.err = x.why() // G2
	case x.hidden && x.life != keptLive && !login && (x.change == nil || x.change.user == ""):
		x.err = errKeptHeld // G7
	}
	if x.err != nil {
		return nil, now
	}
	if c := x.change; c == nil || !c.pending {
		next := &keptChange{pending: true}
		if next.ops = next.roomOps[:0]; c != nil {
			next.cookies = c.cookies
		}
		x.change = next
	}
	return x.change, now
}

func (x *keptRequest) set(name, value string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if c, _ := x.pend(false); c != nil {
		raw, ok := exact.AppendString(c.room[:0:0], value)
		if len(c.ops) == 0 && ok && len(raw) <= len(c.room) {
			raw = append(c.room[:0], raw...)
		}
		x.keep(c, name, raw, ok)
	}
}

func (x *keptRequest) setRaw(name string, raw []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if c, _ := x.pend(false); c != nil {
		x.keep(c, name, raw, true)
	}
}

func (x *keptRequest) keep(c *keptChange, name string, raw []byte, ok bool) {
	if !ok || len(raw) > record.MaxSize/2 { // G14
		x.err = errKeptValue
		return
	}
	c.ops = append(c.ops, keptOp{name: name, raw: raw})
}

// update makes a change and commits it at once (G1): what it returns was stored.
func (x *keptRequest) update(name string, f func(int) int) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	c, now := x.pend(false)
	if c == nil {
		return 0
	}
	if c.ops = append(c.ops, keptOp{name: name, f: f}); now == 0 {
		now = x.now()
	}
	if x.commit(c, now); x.err != nil {
		return 0
	}
	return c.ops[len(c.ops)-1].n
}

// login gives the session a user and, when it is committed, another token (G3).
func (x *keptRequest) login(user string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if c, _ := x.pend(true); c != nil {
		if x.life == keptLive && x.user != "" && x.user != user || c.user != "" && c.user != user {
			c.cleared, c.ops = true, c.ops[:0] // G3: another's values
		}
		c.user = user
	}
}
