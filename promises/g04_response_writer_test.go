package promises_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/internal/passedby"
	"github.com/coatcheck/coatcheck/memstore"
)

// G4: works as without us: whoever asks the writer when the client leaves, as
// gin's c.Stream does, is told.
func TestG4CloseNotify(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	told := make(chan bool, 1)
	srv := httptest.NewServer(only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		gone := w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
		w.(http.Flusher).Flush()
		select {
		case yes := <-gone:
			told <- yes
		case <-time.After(time.Minute):
			told <- false
		}
	}))
	t.Cleanup(srv.Close)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	leave()
	if !<-told {
		t.Error("the client left, and nobody told the handler")
	}
}

// The writers that routers have around the server's, with how they tell that an
// answer has begun.
type (
	writtenWriter struct { // gin, negroni
		http.ResponseWriter
		written bool
	}
	statusWriter struct { // chi
		http.ResponseWriter
		status int
	}
	committedWriter struct { // echo
		http.ResponseWriter
		Committed bool
	}
)

func (w *writtenWriter) Write(b []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(b)
}
func (w *writtenWriter) Written() bool { return w.written }
func (w *statusWriter) Write(b []byte) (int, error) {
	w.status = 200
	return w.ResponseWriter.Write(b)
}
func (w *statusWriter) Status() int       { return w.status }
func (w *statusWriter) BytesWritten() int { return 0 }
func (w *committedWriter) Write(b []byte) (int, error) {
	w.Committed = true
	return w.ResponseWriter.Write(b)
}

// An opaque writer tells nothing but by what it unwraps to.
type opaque struct{ http.ResponseWriter }

func (w opaque) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// past is the middleware that people write for a router with a writer of its own:
// next answers through that, and not through ours.
func past(m *coatcheck.Manager, wrap func(http.ResponseWriter) http.ResponseWriter, next route) http.Handler {
	return http.HandlerFunc(func(outer http.ResponseWriter, r *http.Request) {
		outer = wrap(outer)
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			next(outer, r, m.From(r.Context()))
		})).ServeHTTP(outer, r)
	})
}

// Every way in which an answer goes past us.
var ways = map[string]func(http.ResponseWriter) http.ResponseWriter{
	"the server's own": func(w http.ResponseWriter) http.ResponseWriter { return w },
	"Written":          func(w http.ResponseWriter) http.ResponseWriter { return &writtenWriter{ResponseWriter: w} },
	"Status":           func(w http.ResponseWriter) http.ResponseWriter { return &statusWriter{ResponseWriter: w} },
	"Committed":        func(w http.ResponseWriter) http.ResponseWriter { return &committedWriter{ResponseWriter: w} },
	"unwraps":          func(w http.ResponseWriter) http.ResponseWriter { return opaque{opaque{w}} },
}

// servers serve one request and return the names of the cookies of its answer.
var servers = map[string]func(t *testing.T, h http.Handler) (cookies string){
	"recorder": func(t *testing.T, h http.Handler) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
		return names(w.Result())
	},
	"HTTP/1": func(t *testing.T, h http.Handler) string { return post(t, httptest.NewServer(h)) },
	"HTTP/2": func(t *testing.T, h http.Handler) string {
		srv := httptest.NewUnstartedServer(h)
		srv.EnableHTTP2 = true
		srv.StartTLS()
		return post(t, srv)
	},
}

func post(t *testing.T, srv *httptest.Server) string {
	t.Helper()
	defer srv.Close()
	res, err := srv.Client().Post(srv.URL, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return names(res)
}

func names(res *http.Response) (list string) {
	for _, c := range res.Cookies() {
		list += c.Name + " "
	}
	return list
}

// G4: never silence: an answer that went past our writer is an event, and what
// needs a cookie is not stored.
func TestG4PassedBy(t *testing.T) {
	t.Parallel()
	for server, serve := range servers {
		for way, wrap := range ways {
			t.Run(server+"/"+way, func(t *testing.T) {
				t.Parallel()
				var events coatchecktest.Events
				store := memstore.New(memstore.Config{})
				m := manage(t, store, coatcheck.Config{Events: events.Record})
				h := past(m, wrap, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
					s.Login("alice")
					io.WriteString(w, "Logged in")
				})
				var told error
				cookies := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ctx := context.WithValue(r.Context(), passedby.Key{}, func(err error) { told = err })
					h.ServeHTTP(w, r.WithContext(ctx))
				}))
				if cookies != "" {
					t.Fatalf("the cookies %sleft after all: is there something to tell?", cookies)
				}
				if told == nil || !strings.Contains(told.Error(), "docs/guide/routers.md") {
					t.Errorf("told %v, want what to do", told)
				}
				if got := reasons(&events, coatcheck.Late); !strings.Contains(got, "answered past the session's writer") {
					t.Errorf("events %q, want that the answer went past us", got)
				}
				if stats, err := store.Stats(t.Context()); err != nil || stats.Sessions != 0 {
					t.Errorf("%d sessions, %v, though nobody has their cookie; want none", stats.Sessions, err)
				}
			})
		}
	}
}

// In a test nobody overlooks it: the handler panics, and a browser of
// coatchecktest gives an error even where a router recovers.
func TestPassedByIsLoudInTests(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	h := past(m, ways["Written"], func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		s.User()
		io.WriteString(w, "hello")
	})
	recovering := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { recover() }()
		h.ServeHTTP(w, r)
	})
	if res, err := coatchecktest.NewHandlerBrowser(recovering).Get("/"); err == nil {
		t.Errorf("the browser got %s, want an error", res.Status)
	}
	var got any
	func() {
		defer func() { got = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	if err, ok := got.(error); !ok || !strings.Contains(err.Error(), "docs/guide/routers.md") {
		t.Errorf("the handler panicked with %v, want what to do", got)
	}
}

// What is no fault is none: an answer of a handler that looks at no session, an
// empty one, one that had begun before us, one recorder for two requests.
func TestPassedByIsNoFault(t *testing.T) {
	t.Parallel()
	var events coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: events.Record})
	look := func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.User() }
	for way, wrap := range ways {
		for name, h := range map[string]http.Handler{
			"looks at no session": past(m, wrap, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { io.WriteString(w, "x") }),
			"empty":               past(m, wrap, look),
			"through ours":        only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.User(); io.WriteString(w, "x") }),
		} {
			h.ServeHTTP(wrap(httptest.NewRecorder()), httptest.NewRequest("GET", "/", nil))
			if got := reasons(&events, coatcheck.Late); got != "" {
				t.Errorf("%s, %s: events %q, want none", way, name, got)
			}
		}
	}
	w := httptest.NewRecorder()
	for range 2 { // no panic, though the second finds the answer of the first
		only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.User(); w.WriteHeader(204) }).
			ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		only(m, look).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	}
}
