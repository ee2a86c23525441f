package promises_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

var ratio = coatcheck.NewKey[float64]("ratio")

// told are the events of one request, which its id in their context tells, and
// what OnError was given for it.
type told struct {
	mu       sync.Mutex
	events   map[string][]coatcheck.Event
	replaced map[string][]error
}

func (l *told) config(cfg coatcheck.Config) coatcheck.Config {
	l.events, l.replaced = make(map[string][]coatcheck.Event), make(map[string][]error)
	cfg.Events = func(e coatcheck.Event) {
		id, _ := e.Context.Value(requestKey{}).(string)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.events[id] = append(l.events[id], e)
	}
	cfg.OnError = func(w http.ResponseWriter, r *http.Request, err error) {
		id, _ := r.Context().Value(requestKey{}).(string)
		l.mu.Lock()
		l.replaced[id] = append(l.replaced[id], err)
		l.mu.Unlock()
		coatcheck.AnswerError(w, r, err)
	}
	return cfg
}

// numbered does a request whose context has an id.
func numbered(b *browser, id, method string, headers ...string) int {
	h := b.Handler
	other := b.Clone()
	other.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, id)))
	})
	return other.Send(method, "https://app.example/", headers...).Code
}

// G13: no answer is replaced without an event, which says why out of a fixed
// list, and has the values of the request's context.
func TestG13NoAnswerReplacedWithoutATrace(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	failing := func(method string, err error) func(*trap) {
		return func(store *trap) {
			store.set(func(_ context.Context, called string) error {
				if called == method {
					return err
				}
				return nil
			}, nil)
		}
	}
	act := func(f func(*coatcheck.Session)) route {
		return func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { f(s) }
	}
	for _, c := range []struct {
		name    string
		do      route
		breaks  func(*trap)
		headers []string
		status  int
		kind    coatcheck.Kind
		reason  string
		err     error // of OnError, and of the event if it is Failed
	}{
		{"a value too large", act(func(s *coatcheck.Session) { note.Set(s, strings.Repeat("x", 33<<10)) }), nil, nil,
			413, coatcheck.Failed, "too large", coatcheck.ErrTooLarge},
		{"too many values", act(func(s *coatcheck.Session) {
			for i := range 300 {
				coatcheck.NewKey[int](fmt.Sprint("n", i)).Set(s, i)
			}
		}), nil, nil, 413, coatcheck.Failed, "too large", coatcheck.ErrTooLarge},
		{"NaN", act(func(s *coatcheck.Session) { ratio.Set(s, math.NaN()) }), nil, nil,
			500, coatcheck.Failed, "a value, name, user or time that is not valid", coatcheck.ErrValue},
		{"Login of nobody", act(func(s *coatcheck.Session) { s.Login("") }), nil, nil,
			500, coatcheck.Failed, "a value, name, user or time that is not valid", coatcheck.ErrValue},
		{"Remember too long", act(func(s *coatcheck.Session) { s.Remember(999 * day) }), nil, nil,
			500, coatcheck.Failed, "a value, name, user or time that is not valid", coatcheck.ErrValue},
		{"the zero Key", act(func(s *coatcheck.Session) { coatcheck.Key[int]{}.Set(s, 1) }), nil, nil,
			500, coatcheck.Failed, "a value, name, user or time that is not valid", coatcheck.ErrValue},
		{"the zero Key's Pop", act(func(s *coatcheck.Session) { coatcheck.Key[int]{}.Pop(s) }), nil, nil,
			500, coatcheck.Failed, "a value, name, user or time that is not valid", coatcheck.ErrValue},
		{"one session too many", act(func(s *coatcheck.Session) { s.Login("bob") }), nil, nil,
			409, coatcheck.Failed, "the user has as many sessions as are allowed", coatcheck.ErrTooMany},
		{"a prefetch", act(func(s *coatcheck.Session) { hits.Set(s, 3) }), nil, []string{"Sec-Purpose", "prefetch"},
			503, coatcheck.Failed, "a prefetch must not change the session", coatcheck.ErrReadOnly},
		{"the store is full", act(func(s *coatcheck.Session) { s.Renew() }), failing("Replace", coatcheck.ErrFull), nil,
			503, coatcheck.Failed, "the store is full", coatcheck.ErrFull},
		{"races that are always lost", act(func(s *coatcheck.Session) { hits.Set(s, 3) }), failing("Update", coatcheck.ErrConflict), nil,
			503, coatcheck.Failed, "others wrote the session each time", coatcheck.ErrConflict},
		{"Update uses the session", act(func(s *coatcheck.Session) { hits.Update(s, func(int) int { s.User(); return 1 }) }), nil, nil,
			503, coatcheck.Failed, "the session was in use by a call that did not end", nil},
		{"the load fails", act(func(s *coatcheck.Session) { s.User() }), failing("Load", away), nil,
			503, coatcheck.StoreError, "load", away},
		{"the commit fails", act(func(s *coatcheck.Session) { hits.Set(s, 3) }), failing("Update", away), nil,
			503, coatcheck.StoreError, "commit", away},
		{"the list fails", act(func(s *coatcheck.Session) { s.Login("bob") }), failing("User", away), nil,
			503, coatcheck.StoreError, "list", away},
		{"the logout fails", act(func(s *coatcheck.Session) { s.Logout() }), failing("End", away), nil,
			503, coatcheck.StoreError, "end", away},
		{"Touch fails", func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			s.User()
			time.Sleep(10 * time.Minute)
			s.Touch()
		}, failing("Touch", away), nil, 503, coatcheck.StoreError, "touch", away},
		{"a write after the end", act(func(s *coatcheck.Session) { hits.Set(s, 3) }), failing("Update", coatcheck.ErrEnded), nil,
			409, coatcheck.WriteEnded, "the session had ended", coatcheck.ErrEnded},
		{"from another site", act(func(s *coatcheck.Session) {}), nil, []string{"Sec-Fetch-Site", "cross-site"},
			403, coatcheck.Refused, "cross-origin request", coatcheck.ErrCrossOrigin},
		{"not recently enough", act(func(s *coatcheck.Session) { s.User() }), nil, []string{"X-Guard", "fresh"},
			401, coatcheck.LoginRequired, "the login is not recent enough", coatcheck.ErrNotFresh},
		{"nobody", act(func(s *coatcheck.Session) { s.User() }), nil, []string{"X-Guard", "login", "Cookie", ""},
			401, coatcheck.LoginRequired, "nobody is logged in", coatcheck.ErrLoginRequired},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &trap{Store: memstore.New(memstore.Config{})}
			var l told
			m := manage(t, store, l.config(coatcheck.Config{MaxPerUser: 1, AtLimit: coatcheck.Refuse}))
			if w := newBrowser(only(m, act(func(s *coatcheck.Session) { s.Login("bob") }))).Send("POST", "/"); w.Code != 200 {
				t.Fatalf("%s: %d", c.name, w.Code)
			}
			page := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.do(w, r, m.From(r.Context())) }))
			b := begin(t, m, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				guards := map[string]http.Handler{"": page, "login": m.RequireLogin(page), "fresh": m.RequireFresh(time.Second)(page)}
				guards[r.Header.Get("X-Guard")].ServeHTTP(w, r)
			})))
			if slices.Contains(c.headers, "Cookie") {
				wear(b, nil)
			}
			time.Sleep(time.Minute)
			if c.breaks != nil {
				c.breaks(store)
			}
			status := numbered(b, "one", "POST", c.headers...)
			if errs := l.replaced["one"]; status != c.status || len(errs) != 1 || c.err != nil && !errors.Is(errs[0], c.err) {
				t.Errorf("%s: got %d for %v, want %d for %v", c.name, status, errs, c.status, c.err)
			}
			found := 0
			for _, e := range l.events["one"] {
				if e.Kind != c.kind {
					if e.Kind != coatcheck.Conflict && e.Kind != coatcheck.StoreError {
						t.Errorf("%s: told of %+v as well", c.name, e)
					}
					continue
				}
				found++
				if e.Reason != c.reason || c.kind == coatcheck.Failed && (e.Err == nil || c.err != nil && !errors.Is(e.Err, c.err)) {
					t.Errorf("%s: got %+v, want the reason %q and the error %v", c.name, e, c.reason, c.err)
				}
				if e.Context.Err() != nil || e.Context.Done() != nil {
					t.Errorf("%s: the event's context ends", c.name)
				}
			}
			if found == 0 || found > 1 && c.reason != "end" { // which is tried twice
				t.Errorf("%s: got the events %+v, want one of the kind %q", c.name, l.events["one"], c.kind)
			}
		})
	}
}

