package walkthrough_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/walkthrough"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A hearing is an open stream of events, within a bubble.
type hearing struct {
	*httptest.ResponseRecorder
	stop context.CancelFunc
	done chan struct{}
	mu   sync.Mutex
}

func (h *hearing) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ResponseRecorder.Write(b)
}

func (h *hearing) text() string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Body.String()
}

// hear opens the visitor's stream.
func (v *visitor) hear(t *testing.T) *hearing {
	ctx, stop := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "GET", "/events", nil)
	for name, value := range v.Cookies() {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	h := &hearing{ResponseRecorder: httptest.NewRecorder(), stop: stop, done: make(chan struct{})}
	go func() {
		defer close(h.done)
		v.Handler.ServeHTTP(h, r)
	}()
	synctest.Wait()
	return h
}

// heard returns what has come: kinds of events, and "over" with its reason.
func (h *hearing) heard() string {
	var list []string
	for _, line := range strings.Split(h.text(), "\n") {
		if _, data, ok := strings.Cut(line, `"kind":"`); ok {
			kind, _, _ := strings.Cut(data, `"`)
			list = append(list, kind)
		} else if data, ok := strings.CutPrefix(line, `data: "`); ok {
			list = append(list, "over:"+strings.TrimSuffix(data, `"`))
		}
	}
	return strings.Join(list, " ")
}

func (h *hearing) over() bool {
	synctest.Wait()
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// A stream tells what happens to the session, and that it ended, at the moment
// it does, wherever that was.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		do   func(v, other *visitor)
		want string
	}{
		"logout":       {func(v, _ *visitor) { v.do("POST /logout", "") }, "login logout over:ended"},
		"login":        {func(v, _ *visitor) { v.do("POST /login", "") }, "login over:replaced"},
		"other device": {func(_, other *visitor) { other.do("POST /sessions/revoke-others", "") }, "login revoked over:ended"},
		"time":         {func(*visitor, *visitor) { time.Sleep(33*time.Minute + time.Second) }, "login over:expired"},
		"nothing":      {func(v, _ *visitor) { v.do("POST /cart", "item=tea") }, "login"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := visit(newSite(t, coatcheck.Config{}))
				v.do("POST /login", "")
				other := visit(v.Handler)
				other.do("POST /login", "")
				time.Sleep(time.Second)
				h := v.hear(t)
				if got := h.heard(); got != "login" || h.over() {
					t.Fatalf("at first: got %q, over: %t; want the login", got, h.over())
				}
				test.do(v, other)
				if got := h.heard(); got != test.want || h.over() != strings.Contains(test.want, "over") {
					t.Errorf("got %q, over: %t; want %q", got, h.over(), test.want)
				}
				h.stop()
				<-h.done
			})
		})
	}
}

// A store that is away does not make an end look like one by time.
func TestEventsWithoutStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &leaving{Store: memstore.New(memstore.Config{})}
		v := visit(newSiteOn(t, st, "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa", coatcheck.Config{}))
		v.do("POST /login", "")
		h := v.hear(t)
		v.do("POST /logout", "")
		if got := h.heard(); !h.over() || !strings.HasSuffix(got, "logout over:ended") {
			t.Errorf("got %q, over: %t; want the logout, and over:ended", got, h.over())
		}
		h.stop()
	})
}

// A leaving store is away once it has ended a session.
type leaving struct {
	store.Store
	away atomic.Bool
}

func (s *leaving) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if s.away.Load() {
		return store.Record{}, errors.New("away")
	}
	return s.Store.Load(ctx, id)
}

func (s *leaving) End(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	defer s.away.Store(true)
	return s.Store.End(ctx, id, until)
}

