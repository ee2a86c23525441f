package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A listening app hands out the channel of each stream, and ends, changes and
// renews sessions.
type listening struct {
	http.Handler
	m        *coatcheck.Manager
	channels chan (<-chan struct{})
}

func listen(m *coatcheck.Manager) *listening {
	l := &listening{m: m, channels: make(chan (<-chan struct{}), 1)}
	mux := http.NewServeMux()
	mux.Handle("/", g3App(m))
	mux.Handle("/stream", m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		s.User()
		if r.URL.RawQuery == "ends" { // between the load and the call
			pause(r)
		}
		over := s.Ended()
		if again := s.Ended(); again != over && !isClosed(over) {
			panic("two channels for one token")
		}
		w.(http.Flusher).Flush()
		if r.URL.RawQuery == "ends" {
			select {
			case <-over:
			case <-time.After(time.Second):
			}
		}
		l.channels <- over
		pause(r)
	})))
	mux.Handle("/socket", m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		over := m.From(r.Context()).Ended()
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		conn.Close()
		l.channels <- over
		pause(r)
	})))
	l.Handler = mux
	return l
}

// stream opens a stream of b and returns its channel.
func (l *listening) stream(t *testing.T, b *browser) (*flight, <-chan struct{}) {
	t.Helper()
	f := depart(t, b, "handler", "GET", "/stream")
	return f, <-l.channels
}

// §7: "s.Ended() closes when the session ends anywhere, also by expiry and when
// its token is replaced", and not by what only changes or moves it.
func TestEndedCloses(t *testing.T) {
	tests := map[string]struct {
		do    func(t *testing.T, l *listening, b *browser)
		close bool
	}{
		"Logout":         {func(t *testing.T, l *listening, b *browser) { b.Send("POST", "/?o") }, true},
		"Login":          {func(t *testing.T, l *listening, b *browser) { b.Send("POST", "/?a") }, true},
		"other Login":    {func(t *testing.T, l *listening, b *browser) { b.Send("POST", "/?b") }, true},
		"Renew":          {func(t *testing.T, l *listening, b *browser) { b.Send("POST", "/?n") }, true},
		"Reauthenticate": {func(t *testing.T, l *listening, b *browser) { b.Send("POST", "/?p") }, true},
		"Remember":       {func(t *testing.T, l *listening, b *browser) { b.Send("POST", "/?m") }, true},
		"RevokeAll":      {func(t *testing.T, l *listening, b *browser) { l.m.RevokeAll(t.Context(), "ann") }, true},
		"Revoke":         {func(t *testing.T, l *listening, b *browser) { ends["Revoke"](t, l.m, b) }, true},
		"RevokeOthers": {func(t *testing.T, l *listening, b *browser) {
			time.Sleep(time.Second)
			other := newBrowser(g11App(l.m))
			wants(t, other.Send("POST", "/login?user=ann"), 200, "")
			wants(t, other.Send("POST", "/others"), 200, "1")
		}, true},
		"idle": {func(t *testing.T, l *listening, b *browser) { time.Sleep(33 * time.Minute) }, true},
		"lifetime": {func(t *testing.T, l *listening, b *browser) {
			for range 48 {
				time.Sleep(15 * time.Minute)
				b.Send("GET", "/")
			}
		}, true},
		"nothing":      {func(t *testing.T, l *listening, b *browser) { time.Sleep(33*time.Minute - time.Nanosecond) }, false},
		"value":        {func(t *testing.T, l *listening, b *browser) { b.Send("POST", "/?d") }, false},
		"flash":        {func(t *testing.T, l *listening, b *browser) { b.Send("POST", "/?fcF") }, false},
		"other logout": {func(t *testing.T, l *listening, b *browser) { newBrowser(b.Handler).Send("POST", "/?ao") }, false},
		"other user":   {func(t *testing.T, l *listening, b *browser) { l.m.RevokeAll(t.Context(), "bob") }, false},
		"activity": {func(t *testing.T, l *listening, b *browser) {
			for range 10 {
				time.Sleep(20 * time.Minute)
				b.Send("GET", "/")
			}
			time.Sleep(20 * time.Minute)
		}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := listen(manage(t, holding(memstore.New(memstore.Config{})), coatcheck.Config{}))
				b := newBrowser(l)
				wants(t, b.Send("POST", "/?a"), 200, "")
				f, over := l.stream(t, b)
				synctest.Wait()
				if isClosed(over) {
					t.Fatal("closed at once")
				}
				test.do(t, l, b)
				synctest.Wait()
				if isClosed(over) != test.close {
					t.Errorf("closed: %t, want %t", !test.close, test.close)
				}
				f.land()
			})
		})
	}
}

