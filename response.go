package coatcheck

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// The phases of a response, in their order.
const (
	open     uint32 = iota // nothing has left yet
	sent                   // the first byte has left
	hijacked               // the connection is the handler's
	replaced               // the handler's answer was dropped for OnError's
	closed                 // the handler has returned
)

// A response is the state of the answer. Only the goroutine that writes it
// changes it; those that use the session read the phase.
type response struct {
	state    atomic.Uint32
	replaced bool // what the handler still writes is refused
	whole    bool // and what replaces it has been written
	returned bool // the handler, and not by a panic
	forget   bool // the browser is to clear what pages kept
	begun    bool // before us; only a test wants to know

	// Of the session, here for want of room there; guarded by its latch.
	unproven bool // it is bound, and the request has not shown its device: it counts as withheld
	admitted bool // the request is of the guard's own

	// The Set-Cookie lines of the session, its marker, and the note that an
	// earlier one is over; empty = none.
	sid, marker, over string

	// Header values live here: a slice shared between responses could be
	// edited by one of them (G12).
	vary, cacheControl [1]string
}

func (x *exchange) phase() uint32 { return x.out.state.Load() }

// enter moves to another phase, but never out of closed: a goroutine that writes
// after the handler returned must not let changes in again.
func (x *exchange) enter(next uint32) {
	for {
		now := x.out.state.Load()
		if now == closed || x.out.state.CompareAndSwap(now, next) {
			return
		}
	}
}

// tooLate reports whether nobody answers for the handler any more: it has
// returned, or http.TimeoutHandler has answered because the deadline passed.
func (x *exchange) tooLate() bool {
	return x.phase() == closed || x.Context.Err() == context.DeadlineExceeded
}

// start commits before the first byte and reports whether the handler's answer
// may leave.
func (x *exchange) start(next uint32) bool {
	if x.phase() != open || x.out.replaced {
		return !x.out.replaced
	}
	s := x.used.Load()
	if s == nil {
		x.dropForeign(x.w.Header())
		x.enter(next)
		if s = x.used.Load(); s != nil { // just made by a goroutine of the handler
			s.headers()
		}
		x.inner.Store(nil)
		return true
	}
	if err := s.settle(next); err != nil {
		x.replace(err)
		return false
	}
	x.inner.Store(nil)
	return true
}

// replace drops what the handler has answered and lets OnError answer (G5).
func (x *exchange) replace(err error) {
	x.out.replaced = true
	if s := x.session(); s.turned {
		s.readmit() // and conclude ends that
	} else {
		x.enter(replaced)
	}
	x.answer(err, x.setInside(x.w.Header()))
	x.out.whole = true
}

// answer lets OnError answer for err. The cookies of inner, sessions of other
// managers, stay.
func (x *exchange) answer(err error, inner []*Session) {
	if err == errStuck { // no call had the latch to tell of it
		x.event(Event{Kind: Failed, Reason: reasonStuck, Err: err})
	}
	h := x.w.Header()
	w := &errorWriter{ResponseWriter: x.w, x: x, err: err, inner: inner}
	x.resetHeader(h)
	if x.session().quiet {
		// The client left, or the server is being shut down. Whoever still
		// listens must not take what the handler made of it for an answer.
		h.Set("Connection", "close")
		w.WriteHeader(http.StatusRequestTimeout)
	} else {
		x.onError(w, err)
		if !w.wrote {
			w.WriteHeader(StatusOf(err))
		}
	}
}

// endAbort ends the panic http.ErrAbortHandler of a handler whose answer was
// replaced. httputil.ReverseProxy aborts where a Write fails, as ours then do, so
// that no client takes half an answer for the whole. But what replaces it is
// whole, and the server would throw it away with the connection (G5); to flush it
// before is not enough, as HTTP/2 resets the stream all the same. So the
// middleware around us sees what the client does, an answer, and no panic. A
// handler that panics with the error of that Write means the same. Every other
// panic goes on, and so does this one where OnError did not return.
func (x *exchange) endAbort() {
	if !x.out.whole {
		return
	}
	if fault := recover(); fault != nil && !aborts(fault) {
		panic(fault)
	}
}

// aborts reports whether a panic is the abort of a handler, or what our own
// refused Write told it.
func aborts(fault any) bool {
	err, ok := fault.(error)
	return ok && (errors.Is(err, http.ErrAbortHandler) || errors.Is(err, errReplaced))
}

// An errorWriter is what OnError writes to.
type errorWriter struct {
	http.ResponseWriter
	x     *exchange
	err   error
	inner []*Session // of other managers, whose cookies stay
	wrote bool
	over  bool // another error is answered in its place
}

// conclude commits what OnError has changed of a session that readmit has let it,
// before its answer begins. It reports whether that may leave; otherwise it has
// answered for what went wrong.
func (w *errorWriter) conclude() bool {
	x := w.x
	if x.phase() != open {
		return true
	}
	s := x.session()
	err := s.settle(replaced)
	x.enter(replaced)
	if err == nil {
		s.refuseTold(w.err)
		return true
	}
	x.answer(err, w.inner)
	return false
}