// Nobody hears of a session that is not their own, or of one they had, and no
// token ever travels this way (G13).
func TestEventsAreTheVisitorsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		site := newSite(t, coatcheck.Config{})
		ann, bob := visit(site), visit(site)
		ann.do("POST /visits", "")
		planted := ann.clone() // knows the ticket from before the login
		before := planted.hear(t)
		ann.do("POST /login", "user=ann")
		bob.do("POST /login", "user=bob")
		hears, bobs := ann.hear(t), bob.hear(t)
		late := planted.hear(t)
		for range 3 {
			bob.do("POST /login", "user=bob")
			ann.do("POST /login", "user=ann")
		}
		for who, c := range map[string]struct {
			h    *hearing
			want string
		}{
			"ann": {hears, "login over:replaced"}, "bob": {bobs, "login over:replaced"},
			"who knew the ticket before": {before, "created over:replaced"}, "who comes with it later": {late, ""},
		} {
			if got := c.h.heard(); got != c.want || !c.h.over() {
				t.Errorf("%s: got %q, over: %t; want %q", who, got, c.h.over(), c.want)
			}
			for name, value := range ann.Cookies() {
				if len(value) > 14 && strings.Contains(c.h.text(), value[6:14]) { // the marker is the handle, for all to see
					t.Errorf("%s hears a part of %s", who, name)
				}
			}
		}
		if late.Code != http.StatusNoContent {
			t.Errorf("a stream without a session: got %d, want 204, after which no browser tries again", late.Code)
		}
	})
}

// Close ends the streams, or a server could not stop for hours.
func TestCloseEndsStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := visit(newSite(t, coatcheck.Config{}))
		v.do("POST /login", "")
		h := v.hear(t)
		v.Handler.(*walkthrough.Site).Close()
		if !h.over() {
			t.Error("the stream goes on")
		}
		h.stop()
	})
}

// Streams are bounded, those of one session too so that nobody takes all, and
// one that is left makes room.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		site := newSite(t, coatcheck.Config{})
		var v *visitor
		var all []*hearing
		for len(all) < 1000 {
			v = visit(site)
			v.do("POST /login", "")
			for range min(16, 1000-len(all)) {
				h := v.hear(t)
				if all = append(all, h); h.Code != http.StatusOK || h.Header().Get("X-Accel-Buffering") != "no" {
					t.Fatalf("stream %d: got %d, want 200, and nginx told to pass it on at once: %v", len(all), h.Code, h.Header())
				}
			}
			if h := v.hear(t); h.Code != http.StatusServiceUnavailable {
				t.Fatalf("one more after %d: got %d, want 503", len(all), h.Code)
			}
		}
		all[0].stop()
		synctest.Wait()
		if h := v.hear(t); h.Code != http.StatusOK {
			t.Errorf("after one has left: got %d, want 200", h.Code)
		} else {
			all = append(all, h)
		}
		for _, h := range all {
			h.stop()
			<-h.done
		}
	})
}

// A pipes is a listener within a bubble.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A stream outlives the bounds that a server has for short requests.
func TestStreamOutlivesTimeouts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		site := newSiteOn(t, memstore.New(memstore.Config{}), "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa", coatcheck.Config{})
		v := visit(site)
		v.do("POST /login", "")
		server := &http.Server{Handler: site, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second}
		listener := pipes{make(chan net.Conn)}
		go server.Serve(listener)
		here, there := net.Pipe()
		listener.conns <- there
		go fmt.Fprintf(here, "GET /events HTTP/1.1\r\nHost: localhost\r\nCookie: %s=%s\r\n\r\n", sid, v.Cookies()[sid])
		lines := make(chan string, 1000)
		go func() {
			defer close(lines)
			for in := bufio.NewScanner(here); in.Scan(); {
				lines <- in.Text()
			}
		}()
		time.Sleep(10 * time.Minute)
		v.do("POST /logout", "")
		synctest.Wait()
		here.Close()
		var got strings.Builder
		for line := range lines {
			got.WriteString(line + "\n")
		}
		if !strings.Contains(got.String(), `data: "ended"`) {
			t.Errorf("after ten minutes the stream does not tell of the end: %.2000s", got.String())
		}
		close(listener.conns)
		server.Close()
	})
}
