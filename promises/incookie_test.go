package promises_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

var (
	inCount = coatcheck.NewKey[int]("count")
	inText  = coatcheck.NewKey[string]("text")
)

func inCookie(t *testing.T, revoker coatcheck.Revoker) *coatcheck.Manager {
	t.Helper()
	m, err := coatcheck.NewInCookie(keys(t), revoker, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// inCookieApp has a handler per method of the session.
func inCookieApp(m *coatcheck.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(_ http.ResponseWriter, r *http.Request) { m.From(r.Context()).Login("alice") })
	mux.HandleFunc("/logout", func(_ http.ResponseWriter, r *http.Request) { m.From(r.Context()).Logout() })
	mux.HandleFunc("/user", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, m.From(r.Context()).User()) })
	mux.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, inCount.Update(m.From(r.Context()), func(n int) int { return n + 1 }))
	})
	mux.HandleFunc("/text", func(_ http.ResponseWriter, r *http.Request) {
		inText.Set(m.From(r.Context()), strings.Repeat("x", 4000))
	})
	mux.HandleFunc("/pop", func(_ http.ResponseWriter, r *http.Request) { inCount.Pop(m.From(r.Context())) })
	mux.HandleFunc("/flash", func(_ http.ResponseWriter, r *http.Request) { m.From(r.Context()).Flash("hello") })
	mux.HandleFunc("/flashes", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, m.From(r.Context()).Flashes()) })
	mux.HandleFunc("/revoke", func(w http.ResponseWriter, r *http.Request) {
		if _, err := m.RevokeAll(r.Context(), "alice"); err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
		}
	})
	mux.HandleFunc("/again", func(_ http.ResponseWriter, r *http.Request) {
		m.RevokeAll(r.Context(), "alice")
		m.From(r.Context()).Login("alice")
	})
	return m.Handler(mux)
}

func expect(t *testing.T, b *browser, url string, status int, body string) {
	t.Helper()
	if w := b.Send("GET", url); w.Code != status || status == 200 && w.Body.String() != body {
		t.Errorf("%s: got %d %q, want %d %q", url, w.Code, w.Body, status, body)
	}
}

// "The session can also live in the cookie itself", design §5.
func TestInCookie(t *testing.T) {
	st := memstore.New(memstore.Config{})
	b := newBrowser(inCookieApp(inCookie(t, coatcheck.StoreRevoker(st))))
	expect(t, b, "/user", 200, "")
	expect(t, b, "/count", 200, "1")
	expect(t, b, "/login", 200, "")
	expect(t, b, "/user", 200, "alice")
	expect(t, b, "/count", 200, "2")
	expect(t, b, "/flash", 200, "")
	expect(t, b, "/flashes", 200, "[hello]")
	expect(t, b, "/flashes", 200, "[]")

	// The limit of a cookie is a clear error, and the session unharmed.
	expect(t, b, "/text", 413, "")
	expect(t, b, "/count", 200, "3")

	expect(t, b, "/logout", 200, "")
	if len(b.Cookies()) != 0 {
		t.Errorf("after logout the browser has %v", b.Cookies())
	}
	expect(t, b, "/user", 200, "")
}

// "A revocation source that has to be given": a copy of the cookie dies with it,
// as does a login whose request began before it (G3).
func TestInCookieRevoked(t *testing.T) {
	st := &trap{Store: memstore.New(memstore.Config{})}
	b := newBrowser(inCookieApp(inCookie(t, coatcheck.StoreRevoker(st))))
	expect(t, b, "/login", 200, "")
	stolen := b.Clone()
	expect(t, b, "/logout", 200, "")
	expect(t, stolen, "/user", 200, "alice") // what the doc warns of

	// A login in flight while the user is revoked.
	began, revoked := make(chan struct{}), make(chan struct{})
	late := newBrowser(nil)
	m := inCookie(t, coatcheck.StoreRevoker(st))
	late.Handler = m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-revoked
		m.From(r.Context()).Login("alice")
	}))
	status := make(chan int)
	go func() { status <- late.Send("GET", "/").Code }()
	<-began
	expect(t, b, "/revoke", 200, "")
	close(revoked)
	if got := <-status; got != http.StatusConflict {
		t.Errorf("login in flight during RevokeAll: got %d, want 409", got)
	}
	if len(late.Cookies()) != 0 {
		t.Error("it set a cookie")
	}

	expect(t, stolen.Clone(), "/count", 409, "")
	expect(t, stolen, "/user", 200, "")
	expect(t, stolen, "/count", 200, "1") // it was told, and begins anew
	expect(t, b, "/login", 200, "")
	expect(t, b, "/user", 200, "alice")
	expect(t, b, "/again", 200, "")
	expect(t, b, "/user", 200, "alice")

	// Nobody is called "not logged in" because the revoker is away (G5).
	st.set(func(context.Context, string) error { return errors.New("away") }, nil)
	expect(t, b, "/user", 503, "")
}

