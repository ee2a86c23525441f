package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/sealedstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
	"github.com/coatcheck/coatcheck/telemetry"
)

// S1 to S15 hold through the wrapper.
func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return newRig(t, memstore.New(memstore.Config{})) })
}

func TestNewRefusesNoStore(t *testing.T) {
	if _, err := telemetry.New(nil, telemetry.Config{}); err == nil || err.Error() != "telemetry: New: store is nil" {
		t.Errorf("got %v", err)
	}
}

// A plain store has the contract and nothing else.
type plain struct{ store.Store }

// G13: the wrapper neither hides nor claims what the wrapped store can do beside
// the contract.
func TestOptionalFeaturesAreThoseOfTheStore(t *testing.T) {
	memory := memstore.New(memstore.Config{})
	if found, ok := store.As[store.Counter](newRig(t, memory)); !ok || found != store.Counter(memory) {
		t.Errorf("got %v, want the store in memory, which counts", found)
	}
	if _, ok := store.As[store.Lister](newRig(t, memory)); !ok {
		t.Error("the lister is hidden")
	}
	bare := newRig(t, plain{memory})
	for name, claimed := range map[string]bool{
		"Counter": has[store.Counter](bare), "Lister": has[store.Lister](bare),
		"Watcher": has[store.Watcher](bare), "Pinger": has[store.Pinger](bare),
	} {
		if claimed {
			t.Errorf("it claims to be a %s", name)
		}
	}
	if inner, ok := store.As[*sealedstore.Store](newRig(t, &sealedstore.Store{Store: memory})); !ok {
		t.Errorf("got %v, want the wrapper that was wrapped", inner)
	}
}

func has[T any](s store.Store) bool { _, ok := store.As[T](s); return ok }

// record is one that is live for an hour.
func record(id byte, user string) store.Record {
	now := time.Now().UTC().Truncate(time.Microsecond)
	rec := store.Record{ID: store.ID{id}, Version: 7, User: user, Created: now, Seen: now, Expires: now.Add(time.Hour), Deadline: now.Add(time.Hour), Data: make([]byte, 100)}
	rec.AuthTime = now
	return rec
}

// Each call is counted by operation and outcome, and its time is taken.
func TestCallsAreCounted(t *testing.T) {
	r := newRig(t, memstore.New(memstore.Config{MaxSessions: 3}), attribute.String("manager", "web"))
	ctx, until := t.Context(), time.Now().Add(time.Minute)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	rec := record(1, "alice")
	next := rec
	next.ID, next.Version = store.ID{2}, 8
	for _, call := range []func() error{
		func() error { return r.Create(ctx, rec) },
		func() error { return r.Create(ctx, rec) },
		func() error { _, err := r.Load(ctx, rec.ID); return err },
		func() error { _, err := r.Load(ctx, store.ID{9}); return err },
		func() error { _, err := r.Load(gone, rec.ID); return err },
		func() error { return r.Update(ctx, rec, 7) },
		func() error { return r.Update(ctx, rec, 1) },
		func() error { return r.Replace(ctx, rec.ID, 7, next, until) },
		func() error { return r.Update(ctx, rec, 7) },
		func() error { return r.Touch(ctx, next.ID, rec.Seen, rec.Expires) },
		func() error { _, err := r.User(ctx, "alice"); return err },
		func() error { _, err := r.End(ctx, next.ID, until); return err },
		func() error { return r.Create(ctx, record(3, "bob")) },
		func() error { return r.Create(ctx, record(4, "bob")) },
		func() error { _, err := r.EndUser(ctx, "bob", time.Now(), until); return err },
		func() error { _, err := r.Sweep(ctx, time.Now(), 10); return err },
	} {
		_ = call() // the outcome is what is tested
	}
	got, seconds := r.counts(t, "coatcheck.store.operation.duration")
	want := map[string]int{
		"coatcheck.operation=create manager=web":                            2,
		"coatcheck.operation=create coatcheck.outcome=exists manager=web":   1,
		"coatcheck.operation=create coatcheck.outcome=full manager=web":     1,
		"coatcheck.operation=update manager=web":                            1,
		"coatcheck.operation=update coatcheck.outcome=conflict manager=web": 1,
		"coatcheck.operation=update coatcheck.outcome=ended manager=web":    1,
		"coatcheck.operation=replace manager=web":                           1,
		"coatcheck.operation=touch manager=web":                             1,
		"coatcheck.operation=user manager=web":                              1,
		"coatcheck.operation=end manager=web":                               1,
		"coatcheck.operation=end_user manager=web":                          1,
		"coatcheck.operation=sweep manager=web":                             1,
	}
	differ(t, got, want)
	loads, _ := r.counts(t, "coatcheck.store.load.duration")
	differ(t, loads, map[string]int{"manager=web": 1, "coatcheck.outcome=not_found manager=web": 1, "coatcheck.outcome=canceled manager=web": 1})
	if seconds <= 0 || seconds > 60 {
		t.Errorf("13 calls took %g s", seconds)
	}
	got, bytes := r.counts(t, "coatcheck.record.size")
	differ(t, got, map[string]int{"coatcheck.operation=create manager=web": 2, "coatcheck.operation=update manager=web": 1, "coatcheck.operation=replace manager=web": 1})
	if bytes != 400 {
		t.Errorf("four records of 100 bytes have %g", bytes)
	}
}

