package promises_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A flight is a request that is held at one place until it is let go: at a call
// of the store, before it is applied or after, or where its handler calls pause.
type flight struct {
	place string
	once  atomic.Bool
	there chan struct{} // closed when it is there
	free  chan struct{}
	done  chan *httptest.ResponseRecorder
}

type flightKey struct{}

func stopAt(ctx context.Context, place string) error {
	f, ok := ctx.Value(flightKey{}).(*flight)
	if ok && f.place == place && f.once.CompareAndSwap(false, true) {
		close(f.there)
		<-f.free
	}
	return nil
}

// pause is where a handler lets a flight be held.
func pause(r *http.Request) { stopAt(r.Context(), "handler") }

// A slow store is applied also when the caller has given up.
type slow struct{ store.Store }

func (s slow) Load(ctx context.Context, id store.ID) (store.Record, error) {
	return s.Store.Load(context.WithoutCancel(ctx), id)
}

func (s slow) Create(ctx context.Context, rec store.Record) error {
	return s.Store.Create(context.WithoutCancel(ctx), rec)
}

func (s slow) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	return s.Store.Update(context.WithoutCancel(ctx), rec, ifVersion)
}

func (s slow) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	return s.Store.Replace(context.WithoutCancel(ctx), old, ifVersion, rec, until)
}

func (s slow) Touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	return s.Store.Touch(context.WithoutCancel(ctx), id, seen, expires)
}

// holding returns a trap that holds flights.
func holding(st store.Store) *trap {
	return &trap{
		Store:  st,
		before: func(ctx context.Context, method string) error { return stopAt(ctx, method) },
		after:  func(ctx context.Context, method string) error { return stopAt(ctx, "after "+method) },
	}
}

// depart sends a request of b and returns once it is held at place: the name of
// a method of the store, with "after " before it or not, or "handler".
func depart(t testing.TB, b *browser, place, method, url string) *flight {
	t.Helper()
	r := b.Request(method, url)
	f := &flight{
		place: place,
		there: make(chan struct{}),
		free:  make(chan struct{}),
		done:  make(chan *httptest.ResponseRecorder, 1),
	}
	r = r.WithContext(context.WithValue(r.Context(), flightKey{}, f))
	go func() { f.done <- b.Serve(r) }()
	select {
	case <-f.there:
	case w := <-f.done:
		t.Fatalf("%s %s was answered with %d %q before it came to %s", r.Method, r.URL, w.Code, w.Body, place)
	}
	return f
}

// land lets the request go and returns its answer.
func (f *flight) land() *httptest.ResponseRecorder {
	close(f.free)
	return <-f.done
}

// A hijackable is a response recorder whose connection can be taken over.
type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, nil, nil }

// socket sends a request whose handler hijacks the connection and is then held;
// written returns what the handler writes after that.
func socket(t *testing.T, b *browser, url string) (f *flight, written func() string) {
	t.Helper()
	client, server := net.Pipe()
	r := b.Request("GET", url)
	f = &flight{place: "handler", there: make(chan struct{}), free: make(chan struct{}), done: make(chan *httptest.ResponseRecorder, 1)}
	r = r.WithContext(context.WithValue(r.Context(), flightKey{}, f))
	go func() {
		w := httptest.NewRecorder()
		b.Handler.ServeHTTP(hijackable{w, server}, r)
		f.done <- w
	}()
	<-f.there
	return f, func() string {
		close(f.free)
		text, err := io.ReadAll(client)
		if err != nil {
			t.Error(err)
		}
		<-f.done
		return string(text)
	}
}
