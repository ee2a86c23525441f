package coatcheck

import (
	"bytes"
	"io"
)

// maxHead is the longest head of an answer that is looked through; net/http
// reads no longer one from an upstream by default.
const maxHead = 1 << 20

// An upgradeWriter is where the buffer of a hijacked connection goes. Through it
// httputil.ReverseProxy sends the head of a websocket's answer, whose Set-Cookie
// lines browsers heed too (G4). What follows the head passes as it is.
type upgradeWriter struct {
	x    *exchange
	w    io.Writer
	head []byte
	done bool
}

func (u *upgradeWriter) Write(b []byte) (int, error) {
	if u.done {
		return u.w.Write(b)
	}
	u.head = append(u.head, b...)
	const start = "HTTP/1."
	n := min(len(u.head), len(start))
	end := bytes.Index(u.head, []byte("\r\n\r\n"))
	if end < 0 && string(u.head[:n]) == start[:n] && len(u.head) < maxHead {
		return len(b), nil // more of it comes
	}
	out := u.head
	if end >= 0 && string(u.head[:n]) == start {
		out = u.filter(u.head[:end+2], u.head[end+2:])
	}
	u.x, u.head, u.done = nil, nil, true
	if _, err := u.w.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// filter returns head, whose lines end with CRLF, without Set-Cookie lines that
// pose as ours, and rest behind it.
func (u *upgradeWriter) filter(head, rest []byte) []byte {
	out := make([]byte, 0, len(head)+len(rest))
	for line := range bytes.SplitAfterSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Set-Cookie")) && u.x.poses(string(bytes.TrimSpace(value))) {
			u.x.tellForeign()
			continue
		}
		out = append(out, line...)
	}
	return append(out, rest...)
}