// "Those calls return errors.ErrUnsupported." Nothing has failed: G13's event for a
// store that did would wake somebody up.
func TestInCookieUnsupported(t *testing.T) {
	m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{Events: func(e coatcheck.Event) {
		if e.Kind == coatcheck.StoreError {
			t.Errorf("event %s: %s: %v", e.Kind, e.Reason, e.Err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	var errs map[string]error
	b := newBrowser(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		s.Login("alice")
		errs = map[string]error{}
		_, errs["Sessions"] = m.Sessions(r.Context(), "alice")
		_, errs["Revoke"] = m.Revoke(r.Context(), "alice", "handle")
		_, errs["RevokeOthers"] = m.RevokeOthers(r.Context())
		_, errs["RevokeAll"] = m.RevokeAll(r.Context(), "alice")
		inCount.Pop(s)
		errs["Pop"] = s.Err()
	})))
	b.Send("GET", "/")
	for call, err := range errs {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: got %v, want ErrUnsupported", call, err)
		}
	}
	for name, cfg := range map[string]coatcheck.Config{"MaxPerUser": {MaxPerUser: 1}, "Idle": {Idle: -1}} {
		if _, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Config.%s: got %v", name, err)
		}
	}
	if _, err := coatcheck.NewInCookie(keys(t), nil, coatcheck.Config{}); err == nil {
		t.Error("NewInCookie accepts no revoker")
	}
	if _, err := coatcheck.NewInCookie(nil, coatcheck.IrrevocableSessions{}, coatcheck.Config{}); err == nil {
		t.Error("NewInCookie accepts no keys")
	}
}

// "There a touch re-seals the cookie, at most once per tenth, on top-level
// navigations only."
func TestInCookieTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(inCookieApp(inCookie(t, coatcheck.IrrevocableSessions{})))
		b.Send("GET", "/login")
		page := []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
		for _, step := range []struct {
			wait    time.Duration
			headers []string
			want    bool
		}{
			{2 * time.Minute, page, false},
			{2 * time.Minute, nil, false},
			{0, page, true},
			{time.Minute, page, false},
		} {
			time.Sleep(step.wait)
			w := b.Send("GET", "/user", step.headers...)
			if got := w.Header().Get("Set-Cookie") != ""; got != step.want {
				t.Errorf("after %v, %v: Set-Cookie = %v, want %v", step.wait, step.headers, got, step.want)
			}
		}
		time.Sleep(32 * time.Minute) // since the touch 33 = 1.1 × 30
		if w := b.Send("GET", "/user"); w.Body.String() != "" {
			t.Errorf("idle for 33 minutes: user %q", w.Body)
		}
	})
}

// Config.Idle: "With NewInCookie only loading a page counts, and Session.Touch." So
// an application that only fetches, with Fetch Metadata or without, stays logged in
// by one Touch every few minutes, and a browser without it by its pages.
func TestInCookieOnlyFetches(t *testing.T) {
	fetch := []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "*/*"}
	for name, c := range map[string]struct {
		method, path string
		headers      []string
		stays        bool
	}{
		"Touch":                           {"GET", "/touch", fetch, true},
		"Touch in a POST":                 {"POST", "/touch", fetch, true},
		"Touch, no Fetch Metadata":        {"GET", "/touch", []string{"Accept", "application/json"}, true},
		"fetches":                         {"GET", "/user", fetch, false},
		"fetches, no Fetch Metadata":      {"GET", "/user", []string{"Accept", "application/json"}, false},
		"pages, no Fetch Metadata":        {"GET", "/user", []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8"}, true},
		"forms, no Fetch Metadata":        {"POST", "/user", []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8"}, false},
		"Touch in what is fetched ahead":  {"GET", "/touch", append([]string{"Sec-Purpose", "prefetch"}, fetch...), false},
		"fetches that accept what a page": {"GET", "/user", append(fetch[:6:6], "Accept", "text/html"), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := inCookie(t, coatcheck.IrrevocableSessions{})
				b := newBrowser(inCookieApp(m))
				b.Send("POST", "/login")
				b.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/touch" {
						m.From(r.Context()).Touch()
					}
					fmt.Fprint(w, m.From(r.Context()).User())
				}))
				began := time.Now()
				last := time.Duration(0)
				for time.Since(began) < 13*time.Hour && b.Send(c.method, c.path, c.headers...).Body.String() == "alice" {
					last = time.Since(began)
					time.Sleep(time.Minute)
				}
				want := 33*time.Minute - time.Minute // 1.1 x Idle
				if c.stays {
					want = 12*time.Hour - time.Minute // Lifetime
				}
				if last != want {
					t.Errorf("the last request that was logged in came after %v, want %v", last, want)
				}
			})
		})
	}
}