func (w *errorWriter) WriteHeader(status int) {
	if w.over {
		return
	}
	if final(status) && !w.wrote {
		w.wrote = true
		if w.over = !w.conclude(); w.over {
			return
		}
		w.x.challenge(w.ResponseWriter.Header(), status)
		guard(w.ResponseWriter.Header())
		w.x.session().headers()
		for _, s := range w.inner {
			s.headersInto(w.ResponseWriter.Header())
		}
	} else if !w.wrote {
		w.x.dropForeign(w.ResponseWriter.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *errorWriter) Write(b []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.over {
		return 0, errReplaced
	}
	return w.ResponseWriter.Write(b)
}

// finish ends the response of a handler that returned.
func (x *exchange) finish() {
	if x.phase() == open {
		if s := x.used.Load(); s.wanted() && begun(x.w) {
			x.out.returned = true
			x.passedBy(s)
			return
		}
		x.start(sent)
	}
	x.out.returned = true
}

// final reports whether a status ends the headers; 1xx but 101 do not.
func final(status int) bool { return status >= 200 || status == http.StatusSwitchingProtocols }

var errReplaced = errors.New("coatcheck: the response was replaced, see Session.Err")

// writer returns the response's writer: with Flush, Hijack, ReadFrom, Push and
// CloseNotify where the server's has them, so that a handler finds what it would
// find without us. Each type below is one pointer and so costs no allocation.
func (x *exchange) writer() http.ResponseWriter {
	w := plainWriter{x}
	if _, notify := x.w.(closeNotifier); notify {
		return w.notifying()
	}
	_, push := x.w.(http.Pusher)
	flush := has[http.Flusher](x.w) || has[flushErrorer](x.w)
	switch {
	case has[http.Hijacker](x.w):
		return hijackWriter{flushWriter{w}}
	case flush && push:
		return flushPushWriter{flushWriter{w}}
	case flush:
		return flushWriter{w}
	case push:
		return pushWriter{w}
	default:
		return w
	}
}

// A flushErrorer may flush past us, by Unwrap, where it is no http.Flusher.
type flushErrorer interface{ FlushError() error }

// has reports whether w or a writer that it unwraps to is a T, which is where
// http.ResponseController would find it.
func has[T any](w http.ResponseWriter) bool {
	for {
		if _, ok := w.(T); ok {
			return true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
}

type plainWriter struct{ x *exchange }

// Format keeps cookies out of the logs of whoever prints a writer.
func (w plainWriter) Format(f fmt.State, _ rune) { io.WriteString(f, "{coatcheck writer}") }

func (w plainWriter) Header() http.Header { return w.x.w.Header() }

func (w plainWriter) exchange() *exchange { return w.x }

// Unwrap serves http.ResponseController, for deadlines and full duplex.
func (w plainWriter) Unwrap() http.ResponseWriter { return w.x.w }

func (w plainWriter) WriteHeader(status int) {
	if !final(status) {
		w.x.dropForeign(w.x.w.Header()) // 103 carries headers too
	} else if !w.x.start(sent) {
		return
	}
	w.x.w.WriteHeader(status)
}

func (w plainWriter) Write(b []byte) (int, error) {
	if !w.x.start(sent) {
		return 0, errReplaced
	}
	return w.x.w.Write(b)
}

func (w plainWriter) WriteString(s string) (int, error) {
	if !w.x.start(sent) {
		return 0, errReplaced
	}
	return io.WriteString(w.x.w, s)
}

type flushWriter struct{ plainWriter }

func (w flushWriter) Flush() { w.FlushError() }

func (w flushWriter) FlushError() error {
	if !w.x.start(sent) {
		return errReplaced
	}
	return http.NewResponseController(w.x.w).Flush()
}

// A hijackWriter is that of HTTP/1, whose server can also send a file without
// copying it.
type hijackWriter struct{ flushWriter }

// ReadFrom keeps the server's way to send a file.
func (w hijackWriter) ReadFrom(src io.Reader) (int64, error) {
	if !w.x.start(sent) {
		return 0, errReplaced
	}
	if to, ok := w.x.w.(io.ReaderFrom); ok {
		return to.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{w.x.w}, src)
}

// Hijack commits first. What needs a Set-Cookie must be committed before, by
// Session.Commit, and the upgrade be given the writer's Header.
func (w hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	before := w.x.phase()
	if !w.x.start(hijacked) {
		if err := w.x.session().Err(); err != nil { // libraries for websockets pass it on
			return nil, nil, fmt.Errorf("%w: %w", errReplaced, err)
		}
		return nil, nil, errReplaced
	}
	conn, rw, err := http.NewResponseController(w.x.w).Hijack()
	if err == nil {
		before = hijacked
		if rw != nil && rw.Writer.Buffered() == 0 {
			rw.Writer.Reset(&upgradeWriter{x: w.x, w: conn})
		}
	}
	w.x.enter(before)
	return conn, rw, err
}

type pushWriter struct{ plainWriter }

func (w pushWriter) Push(target string, opts *http.PushOptions) error {
	return w.x.w.(http.Pusher).Push(target, opts)
}

type flushPushWriter struct{ flushWriter }

func (w flushPushWriter) Push(target string, opts *http.PushOptions) error {
	return w.x.w.(http.Pusher).Push(target, opts)
}
