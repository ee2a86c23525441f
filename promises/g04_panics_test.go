package promises_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// G4: "never silence": what waited for the commit when the handler panicked is
// an event.
func TestG4PanicWithChanges(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(http.ResponseWriter){"before the first byte": func(http.ResponseWriter) {}, "after it": func(w http.ResponseWriter) { io.WriteString(w, "x") }} {
		var l coatchecktest.Events
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
		h := only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			s.User()
			before(w)
			hits.Set(s, 5)
			panic(http.ErrAbortHandler)
		})
		b := begin(t, m, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { recover() }()
			h.ServeHTTP(w, r)
		}))
		l.Reset()
		b.Send("POST", "/")
		if _, n := stored(m, b); n != 1 || l.Count(coatcheck.Late) != 1 {
			t.Errorf("%s: stored %d and the events %v, want 1 and late", name, n, l.Kinds())
		}
	}
}

// G4: "After the handler returned every change is an error", also if a goroutine
// goes on writing to the response.
func TestG4WritesAfterTheReturnOpenNothing(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(http.ResponseWriter){
		"Write":  func(w http.ResponseWriter) { w.Write([]byte("x")) },
		"Hijack": func(w http.ResponseWriter) { w.(http.Hijacker).Hijack() },
		"Flush":  func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
	} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		var kept http.ResponseWriter
		var session *coatcheck.Session
		b := begin(t, m, only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			s.User()
			kept, session = w, s
		}))
		b.Handler.ServeHTTP(&witness{ResponseRecorder: httptest.NewRecorder(), t: t}, b.Request("GET", "/"))
		write(kept)
		if hits.Set(session, 5); !errors.Is(session.Err(), coatcheck.ErrLate) {
			t.Errorf("%s: Err is %v, want ErrLate", name, session.Err())
		}
	}
}

// G4: a goroutine that first asks for the session while the answer of a handler
// that did not leaves, is refused or in time: never silence.
func TestG4SessionMadeAtTheEnd(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
	var err error
	h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			s := m.From(r.Context())
			hits.Set(s, 1)
			err = s.Err()
		}()
		io.WriteString(w, "x")
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil))
	if !errors.Is(err, coatcheck.ErrLate) || l.Count(coatcheck.Late) != 1 {
		t.Errorf("got %v and the events %v, want ErrLate and late", err, l.Kinds())
	}
}

// G4: "saved … or an error … and an event; never silence", however the goroutine
// of a handler and its return meet.
func TestG4GoroutinesAndReturn(t *testing.T) {
	t.Parallel()
	const requests = 300
	for _, live := range []bool{true, false} {
		for name, answer := range map[string]func(http.ResponseWriter){
			"returns": func(http.ResponseWriter) {}, "writes": func(w http.ResponseWriter) { io.WriteString(w, "x") },
		} {
			t.Run(fmt.Sprint(name, "/live=", live), func(t *testing.T) {
				t.Parallel()
				for range requests {
					goroutineAndReturn(t, live, answer)
				}
			})
		}
	}
}

func goroutineAndReturn(t *testing.T, live bool, answer func(http.ResponseWriter)) {
	var l coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
	var done sync.WaitGroup
	accepted := 0
	h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if live {
			m.From(r.Context()).User()
		}
		started := make(chan struct{})
		done.Go(func() {
			close(started)
			s := m.From(r.Context())
			for i := 2; ; i++ {
				hits.Set(s, i)
				if s.Err() != nil {
					return
				}
				accepted = i
				runtime.Gosched()
			}
		})
		<-started
		answer(w)
	}))
	b := newBrowser(h)
	if live {
		b = begin(t, m, h)
	}
	l.Reset()
	b.Send("POST", "/")
	done.Wait() // ends with ErrLate
	_, n := stored(m, b)
	late := l.Count(coatcheck.Late)
	if late == 0 || live && accepted > 0 && n != accepted || !live && n != 0 && n > accepted {
		t.Fatalf("accepted up to %d, stored %d, %d events of a late change", accepted, n, late)
	}
}
