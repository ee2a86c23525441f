package coatcheck_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// G4: a Set-Cookie of our name in the head that a handler writes to a hijacked
// connection's buffer does not leave, in whatever pieces; everything else does.
func TestG4HijackedHead(t *testing.T) {
	t.Parallel()
	planted := "set-cookie:" + sidName + "=planted; Secure\r\nSet-Cookie: \t" + markName + "=1\r\n"
	for _, c := range []struct{ written, want string }{
		{"HTTP/1.1 101 X\r\nA: b\r\n" + planted + "Set-Cookie: theme=dark\r\n\r\nframes\r\n\r\n" + planted, "HTTP/1.1 101 X\r\nA: b\r\nSet-Cookie: theme=dark\r\n\r\nframes\r\n\r\n" + planted},
		{"HTTP/1.1 101 X\r\n" + planted + "\r\n", "HTTP/1.1 101 X\r\n\r\n"},
		{"HTTP/1.1 101 X\r\n\r\nxyz", "HTTP/1.1 101 X\r\n\r\nxyz"},
		{"\x81\x05hello" + planted + "\r\n", "\x81\x05hello" + planted + "\r\n"},
		{"", ""},
	} {
		for _, piece := range []int{1, 7, 4096} {
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
			server := httptest.NewServer(only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
				conn, rw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				for rest := c.written; rest != ""; {
					n := min(piece, len(rest))
					if _, err := rw.WriteString(rest[:n]); err != nil {
						t.Error(err)
					}
					if err := rw.Flush(); err != nil {
						t.Error(err)
					}
					rest = rest[n:]
				}
			}))
			conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(time.Minute))
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			got, err := io.ReadAll(bufio.NewReader(conn))
			if err != nil || string(got) != c.want {
				t.Errorf("%q in pieces of %d: got %q, %v; want %q", c.written, piece, got, err, c.want)
			}
			conn.Close()
			server.Close()
		}
	}
}

// G4: an upgrade that starts a session: of its Set-Cookie lines the session's is
// the first, since some libraries for websockets send no other; of those that
// clear, it is the last, since some clients heed no other.
func TestG4SessionCookieFirst(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	for _, others := range [][]string{nil, {"a=1"}, {"a=1", "b=2", "c=3"}} {
		var lines []string
		act := func(change func(*coatcheck.Session)) http.Handler {
			return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for _, line := range others {
					w.Header().Add("Set-Cookie", line)
				}
				change(m.From(r.Context()))
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				conn.Close()
				lines = w.Header()["Set-Cookie"]
			}))
		}
		client, server := net.Pipe()
		client.Close()
		b := newBrowser(act(func(s *coatcheck.Session) { s.Login("ann"); s.Commit() }))
		w := httptest.NewRecorder()
		b.h.ServeHTTP(hijackable{w, server}, b.request("GET", "/"))
		b.keep(w)
		if len(lines) != len(others)+2 || !strings.HasPrefix(lines[0], sidName+"=") || !slices.Equal(lines[1:len(others)+1], others) {
			t.Errorf("a login beside %q sets %q", others, lines)
		}
		b.h = act(func(s *coatcheck.Session) { s.Logout(); s.Commit() })
		b.h.ServeHTTP(hijackable{httptest.NewRecorder(), server}, b.request("GET", "/"))
		if n := len(lines); n != len(others)+2 || !strings.HasPrefix(lines[n-1], sidName+"=;") {
			t.Errorf("a logout beside %q sets %q", others, lines)
		}
	}
}