// G13: of several requests that share a store call which fails, each has its own
// event with its own context.
func TestG13EachOfManyIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &trap{Store: memstore.New(memstore.Config{})}
		var l told
		m := manage(t, store, l.config(coatcheck.Config{}))
		b := begin(t, m, only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			s.User()
			hits.Update(s, increase)
		}))
		held := make(chan bool)
		first := true
		store.set(func(_ context.Context, method string) error {
			if method != "Update" {
				return nil
			}
			if first { // while this is under way the others form a line
				first = false
				<-held
			}
			return io.ErrUnexpectedEOF
		}, nil)
		var wg sync.WaitGroup
		ids := []string{"a", "b", "c", "d"}
		for _, id := range ids {
			wg.Go(func() {
				if status := numbered(b, id, "POST"); status != 503 {
					t.Errorf("%s: got %d, want 503", id, status)
				}
			})
			synctest.Wait()
		}
		close(held)
		wg.Wait()
		shared := 0
		for _, id := range ids {
			e := l.events[id]
			if len(e) != 1 || len(l.replaced[id]) != 1 || e[0].Kind != coatcheck.StoreError && e[0].Kind != coatcheck.Failed {
				t.Errorf("%s: got the events %+v for %v, want one of the store", id, e, l.replaced[id])
				continue
			}
			if e[0].Kind == coatcheck.Failed {
				shared++
				if e[0].Reason != "the store failed for all who waited" || !errors.Is(e[0].Err, io.ErrUnexpectedEOF) {
					t.Errorf("%s: got %+v", id, e[0])
				}
			}
		}
		if shared == 0 {
			t.Error("no request shared a store call: mend this test")
		}
	})
}