func differ(t *testing.T, got, want map[string]int) {
	t.Helper()
	if !maps.Equal(got, want) {
		for _, side := range []struct{ a, b map[string]int }{{got, want}, {want, got}} {
			for k, n := range side.a {
				if side.b[k] != n {
					t.Errorf("%q: got %d, want %d", k, got[k], want[k])
				}
			}
		}
	}
}

// A failing store answers every load with an error.
type failing struct {
	store.Store
	err error
}

func (f failing) Load(context.Context, store.ID) (store.Record, error) { return store.Record{}, f.err }

// error.type is there where the store failed, and only there. What its error says is
// told nowhere.
func TestFailuresHaveAType(t *testing.T) {
	r := newRig(t, failing{err: nil})
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	ctx, span := r.traces.Tracer("test").Start(t.Context(), "request")
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want string
	}{
		{ctx, errors.New("duplicate key (id)=(\\x0102)"), "coatcheck.outcome=failed error.type=_OTHER"},
		{ctx, fmt.Errorf("driver: %w", context.DeadlineExceeded), "coatcheck.outcome=timeout error.type=timeout"},
		{trace.ContextWithSpan(late, span), errors.New("i/o timeout"), "coatcheck.outcome=timeout error.type=timeout"},
		{ctx, errors.ErrUnsupported, "coatcheck.outcome=unsupported"},
		{ctx, &store.EndedError{}, "coatcheck.outcome=ended"},
		{ctx, nil, ""},
	} {
		r.spans.Reset()
		before, _ := r.counts(t, "coatcheck.store.load.duration")
		s := newRigOf(t, r, failing{err: c.err})
		_, _ = s.Load(c.ctx, store.ID{1})
		after, _ := r.counts(t, "coatcheck.store.load.duration")
		if after[c.want] != before[c.want]+1 {
			t.Errorf("%v: got %v after %v, want one more %q", c.err, after, before, c.want)
		}
		spans := r.spans.GetSpans()
		if len(spans) != 1 {
			t.Fatalf("%v: got %d spans, want one", c.err, len(spans))
		}
		want := strings.TrimSpace("coatcheck.operation=load " + c.want)
		if got := spell(attribute.NewSet(spans[0].Attributes...)); got != want || len(spans[0].Events) > 0 {
			t.Errorf("%v: the span says %q, want %q", c.err, got, want)
		}
		failed := attribute.NewSet(spans[0].Attributes...)
		if has := failed.HasValue("error.type"); has != (spans[0].Status.Code == codes.Error) {
			t.Errorf("%v: the span's status is %v", c.err, spans[0].Status)
		}
	}
}

// newRigOf measures another store with the same SDK.
func newRigOf(t *testing.T, r *rig, inner store.Store) *telemetry.Store {
	t.Helper()
	s, err := telemetry.New(inner, telemetry.Config{MeterProvider: r.meters, TracerProvider: r.traces})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var visits = coatcheck.NewKey[int]("visits")

// site is an application with the few routes that tests need.
func site(sessions *coatcheck.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login(r.FormValue("user"))
	})
	mux.HandleFunc("POST /visit", func(_ http.ResponseWriter, r *http.Request) {
		visits.Update(coatcheck.From(r.Context()), func(n int) int { return n + 1 })
	})
	mux.HandleFunc("POST /stream", func(_ http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Ended()
		<-r.Context().Done()
	})
	mux.HandleFunc("POST /logout", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Logout() })
	return sessions.Handler(mux)
}

