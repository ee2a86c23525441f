//go:build linux

package proxies_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

var (
	visits = coatcheck.NewKey[int]("visits")
	cart   = coatcheck.NewKey[[]string]("cart")
	text   = coatcheck.NewKey[string]("text")
)

// patience bounds every wait for something that must happen. It is long because
// a busy machine is no failure.
const patience = 60 * time.Second

// An app is the application behind the proxies.
type app struct {
	*httptest.Server
	sessions *coatcheck.Manager
	release  chan struct{} // closed to end all streams

	events coatchecktest.Events
}

// listen is where an application is going to be: its proxy is started first, so
// that it can know its own origin.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// newApp starts the application, which trusts a proxy on 127.0.0.1.
func newApp(t *testing.T, l net.Listener, inCookie bool, cfg coatcheck.Config) *app {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{release: make(chan struct{})}
	cfg.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	cfg.Events = a.events.Record
	if inCookie {
		a.sessions, err = coatcheck.NewInCookie(keys, coatcheck.StoreRevoker(memstore.New(memstore.Config{})), cfg)
	} else {
		a.sessions, err = coatcheck.New(memstore.New(memstore.Config{}), keys, cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.Server = httptest.NewUnstartedServer(a.routes())
	a.Listener.Close()
	a.Listener = l
	a.Start()
	t.Cleanup(func() { close(a.release); a.Close() })
	return a
}

// heard reports whether an event of the kind came since told.
func (a *app) heard(kind coatcheck.Kind) bool {
	return a.events.Count(kind) > 0
}

// told returns what was refused or held back, and forgets it.
func (a *app) told() string {
	var b strings.Builder
	for _, e := range a.events.All() {
		if e.Kind == coatcheck.Refused || e.Kind == coatcheck.HeldBack {
			fmt.Fprintln(&b, e.Kind, e.Reason, e.Err)
		}
	}
	a.events.Reset()
	return b.String()
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(http.ResponseWriter, *http.Request, *coatcheck.Session)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { f(w, r, coatcheck.From(r.Context())) })
	}
	handle("POST /login", func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		s.Login(r.FormValue("user"))
		io.WriteString(w, "Logged in")
	})
	handle("POST /logout", func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		s.Logout()
		io.WriteString(w, "Logged out")
	})
	handle("GET /profile", func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		fmt.Fprintf(w, "User %s, visit %d", s.User(), visits.Update(s, func(n int) int { return n + 1 }))
	})
	handle("POST /cart", func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		coatcheck.Append(s, cart, r.FormValue("item"))
	})
	handle("GET /cart", func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		items, _ := cart.Get(s)
		fmt.Fprint(w, items)
	})
	handle("GET /sessions", func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		list, err := a.sessions.Sessions(r.Context(), s.User())
		if err != nil {
			http.Error(w, "no list", http.StatusNotImplemented)
			return
		}
		_ = json.NewEncoder(w).Encode(list) // the client may be gone
	})
	handle("POST /text", func(_ http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		n, _ := strconv.Atoi(r.FormValue("bytes"))
		text.Set(s, strings.Repeat("x", n))
	})
	handle("GET /first", func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { text.Set(s, "x") })
	handle("GET /events", a.stream)
	handle("GET /websocket", upgrade)
	return a.sessions.Handler(mux)
}

// stream sends one event and goes on until the application ends. It is flushed
// twice: some proxies wait for more than the headers.
func (a *app) stream(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
	w.Header().Set("Content-Type", "text/event-stream")
	if r.FormValue("buffering") == "" {
		w.Header().Set("X-Accel-Buffering", "no")
	}
	fmt.Fprintf(w, "data: hello %s\n\n", s.User())
	_ = http.NewResponseController(w).Flush() // the client may be gone
	select {
	case <-a.release:
	case <-r.Context().Done():
	case <-time.After(2 * patience):
	}
}

// upgrade is the server's side of a websocket, of which proxies see no more than
// the handshake: what follows is sent back as it comes.
func upgrade(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || s.User() == "" {
		w.WriteHeader(http.StatusUpgradeRequired)
		return
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	_ = rw.Flush()
	_, _ = io.Copy(conn, bufio.NewReader(rw))
}
