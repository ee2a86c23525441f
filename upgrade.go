package coatcheck

import (
	"bytes"
	"errors"
	"io"
)

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
