package coatcheck

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// An errorWriter is what OnError writes to.
type errorWriter struct {
	http.ResponseWriter
	x          *exchange
	err        error
	inner      []*Session // of other managers, whose cookies stay
	wrote      bool
	superseded bool // another error is answered in its place
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
	err := s.beforeHeaders(replaced)
	x.enter(replaced)
	if err == nil {
		s.refuseTold(w.err)
		return true
	}
	x.answer(err, w.inner)
	return false
}

func (w *errorWriter) WriteHeader(status int) {
	if w.superseded {
		return
	}
	if final(status) && !w.wrote {
		w.wrote = true
		if w.superseded = !w.conclude(); w.superseded {
			return
		}
		w.x.challenge(w.ResponseWriter.Header(), status)
		keepPrivate(w.ResponseWriter.Header())
		w.x.session().headers()
		for _, s := range w.inner {
			s.headersInto(w.ResponseWriter.Header())
		}
	} else if !w.wrote {
		w.x.dropPosing(w.ResponseWriter.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *errorWriter) Write(b []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.superseded {
		return 0, errReplaced
	}
	return w.ResponseWriter.Write(b)
}

// final reports whether a status ends the headers; 1xx but 101 do not.
func final(status int) bool { return status >= 200 || status == http.StatusSwitchingProtocols }

var errReplaced = errors.New("coatcheck: the response was replaced, see Session.Err")

// A flushErrorer may flush past us, by Unwrap, where it is no http.Flusher.
type flushErrorer interface{ FlushError() error }

type plainWriter struct{ x *exchange }

// Format keeps cookies out of the logs of whoever prints a writer.
func (w plainWriter) Format(f fmt.State, _ rune) { io.WriteString(f, "{coatcheck writer}") }

func (w plainWriter) Header() http.Header { return w.x.w.Header() }

func (w plainWriter) exchange() *exchange { return w.x }

// Unwrap serves http.ResponseController, for deadlines and full duplex.
func (w plainWriter) Unwrap() http.ResponseWriter { return w.x.w }

func (w plainWriter) WriteHeader(status int) {
	if !final(status) {
		w.x.dropPosing(w.x.w.Header()) // 103 carries headers too
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
// [Session.Commit], and the upgrade be given the writer's Header.
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

// maxHead is the longest head of an answer that is looked through, as long as the
// longest that net/http's Transport takes from an upstream unless told otherwise.
const maxHead = 10 << 20

// errLongHead ends an upgrade whose head nobody can look through.
var errLongHead = errors.New("coatcheck: the head of the answer to an upgrade is longer than 10 MiB")

// An upgradeWriter is where the buffer of a hijacked connection goes. Through it
// httputil.ReverseProxy sends the head of a websocket's answer, whose Set-Cookie
// lines browsers heed too (G4). What follows the head passes as it is.
//
// What a handler writes to the connection itself passes too: nothing of an
// upstream goes that way, and a connection in a wrapper is no *net.TCPConn or
// *tls.Conn any more, which handlers ask for, and io.Copy, for speed.
type upgradeWriter struct {
	x    *exchange
	w    io.Writer
	head []byte
	done bool
	err  error
}

func (u *upgradeWriter) Write(b []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	if u.done {
		return u.w.Write(b)
	}
	seen := max(len(u.head)-len("\r\n\r"), 0) // no end before that
	u.head = append(u.head, b...)
	const start = "HTTP/1."
	n := min(len(u.head), len(start))
	isHead, end := string(u.head[:n]) == start[:n], -1
	if isHead {
		end = endOfHead(u.head, seen)
	}
	switch {
	case isHead && end < 0 && len(u.head) < maxHead:
		return len(b), nil // more of it comes
	case isHead && end < 0:
		u.x, u.head, u.err = nil, nil, errLongHead
		if c, ok := u.w.(io.Closer); ok {
			c.Close()
		}
		return 0, u.err
	}
	out := u.head
	if isHead {
		out = u.filter(u.head[:end], u.head[end:])
	}
	u.x, u.head, u.done = nil, nil, true
	if _, err := u.w.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// endOfHead returns where the empty line begins that ends a head, or -1, looking
// from there on. A line may end with LF alone: browsers take that (RFC 9112 §2.2).
func endOfHead(b []byte, from int) int {
	for from < len(b) {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1
		}
		from += i + 1
		if rest := b[from:]; bytes.HasPrefix(rest, []byte("\n")) || bytes.HasPrefix(rest, []byte("\r\n")) {
			return from
		}
	}
	return -1
}

// filter returns head, which is whole lines, without Set-Cookie lines that pose as
// ours, and rest behind it. A line that begins with a space goes on with the one
// before it (RFC 9112 §5.2).
func (u *upgradeWriter) filter(head, rest []byte) []byte {
	out := make([]byte, 0, len(head)+len(rest))
	for len(head) > 0 {
		var line []byte
		for more := true; more; more = len(head) > 0 && (head[0] == ' ' || head[0] == '\t') {
			n := bytes.IndexByte(head, '\n') + 1
			line, head = append(line, head[:n]...), head[n:]
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(bytes.TrimSpace(name), []byte("Set-Cookie")) && u.x.poses(string(bytes.TrimSpace(value))) {
			u.x.tellForeign()
			continue
		}
		out = append(out, line...)
	}
	return append(out, rest...)
}

// A closeNotifier is what http.CloseNotifier was: deprecated, and still what
// gin's Context.Stream asks for, which panics where a writer lacks it.
type closeNotifier interface{ CloseNotify() <-chan bool }

// notifying is writer for a server's writer that is a closeNotifier, as those of
// net/http are.
func (w plainWriter) notifying() http.ResponseWriter {
	_, push := w.x.w.(http.Pusher)
	flush := has[http.Flusher](w.x.w) || has[flushErrorer](w.x.w)
	switch {
	case has[http.Hijacker](w.x.w):
		return hijackNotifyWriter{hijackWriter{flushWriter{w}}}
	case flush && push:
		return flushPushNotifyWriter{flushPushWriter{flushWriter{w}}}
	case flush:
		return flushNotifyWriter{flushWriter{w}}
	case push:
		return pushNotifyWriter{pushWriter{w}}
	default:
		return plainNotifyWriter{w}
	}
}

func (x *exchange) closeNotify() <-chan bool { return x.w.(closeNotifier).CloseNotify() }

type plainNotifyWriter struct{ plainWriter }

func (w plainNotifyWriter) CloseNotify() <-chan bool { return w.x.closeNotify() }

type flushNotifyWriter struct{ flushWriter }

func (w flushNotifyWriter) CloseNotify() <-chan bool { return w.x.closeNotify() }

type hijackNotifyWriter struct{ hijackWriter }

func (w hijackNotifyWriter) CloseNotify() <-chan bool { return w.x.closeNotify() }

type pushNotifyWriter struct{ pushWriter }

func (w pushNotifyWriter) CloseNotify() <-chan bool { return w.x.closeNotify() }

type flushPushNotifyWriter struct{ flushPushWriter }

func (w flushPushNotifyWriter) CloseNotify() <-chan bool { return w.x.closeNotify() }