// Touch brings a cookie "at most once per tenth" of Idle, and none in a stream.
func TestInCookieTouchIsSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := inCookie(t, coatcheck.IrrevocableSessions{})
		b := newBrowser(inCookieApp(m))
		b.Send("POST", "/login")
		b.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s := m.From(r.Context()); r.URL.Path == "/stream" {
				s.User()
				w.WriteHeader(http.StatusOK)
				s.Touch()
				if err := s.Err(); !errors.Is(err, coatcheck.ErrLate) {
					t.Errorf("Touch in a stream: %v, want ErrLate", err)
				}
			} else {
				s.Touch()
			}
		}))
		for _, step := range []struct {
			wait time.Duration
			path string
			want bool
		}{{2 * time.Minute, "/", false}, {2 * time.Minute, "/stream", false}, {0, "/", true}, {time.Minute, "/", false}} {
			time.Sleep(step.wait)
			if got := b.Send("GET", step.path).Header().Get("Set-Cookie") != ""; got != step.want {
				t.Errorf("%s after %v more: Set-Cookie = %v, want %v", step.path, step.wait, got, step.want)
			}
		}
	})
}

// G4: a Touch that is due and can bring no cookie is an error that the handler sees,
// and an event. One that is not due has nothing to do, and HEAD keeps nothing.
func TestG4InCookieTouchIsNotSilent(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		idle   time.Duration // before the request
		act    func(w http.ResponseWriter, s *coatcheck.Session)
		want   error
		code   int
	}{
		"in time": {"GET", 4 * time.Minute, func(http.ResponseWriter, *coatcheck.Session) {}, nil, 200},
		"late":    {"GET", 4 * time.Minute, func(w http.ResponseWriter, s *coatcheck.Session) { s.User(); w.WriteHeader(200) }, coatcheck.ErrLate, 200},
		"too old": {"GET", 4 * time.Minute, func(_ http.ResponseWriter, s *coatcheck.Session) { s.User(); time.Sleep(51 * time.Second) }, coatcheck.ErrTooOld, 409},
		"not due": {"GET", time.Minute, func(w http.ResponseWriter, s *coatcheck.Session) { s.User(); w.WriteHeader(200) }, nil, 200},
		"HEAD":    {"HEAD", 4 * time.Minute, func(w http.ResponseWriter, s *coatcheck.Session) { s.User(); w.WriteHeader(200) }, nil, 200},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log coatchecktest.Events
				m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{Events: log.Record})
				if err != nil {
					t.Fatal(err)
				}
				b := newBrowser(inCookieApp(m))
				b.Send("POST", "/login")
				var got error
				b.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s := m.From(r.Context())
					c.act(w, s)
					s.Touch()
					got = s.Err()
				}))
				time.Sleep(c.idle)
				wants(t, b.Send(c.method, "/"), c.code, "")
				if !errors.Is(got, c.want) {
					t.Errorf("Err is %v, want %v", got, c.want)
				}
				if n := log.Count(coatcheck.Late) + log.Count(coatcheck.TooOld); (n == 1) != (c.want != nil) {
					t.Errorf("%d events", n)
				}
			})
		})
	}
}

// G14: "everything that is stored has a limit": no request sweeps the store of a
// revoker, so its revocations do.
func TestG14RevokerSweeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New(memstore.Config{})
		revoker := coatcheck.StoreRevoker(st)
		for n := range 3 * 401 { // each stays for 400 days
			if err := revoker.Revoke(t.Context(), fmt.Sprint("user", n), time.Now()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(24 * time.Hour)
		}
		counter, _ := store.As[store.Counter](st)
		if stats, err := counter.Stats(t.Context()); err != nil || stats.Sessions > 402 {
			t.Errorf("%d revocations are stored (%v), want those of 400 days", stats.Sessions, err)
		}
	})
}