// Who hears that a session has ended finds the event that says why: it was told
// before (G13).
func TestEndedAfterItsEvent(t *testing.T) {
	for name, steps := range map[string]string{"logout": "o", "revoked": "R"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var over <-chan struct{}
				told := 0
				l := listen(manage(t, holding(memstore.New(memstore.Config{})), coatcheck.Config{Events: func(e coatcheck.Event) {
					if e.Kind == coatcheck.Kind(name) {
						if told++; isClosed(over) {
							t.Error("the channel was closed before the event")
						}
					}
				}}))
				b := newBrowser(l)
				wants(t, b.Send("POST", "/?a"), 200, "")
				time.Sleep(time.Second)
				f, channel := l.stream(t, b)
				over = channel
				b.Send("POST", "/?"+steps)
				if told != 1 || !isClosed(over) {
					t.Errorf("%d events, closed: %t; want 1, true", told, isClosed(over))
				}
				f.land()
			})
		})
	}
}

// §7: Ended of a request without a session, or whose session has ended, is
// closed already.
func TestEndedWithoutSession(t *testing.T) {
	t.Parallel()
	st := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, st, coatcheck.Config{})
	l := listen(m)
	b := newBrowser(l)
	b.Send("GET", "/stream")
	if !isClosed(<-l.channels) {
		t.Error("open without a session")
	}
	wants(t, b.Send("POST", "/?a"), 200, "")
	if _, err := m.RevokeAll(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	b.Send("GET", "/stream")
	if !isClosed(<-l.channels) {
		t.Error("open although the session has ended")
	}
	b = newBrowser(l)
	wants(t, b.Send("POST", "/?b"), 200, "")
	st.set(away("Load"), nil)
	b.Send("GET", "/stream")
	if !isClosed(<-l.channels) {
		t.Error("open although the session could not be loaded")
	}
}

// §7: "s.Ended() closes when the session ends anywhere": also if that happened
// between the request's load and the call.
func TestEndedBetweenLoadAndCall(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
				l := listen(m)
				b := newBrowser(l)
				wants(t, b.Send("POST", "/?a"), 200, "")
				f := depart(t, b, "handler", "GET", "/stream?ends")
				if name == "Logout" {
					wants(t, b.Clone().Send("POST", "/?o"), 200, "")
				} else {
					end(t, m, b)
				}
				close(f.free)
				over := <-l.channels
				if !isClosed(over) {
					t.Error("open although the session had ended before the call")
				}
				<-f.done
			})
		})
	}
}

// §7: what a request itself does to its session: the channel of the old token
// closes, that of the new one is open.
func TestEndedAfterOwnChange(t *testing.T) {
	for steps, open := range map[string]bool{"n": true, "a": true, "b": true, "p": true, "m": true, "o": false, "od": true, "R": false, "d": true} {
		t.Run(steps, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
				b := newBrowser(g3App(m))
				wants(t, b.Send("POST", "/?a"), 200, "")
				time.Sleep(time.Second)
				inner := g3App(m)
				b.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s := m.From(r.Context())
					before := s.Ended()
					inner.ServeHTTP(w, r)
					if err := s.Commit(); err != nil {
						t.Error(err)
					}
					after := s.Ended()
					synctest.Wait()
					if isClosed(before) != (steps != "d") {
						t.Errorf("the old token's channel is closed: %t", isClosed(before))
					}
					if isClosed(after) == open {
						t.Errorf("the new token's channel is closed: %t", isClosed(after))
					}
				}))
				wants(t, b.Send("POST", "/?"+steps), 200, "")
			})
		})
	}
}

// Nothing is left of a request that has returned: no timer that asks the store.
func TestEndedForgetsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := holding(memstore.New(memstore.Config{}))
		l := listen(manage(t, st, coatcheck.Config{}))
		b := newBrowser(l)
		wants(t, b.Send("POST", "/?a"), 200, "")
		f, over := l.stream(t, b)
		g, _ := l.stream(t, b)
		f.land()
		g.land()
		synctest.Wait()
		if isClosed(over) {
			t.Error("closed by the handler's return")
		}
		loads := st.count("Load")
		time.Sleep(24 * time.Hour)
		if n := st.count("Load") - loads; n != 0 {
			t.Errorf("%d loads for requests that have returned", n)
		}
	})
}