// visit sends a request and wants a status.
func visit(t *testing.T, b *coatchecktest.Browser, path string, want int) {
	t.Helper()
	res, err := b.Post(path, "application/x-www-form-urlencoded", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != want {
		t.Errorf("POST %s: got %d, want %d", path, res.StatusCode, want)
	}
}

// Each call of the store within a request is a child of the request's span; a call
// of which nobody asks begins no trace.
func TestSpansAreChildrenOfTheRequest(t *testing.T) {
	r := newRig(t, memstore.New(memstore.Config{}))
	sessions := r.sessions(t, coatcheck.Config{})
	b := coatchecktest.NewHandlerBrowser(r.traced(site(sessions)))
	visit(t, b, "/login?user=alice", http.StatusOK)
	r.spans.Reset()
	visit(t, b, "/visit", http.StatusOK)
	spans := r.spans.GetSpans()
	var names []string
	for _, s := range spans {
		names = append(names, s.Name)
	}
	if want := []string{"coatcheck.store load", "coatcheck.store update", "request"}; fmt.Sprint(names) != fmt.Sprint(want) {
		t.Fatalf("got the spans %q, want %q", names, want)
	}
	for _, s := range spans[:2] {
		if s.Parent.SpanID() != spans[2].SpanContext.SpanID() || s.SpanContext.TraceID() != spans[2].SpanContext.TraceID() {
			t.Errorf("%s is no child of the request's span", s.Name)
		}
	}
	r.spans.Reset()
	if _, err := sessions.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if spans := r.spans.GetSpans(); len(spans) > 0 {
		t.Errorf("a sweep that nobody traces made %v", spans)
	}
}

// Events are counted by kind and reason.
func TestEventsAreCounted(t *testing.T) {
	r := newRig(t, memstore.New(memstore.Config{}))
	b := coatchecktest.NewHandlerBrowser(site(r.sessions(t, coatcheck.Config{})))
	visit(t, b, "/visit", http.StatusOK)
	visit(t, b, "/login?user=alice", http.StatusOK)
	visit(t, b, "/login?user=bob", http.StatusOK)
	visit(t, b, "/logout", http.StatusOK)
	forged, _ := http.NewRequest("POST", "/visit", nil)
	forged.Header.Set("Cookie", "__Host-Http-sid=nonsense")
	res, err := coatchecktest.NewHandlerBrowser(site(r.sessions(t, coatcheck.Config{}))).Do(forged)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	got, _ := r.counts(t, "coatcheck.events")
	differ(t, got, map[string]int{
		"coatcheck.event.kind=created": 2, "coatcheck.event.kind=login": 2, "coatcheck.event.kind=logout": 1,
		"coatcheck.event.kind=refused coatcheck.event.reason=session cookie: malformed": 1,
	})
}

// What the core tells of commits and streams is measured, also by one that is wrapped
// by another.
func TestCommitsAndStreamsAreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newRig(t, memstore.New(memstore.Config{}))
		outer := newRig(t, inner, attribute.String("manager", "web"))
		b := coatchecktest.NewHandlerBrowser(site(outer.sessions(t, coatcheck.Config{})))
		visit(t, b, "/login?user=alice", http.StatusOK)
		for range 3 {
			visit(t, b, "/visit", http.StatusOK)
		}
		want := func(streams int) {
			t.Helper()
			for r, set := range map[*rig]string{inner: "", outer: "manager=web"} {
				for name, n := range map[string]int{"coatcheck.commit.wait_time": 3, "coatcheck.commit.replays": 3, "coatcheck.streams": streams} {
					if got, _ := r.counts(t, name); got[set] != n {
						t.Errorf("%s: got %v, want %d for %q", name, got, n, set)
					}
				}
			}
		}
		ctx, leave := context.WithCancel(t.Context())
		stream, _ := http.NewRequestWithContext(ctx, "POST", "/stream", nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			if res, err := b.Do(stream); err == nil {
				res.Body.Close()
			}
		})
		synctest.Wait()
		want(1)
		leave()
		wg.Wait()
		want(0)
	})
}

// Whatever kinds and reasons a later core may have, or an application makes up: the
// number of series is bounded.
func TestUnknownReasonsAreOther(t *testing.T) {
	r := newRig(t, memstore.New(memstore.Config{}))
	for i := range 1000 {
		r.Event(coatcheck.Event{Kind: coatcheck.Refused, Reason: fmt.Sprint("session cookie: number ", i)})
		r.Event(coatcheck.Event{Kind: coatcheck.Kind(fmt.Sprint("kind ", i)), Reason: "sweep"})
	}
	r.Event(coatcheck.Event{Kind: coatcheck.StoreError, Reason: "sweep"})
	got, _ := r.counts(t, "coatcheck.events")
	differ(t, got, map[string]int{
		"coatcheck.event.kind=refused coatcheck.event.reason=other":     1000,
		"coatcheck.event.kind=other coatcheck.event.reason=sweep":       1000,
		"coatcheck.event.kind=store error coatcheck.event.reason=sweep": 1,
	})
}