// G13: the events of methods of Manager have the context of the call, and those
// outside of any request have one too.
func TestG13EventsHaveAContext(t *testing.T) {
	t.Parallel()
	var l told
	m := manage(t, memstore.New(memstore.Config{}), l.config(coatcheck.Config{}))
	begin(t, m, nil)
	ctx := context.WithValue(t.Context(), requestKey{}, "console")
	if n, err := m.RevokeAll(ctx, "alice"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if e := l.events["console"]; len(e) != 1 || e[0].Kind != coatcheck.Revoked {
		t.Errorf("got the events %+v, want one of the revocation", e)
	}
	if e := l.events[""]; len(e) != 1 || e[0].Kind != coatcheck.LoggedIn {
		t.Errorf("got the events %+v, want the login", e)
	} else {
		for _, e := range e {
			if e.Context.Value(m) != nil {
				t.Errorf("%s: the event's context has the session, which is in use", e.Kind)
			}
		}
	}
}

// G13: `log/slog` ... hang on them, with the event's context; and a
// prefetch or a limit of sessions is no warning.
func TestG13LogEventsPassesOn(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	log := coatcheck.LogEvents(slog.New(withRequest{slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})}))
	ctx := context.WithValue(t.Context(), requestKey{}, "r7")
	for _, err := range []error{coatcheck.ErrReadOnly, coatcheck.ErrTooMany, coatcheck.ErrTooLarge} {
		log(coatcheck.Event{Kind: coatcheck.Failed, Err: err, Context: ctx})
	}
	if got := out.String(); strings.Count(got, "level=DEBUG") != 1 || strings.Count(got, "level=INFO") != 1 || strings.Count(got, "level=WARN") != 1 || strings.Count(got, "request=r7") != 3 {
		t.Errorf("got\n%s", got)
	}
}

// G13: the event of an end tells who did it, where the context says so, and its own
// context still has no session.
func TestG13By(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
	b := begin(t, m, only(m, func(_ http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		switch r.URL.Path {
		case "/login":
			s.Login("123")
		case "/end":
			ctx, cancel := context.WithTimeout(coatcheck.By(r.Context(), "ada"), time.Minute)
			defer cancel()
			for _, ctx := range []context.Context{coatcheck.By(r.Context(), "ada"), ctx} {
				if _, err := m.RevokeAll(ctx, "456"); err != nil {
					t.Error(err)
				}
			}
			if _, err := m.RevokeAll(coatcheck.By(r.Context(), "ada"), "123"); err != nil {
				t.Error(err)
			}
		}
	}))
	b.Send("GET", "https://app.example/login")
	l.Reset()
	b.Send("GET", "https://app.example/end")
	heard := l.All()
	if len(heard) == 0 || heard[0].Kind != coatcheck.Revoked || heard[0].By != "ada" || heard[0].User != "123" {
		t.Fatalf("got the events %+v; want an end by ada", heard)
	}
	if heard[0].Context.Value(m) != nil {
		t.Error("the event's context has the session, which is in use")
	}
	var out strings.Builder
	coatcheck.LogEvents(slog.New(slog.NewTextHandler(&out, nil)))(heard[0])
	if !strings.Contains(out.String(), "by=ada") {
		t.Errorf("got %s", out.String())
	}
}

// G7: why a request was held back, in plain words.
func TestG7HeldBackInPlainWords(t *testing.T) {
	t.Parallel()
	for site, want := range map[string]string{
		"cross-site": "the browser kept the cookie back because the visitor came from another site",
		"none":       "the browser kept the cookie back because the address was typed, or opened from a mail or another program",
	} {
		var l coatchecktest.Events
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
		b := begin(t, m, only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { hits.Set(s, 1) }))
		b.SetCookie(sidName, "")
		l.Reset()
		b.Send("GET", "https://app.example/", from(site, navigation)...)
		if e := l.All(); len(e) != 1 || e[0].Kind != coatcheck.HeldBack || e[0].Reason != want {
			t.Errorf("%s: got the events %+v, want %q", site, e, want)
		}
	}
}

// requestKey is that of a request's name in its context.
type requestKey struct{}

// withRequest adds it to each line that is logged with that context.
type withRequest struct{ slog.Handler }

func (h withRequest) Handle(ctx context.Context, rec slog.Record) error {
	if id, ok := ctx.Value(requestKey{}).(string); ok {
		rec.AddAttrs(slog.String("request", id))
	}
	return h.Handler.Handle(ctx, rec)
}