// A stream stays while another one of the same session returns.
func TestEndedOfTwoStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := manage(t, holding(memstore.New(memstore.Config{})), coatcheck.Config{})
		l := listen(m)
		b := newBrowser(l)
		wants(t, b.Send("POST", "/?a"), 200, "")
		short, _ := l.stream(t, b)
		long, over := l.stream(t, b)
		short.land()
		wants(t, b.Send("POST", "/?o"), 200, "")
		if !isClosed(over) {
			t.Error("open after the end")
		}
		long.land()
	})
}

// A handler that hijacked the connection may return: the channel still closes.
// Nobody tells when such a connection is done; all that it may leave behind is
// one question to the store per session and idle time.
func TestEndedOfHijackedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := holding(memstore.New(memstore.Config{}))
		l := listen(manage(t, st, coatcheck.Config{Idle: 10 * time.Minute}))
		b := newBrowser(l)
		wants(t, b.Send("POST", "/?a"), 200, "")
		var all []<-chan struct{}
		for range 50 {
			_, written := socket(t, b, "/socket")
			all = append(all, <-l.channels)
			written()
		}
		synctest.Wait()
		loads := st.count("Load")
		for range 6 {
			time.Sleep(5 * time.Minute)
			wants(t, b.Send("GET", "/"), 200, "ann||")
		}
		if n := st.count("Load") - loads - 6; n > 6 {
			t.Errorf("%d loads in 30 minutes for connections that are perhaps done", n)
		}
		for _, over := range all {
			if isClosed(over) {
				t.Fatal("closed by the handler's return")
			}
		}
		wants(t, b.Send("POST", "/?o"), 200, "")
		for _, over := range all {
			if !isClosed(over) {
				t.Fatal("open after the end")
			}
		}
	})
}

// Ended called after the handler has returned promises nothing, and leaves
// nothing behind.
func TestEndedAfterTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := holding(memstore.New(memstore.Config{}))
		m := manage(t, st, coatcheck.Config{})
		b := newBrowser(g3App(m))
		wants(t, b.Send("POST", "/?a"), 200, "")
		var s *coatcheck.Session
		b.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s = m.From(r.Context())
			s.User()
		}))
		wants(t, b.Send("GET", "/"), 200, "")
		if !isClosed(s.Ended()) {
			t.Error("open after the handler has returned")
		}
		loads := st.count("Load")
		time.Sleep(time.Hour)
		if n := st.count("Load") - loads; n != 0 {
			t.Errorf("%d loads", n)
		}
	})
}

// An end in another process is seen when the idle end comes, and by Watch within
// its period.
func TestEndedElsewhere(t *testing.T) {
	for _, watch := range []bool{false, true} {
		t.Run(fmt.Sprint("watch=", watch), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := memstore.New(memstore.Config{})
				l := listen(manage(t, justStore{st}, coatcheck.Config{}))
				elsewhere := manage(t, st, coatcheck.Config{})
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error)
				if watch {
					go func() { done <- l.m.Watch(ctx, 5*time.Second) }()
				}
				b := newBrowser(l)
				wants(t, b.Send("POST", "/?a"), 200, "")
				f, over := l.stream(t, b)
				time.Sleep(10 * time.Minute)
				if _, err := elsewhere.RevokeAll(t.Context(), "ann"); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				<-over
				took, want := time.Since(start), 23*time.Minute
				if watch {
					want = 5 * time.Second
				}
				if took > want {
					t.Errorf("it took %v, want at most %v", took, want)
				}
				f.land()
				stop()
				if watch {
					if err := <-done; err != context.Canceled {
						t.Errorf("Watch returned %v", err)
					}
				}
			})
		})
	}
}

// justStore hides what a store offers beside the contract.
type justStore struct{ store.Store }

// A store that is away when the end is due ends nothing: it is asked again.
func TestEndedDuringOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &trap{Store: memstore.New(memstore.Config{})}
		l := listen(manage(t, st, coatcheck.Config{}))
		b := newBrowser(l)
		wants(t, b.Send("POST", "/?a"), 200, "")
		f, over := l.stream(t, b)
		synctest.Wait()
		st.set(away("Load"), nil)
		time.Sleep(34 * time.Minute)
		if isClosed(over) {
			t.Error("closed by an outage")
		}
		st.set(nil, nil)
		start := time.Now()
		<-over
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("after the outage it took %v to notice the end", took)
		}
		f.land()
	})
}
