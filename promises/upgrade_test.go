package promises_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
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
		// Lines that end with LF alone, and lines that go on in the next.
		{"HTTP/1.1 101 X\nA: b\nSet-Cookie: " + sidName + "=planted\n\nxyz", "HTTP/1.1 101 X\nA: b\n\nxyz"},
		{"HTTP/1.1 101 X\nSet-Cookie: " + sidName + "=planted\n\r\n" + planted, "HTTP/1.1 101 X\n\r\n" + planted},
		{"HTTP/1.1 101 X\r\nSet-Cookie:\r\n " + sidName + "=planted\r\nA: b\r\n\n" + planted, "HTTP/1.1 101 X\r\nA: b\r\n\n" + planted},
		{"HTTP/1.1 101 X\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 101 X\r\nA: b\r\n c\r\n\r\n"},
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
		b.Handler.ServeHTTP(hijackable{w, server}, b.Request("GET", "/"))
		keep(b, w)
		if len(lines) != len(others)+2 || !strings.HasPrefix(lines[0], sidName+"=") || !slices.Equal(lines[1:len(others)+1], others) {
			t.Errorf("a login beside %q sets %q", others, lines)
		}
		b.Handler = act(func(s *coatcheck.Session) { s.Logout(); s.Commit() })
		b.Handler.ServeHTTP(hijackable{httptest.NewRecorder(), server}, b.Request("GET", "/"))
		if n := len(lines); n != len(others)+2 || !strings.HasPrefix(lines[n-1], sidName+"=;") {
			t.Errorf("a logout beside %q sets %q", others, lines)
		}
	}
}

// G4: the head of an upgrade that is too long to be looked through does not pass:
// the upgrade fails.
func TestG4HijackedHeadWithoutEnd(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	failed := make(chan error, 1)
	server := httptest.NewServer(only(m, func(w http.ResponseWriter, _ *http.Request, _ *coatcheck.Session) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			failed <- err
			return
		}
		defer conn.Close()
		io.WriteString(rw, "HTTP/1.1 101 X\r\nSet-Cookie: "+sidName+"=planted\r\n")
		line := "X-Long: " + strings.Repeat("x", 1<<16) + "\r\n"
		for range 200 {
			if _, err = io.WriteString(rw, line); err != nil {
				break
			}
		}
		io.WriteString(rw, "\r\n")
		failed <- rw.Flush()
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, _ := io.ReadAll(conn); len(got) > 0 {
		t.Errorf("%d bytes came, with the planted cookie: %t", len(got), strings.Contains(string(got), "planted"))
	}
	if err := <-failed; err == nil {
		t.Error("the handler is not told that its upgrade failed")
	}
}

// G4: a Set-Cookie of our name does not leave in a trailer either, announced or
// not, also from an upstream behind httputil.ReverseProxy.
func TestG4Trailers(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/announced" {
			w.Header().Set("Trailer", "Set-Cookie, X-Sum")
		}
		io.WriteString(w, "body")
		w.(http.Flusher).Flush()
		prefix := http.TrailerPrefix
		if r.URL.Path == "/announced" {
			prefix = ""
		}
		w.Header().Set(prefix+"Set-Cookie", sidName+"=planted; Path=/; Secure")
		w.Header().Set(prefix+"X-Sum", "1")
	}))
	defer upstream.Close()
	to, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	for name, next := range map[string]http.Handler{"behind a proxy": proxy, "by the handler": upstream.Config.Handler} {
		for _, looks := range []bool{true, false} {
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
			server := httptest.NewServer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if looks {
					m.From(r.Context()).User()
				}
				next.ServeHTTP(w, r)
			})))
			for _, path := range []string{"/announced", "/not"} {
				res, err := http.Get(server.URL + path)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || string(body) != "body" || res.Trailer.Get("X-Sum") != "1" {
					t.Errorf("%s, %s: got %q and the trailers %q (%v), want the others", name, path, body, res.Trailer, err)
				}
				if got := append(res.Trailer["Set-Cookie"], res.Header["Set-Cookie"]...); len(got) > 0 {
					t.Errorf("%s, %s, looks %t: %q leaves", name, path, looks, got)
				}
			}
			server.Close()
		}
	}
}
