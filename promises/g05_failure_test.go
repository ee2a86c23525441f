package promises_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// hang keeps every call of the given methods waiting until its context ends.
func hang(methods ...string) func(context.Context, string) error {
	fails := away(methods...)
	return func(ctx context.Context, method string) error {
		if fails(ctx, method) == nil {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

// g5App answers with every kind of status and header; its handler leaves what it
// saw in the channel.
func g5App(m *coatcheck.Manager) http.Handler {
	return m.Handler(paths{
		"/login":  func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login("ann") },
		"/logout": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Logout(); fmt.Fprint(w, "out") },
		"/renew": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Renew()
			fmt.Fprint(w, "renewed")
		},
		"/count": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "count ", g1Count.Update(s, increase))
		},
		"/set": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			g1Count.Set(s, 7)
			fmt.Fprint(w, "set")
		},
		"/get": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			n, _ := g1Count.Get(s)
			fmt.Fprint(w, "count ", n)
		},
		"/user": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "user ", s.User()) },
		"/static": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public")
			fmt.Fprint(w, "static")
		},
	})
}

// G5: "When a load failed: User is "", every change is refused, Err says why, no
// cookie is touched, and whatever the handler answers is replaced: an outage
// never looks like "not logged in"." "Replaced means the handler's status, body
// and all headers set since entry are dropped, … Config.OnError answers (503 by
// default; no internal text), and further Writes return an error."
func TestG5LoadFails(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter, r *http.Request) error{
		"nothing": func(w http.ResponseWriter, r *http.Request) error { return nil },
		"body":    func(w http.ResponseWriter, r *http.Request) error { _, err := w.Write([]byte("mine")); return err },
		"string":  func(w http.ResponseWriter, r *http.Request) error { _, err := io.WriteString(w, "mine"); return err },
		"copy": func(w http.ResponseWriter, r *http.Request) error {
			_, err := io.Copy(w, strings.NewReader("mine"))
			return err
		},
		"flush": func(w http.ResponseWriter, r *http.Request) error { return http.NewResponseController(w).Flush() },
		"401": func(w http.ResponseWriter, r *http.Request) error {
			http.Error(w, "mine", http.StatusUnauthorized)
			_, err := w.Write([]byte("mine"))
			return err
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) error {
			http.Redirect(w, r, "/mine", http.StatusSeeOther)
			return nil
		},
		"204": func(w http.ResponseWriter, r *http.Request) error { w.WriteHeader(204); return nil },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log coatchecktest.Events
			st := &trap{Store: memstore.New(memstore.Config{})}
			m := manage(t, st, coatcheck.Config{Events: log.Record})
			b := newBrowser(g5App(m))
			wants(t, b.Send("POST", "/login"), 200, "")
			before := b.Cookies()
			inner := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := coatcheck.From(r.Context())
				w.Header().Set("X-Handler", "mine")
				w.Header().Set("X-Entry", "changed")
				w.Header().Set("Etag", `"mine"`)
				http.SetCookie(w, &http.Cookie{Name: "mine", Value: "x"})
				if u := s.User(); u != "" {
					t.Errorf("user %q", u)
				}
				if err := s.Err(); !errors.Is(err, errAway) {
					t.Errorf("Err is %v", err)
				}
				if err := answer(w, r); err == nil && name != "nothing" && name != "redirect" && name != "204" {
					t.Error("a write to the replaced answer gave no error")
				}
			}))
			b.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Entry", "kept")
				w.Header().Add("Vary", "Origin")
				inner.ServeHTTP(w, r)
			})
			st.set(away("Load"), nil)
			w := b.Send("GET", "/")
			wants(t, w, 503, "Service Unavailable")
			bare(t, w)
			h := w.Header()
			if h.Get("X-Handler") != "" || h.Get("Etag") != "" || h.Get("Location") != "" {
				t.Errorf("headers of the handler are left: %v", h)
			}
			if h.Get("X-Entry") != "kept" || h.Get("Vary") != "Origin, Cookie" {
				t.Errorf("headers from before the entry: %v", h)
			}
			if h.Get("Cache-Control") != "no-store" || h.Get("Retry-After") == "" {
				t.Errorf("headers of the error: %v", h)
			}
			if fmt.Sprint(b.Cookies()) != fmt.Sprint(before) {
				t.Error("the answer touched the cookies")
			}
			if n := log.Count(coatcheck.StoreError); n != 1 {
				t.Errorf("%d store errors heard of, want 1", n)
			}
			st.set(nil, nil)
			b.Handler = g5App(m)
			wants(t, b.Send("GET", "/user"), 200, "user ann")
		})
	}
}

// G5: "When a load failed: … every change is refused", and calls no store.
func TestG5AfterAFailedLoad(t *testing.T) {
	tries := map[string]func(s *coatcheck.Session){
		"Set":            func(s *coatcheck.Session) { g1Count.Set(s, 1) },
		"SetFor":         func(s *coatcheck.Session) { g1Count.SetFor(s, 1, time.Hour) },
		"Delete":         func(s *coatcheck.Session) { g1Count.Delete(s) },
		"Update":         func(s *coatcheck.Session) { g1Count.Update(s, increase) },
		"Pop":            func(s *coatcheck.Session) { g1Count.Pop(s) },
		"Append":         func(s *coatcheck.Session) { coatcheck.Append(s, g1Cart, "x") },
		"Flash":          func(s *coatcheck.Session) { s.Flash("x") },
		"Flashes":        func(s *coatcheck.Session) { s.Flashes() },
		"Clear":          func(s *coatcheck.Session) { s.Clear() },
		"Login":          func(s *coatcheck.Session) { s.Login("bob") },
		"Logout":         func(s *coatcheck.Session) { s.Logout() },
		"Renew":          func(s *coatcheck.Session) { s.Renew() },
		"Remember":       func(s *coatcheck.Session) { s.Remember(time.Hour) },
		"Reauthenticate": func(s *coatcheck.Session) { s.Reauthenticate() },
		"Touch":          func(s *coatcheck.Session) { s.Touch() },
	}
	for name, try := range tries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := &trap{Store: memstore.New(memstore.Config{})}
			m := manage(t, st, coatcheck.Config{})
			b := newBrowser(g5App(m))
			wants(t, b.Send("POST", "/login"), 200, "")
			wants(t, b.Send("POST", "/count"), 200, "count 1")
			st.set(away("Load"), nil)
			calls := st.count("")
			b.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := coatcheck.From(r.Context())
				try(s)
				if s.User() != "" || !errors.Is(s.Err(), errAway) || !errors.Is(s.Commit(), errAway) {
					t.Errorf("user %q, Err %v", s.User(), s.Err())
				}
			}))
			w := b.Send("POST", "/")
			wants(t, w, 503, "")
			bare(t, w)
			if n := st.count("") - calls; n != 1 {
				t.Errorf("%d store calls, want the load alone", n)
			}
			st.set(nil, nil)
			b.Handler = g5App(m)
			wants(t, b.Send("GET", "/get"), 200, "count 1")
			wants(t, b.Send("GET", "/user"), 200, "user ann")
		})
	}
}

// G5: "A load ends with the request or after 5 s".
func TestG5LoadHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &trap{Store: memstore.New(memstore.Config{})}
		b := newBrowser(g5App(manage(t, st, coatcheck.Config{})))
		wants(t, b.Send("POST", "/login"), 200, "")
		st.set(hang("Load"), nil)
		start := time.Now()
		w := b.Send("GET", "/user")
		wants(t, w, 503, "Service Unavailable")
		bare(t, w)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("the load ended after %v, want 5s", took)
		}
	})
}

// G5: "Sessions load lazily: a route that does not look costs no store call and
// survives a store outage."
func TestG5RouteThatDoesNotLook(t *testing.T) {
	t.Parallel()
	st := &trap{Store: memstore.New(memstore.Config{})}
	b := newBrowser(g5App(manage(t, st, coatcheck.Config{})))
	wants(t, b.Send("POST", "/login"), 200, "")
	st.set(away(), nil)
	calls := st.count("")
	w := b.Send("GET", "/static")
	wants(t, w, 200, "static")
	bare(t, w)
	if h := w.Header(); h.Get("Vary") != "" || h.Get("Cache-Control") != "public" {
		t.Errorf("headers %v", h)
	}
	if n := st.count("") - calls; n != 0 {
		t.Errorf("%d store calls, want none", n)
	}
}

// G5: "Require and RequireLogin load before the handler".
func TestG5Require(t *testing.T) {
	const maxAge = time.Hour
	synctest.Test(t, func(t *testing.T) {
		st := &trap{Store: memstore.New(memstore.Config{})}
		m := manage(t, st, coatcheck.Config{})
		ran := false
		action := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ran = true
			fmt.Fprint(w, "done")
		})
		mux := http.NewServeMux()
		mux.Handle("/require", m.Require(action))
		mux.Handle("/login-required", m.RequireLogin(action))
		mux.Handle("/fresh", m.RequireFresh(maxAge)(action))
		app := m.Handler(mux)
		b := newBrowser(app)
		check := func(what, path string, code int, headers ...string) {
			t.Helper()
			ran = false
			b.Handler = app
			if w := b.Send("POST", path, headers...); w.Code != code || ran != (code == 200) {
				t.Errorf("%s, %s: %d, handler ran: %t; want %d", what, path, w.Code, ran, code)
			}
		}
		check("nobody", "/require", 200)
		check("nobody", "/login-required", 401)
		check("nobody", "/fresh", 401)
		b.Handler = g5App(m)
		wants(t, b.Send("POST", "/login"), 200, "")
		check("ann", "/require", 200)
		check("ann", "/login-required", 200)
		check("ann", "/fresh", 200)
		for range 3 {
			time.Sleep(maxAge / 3)
			check("ann", "/fresh", 200)
		}
		time.Sleep(time.Microsecond)
		b.Handler = g5App(m)
		wants(t, b.Send("POST", "/renew"), 200, "renewed")
		check("not fresh", "/fresh", 401)
		check("not fresh", "/login-required", 200)
		st.set(away("Load"), nil)
		check("outage", "/require", 503)
		check("outage", "/login-required", 503)
		check("outage", "/fresh", 503)
	})
}

// G5: a reply is replaced "except our own Set-Cookie and cache headers for a
// commit that succeeded earlier in this request (unless the session has ended
// since)".
func TestG5EarlierCommitSurvives(t *testing.T) {
	for _, test := range []struct {
		what string
		then func(t *testing.T, st *trap, m *coatcheck.Manager, s *coatcheck.Session)
		code int
		user string
	}{
		{"outage", func(t *testing.T, st *trap, m *coatcheck.Manager, s *coatcheck.Session) {
			st.set(away("Update"), nil)
			g1Count.Set(s, 1)
		}, 503, "user ann"},
		{"value too large", func(t *testing.T, st *trap, m *coatcheck.Manager, s *coatcheck.Session) {
			coatcheck.NewKey[string]("large").Set(s, strings.Repeat("x", 40_000))
		}, 413, "user ann"},
		{"ended since", func(t *testing.T, st *trap, m *coatcheck.Manager, s *coatcheck.Session) {
			time.Sleep(time.Second)
			if n, err := m.RevokeAll(t.Context(), "ann"); n != 1 || err != nil {
				t.Error(n, err)
			}
			g1Count.Set(s, 1)
		}, 409, "user "},
	} {
		for _, loggedIn := range []bool{false, true} {
			t.Run(fmt.Sprint(test.what, loggedIn), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					st := &trap{Store: memstore.New(memstore.Config{})}
					m := manage(t, st, coatcheck.Config{})
					b := newBrowser(g5App(m))
					if loggedIn {
						wants(t, b.Send("POST", "/login"), 200, "")
					}
					b.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						s := coatcheck.From(r.Context())
						w.Header().Set("Cache-Control", "public, max-age=60")
						w.Header().Set("X-Handler", "mine")
						s.Login("ann")
						if err := s.Commit(); err != nil {
							t.Error(err)
						}
						test.then(t, st, m, s)
						fmt.Fprint(w, "done")
					}))
					w := b.Send("POST", "/")
					wants(t, w, test.code, "")
					h := w.Header()
					if h.Get("X-Handler") != "" || h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Cookie" {
						t.Errorf("headers %v", h)
					}
					if n, want := len(h.Values("Set-Cookie")), map[bool]int{true: 0, false: 2}[test.code == 409]; n != want {
						t.Errorf("%d cookies are set, want %d", n, want)
					}
					st.set(nil, nil)
					b.Handler = g5App(m)
					wants(t, b.Send("GET", "/user"), 200, test.user)
				})
			})
		}
	}
}

// G5: "After an error that may have been applied, the core looks once: for Create
// and Update its own version there = done, for Replace the old id's tombstone
// naming the new one = done, End is simply repeated; else 503, no replay."
func TestG5CommitFails(t *testing.T) {
	tests := []struct {
		method, first, url, done string
		again                    func(t *testing.T, b *browser, applied bool) // what is there afterwards
	}{
		{"Create", "", "/count", "count 1", func(t *testing.T, b *browser, applied bool) {
			want := map[bool]string{true: "count 1", false: "count 0"}[applied]
			wants(t, b.Send("GET", "/get"), 200, want)
		}},
		{"Update", "/login", "/count", "count 1", func(t *testing.T, b *browser, applied bool) {
			want := map[bool]string{true: "count 1", false: "count 0"}[applied]
			wants(t, b.Send("GET", "/get"), 200, want)
			wants(t, b.Send("GET", "/user"), 200, "user ann")
		}},
		{"Replace", "/count", "/login", "", func(t *testing.T, b *browser, applied bool) {
			want := map[bool]string{true: "user ann", false: "user "}[applied]
			wants(t, b.Send("GET", "/user"), 200, want)
			wants(t, b.Send("GET", "/get"), 200, "count 1") // the anonymous session lives, or its values moved
		}},
	}
	for _, test := range tests {
		for _, applied := range []bool{false, true} {
			for _, blind := range []bool{false, true} {
				t.Run(fmt.Sprint(test.method, "/applied=", applied, "/blind=", blind), func(t *testing.T) {
					t.Parallel()
					var log coatchecktest.Events
					st := &trap{Store: memstore.New(memstore.Config{})}
					b := newBrowser(g5App(manage(t, st, coatcheck.Config{Events: log.Record})))
					if test.first != "" {
						wants(t, b.Send("POST", test.first), 200, "")
					}
					old := b.Clone()
					loads, calls := st.count("Load"), st.count(test.method)
					if test.first != "" {
						loads++ // that of the request itself
					}
					fails := away(test.method)
					if blind { // the look fails too
						fails = func(_ context.Context, method string) error {
							if method == test.method || method == "Load" && st.count("Load") > loads {
								return errAway
							}
							return nil
						}
					}
					if applied {
						st.set(nil, fails)
					} else {
						st.set(fails, nil)
					}
					w := b.Send("POST", test.url)
					if n := st.count(test.method) - calls; n != 1 {
						t.Errorf("%d calls of %s, want 1: no replay", n, test.method)
					}
					if n := st.count("Load") - loads; n != 1 {
						t.Errorf("the core looked %d times, want once", n)
					}
					done := applied && !blind
					if done {
						wants(t, w, 200, test.done)
					} else {
						wants(t, w, 503, "Service Unavailable")
						bare(t, w)
					}
					if n := log.Count(coatcheck.StoreError); n == 0 != done {
						t.Errorf("%d store errors heard of", n)
					}
					st.set(nil, nil)
					if done || !applied {
						test.again(t, b, done)
					} else if test.method == "Update" { // stored, though nobody was told so
						wants(t, b.Send("POST", "/count"), 200, "count 2")
					}
					if done && test.method == "Replace" {
						wants(t, old.Send("GET", "/get"), 200, "count 0")
					}
				})
			}
		}
	}
}

// G5: "End is simply repeated; else 503", and then the cookie stays.
func TestG5LogoutFails(t *testing.T) {
	for _, fails := range []int{0, 1, 2} {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprint(fails, applied), func(t *testing.T) {
				t.Parallel()
				st := &trap{Store: memstore.New(memstore.Config{})}
				b := newBrowser(g5App(manage(t, st, coatcheck.Config{})))
				wants(t, b.Send("POST", "/login"), 200, "")
				fail := func(_ context.Context, method string) error {
					if method == "End" && st.count("End") <= fails {
						return errAway
					}
					return nil
				}
				if applied {
					st.set(nil, fail)
				} else {
					st.set(fail, nil)
				}
				old := b.Clone()
				w := b.Send("POST", "/logout")
				switch {
				case fails < 2:
					wants(t, w, 200, "out")
					wants(t, old.Send("GET", "/user"), 200, "user ")
					if len(b.Cookies()) != 0 {
						t.Error("the cookies are left")
					}
				default:
					wants(t, w, 503, "")
					bare(t, w)
					if !applied {
						wants(t, b.Send("GET", "/user"), 200, "user ann")
						wants(t, b.Send("POST", "/logout"), 200, "out")
					}
				}
			})
		}
	}
}

// hangFrom keeps a method's calls waiting, and all calls after the first of them.
func hangFrom(st *trap, method string) func(context.Context, string) error {
	calls := st.count(method)
	return func(ctx context.Context, m string) error {
		if st.count(method) == calls {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

// G5: "commits are detached from the client's cancellation, 5 s at most", the
// look included; with a store that answers it, a second less.
func TestG5CommitHangs(t *testing.T) {
	for _, test := range []struct {
		method, first, url string
		took               time.Duration
		all                bool // nothing is answered any more
	}{
		{"Create", "", "/count", 4 * time.Second, false},
		{"Create", "", "/login", 4 * time.Second, false},
		{"Update", "/login", "/count", 4 * time.Second, false},
		{"Update", "/login", "/set", 4 * time.Second, false},
		{"Replace", "/login", "/renew", 4 * time.Second, false},
		{"Create", "", "/count", 5 * time.Second, true},
		{"Create", "", "/login", 5 * time.Second, true},
		{"Update", "/login", "/count", 5 * time.Second, true},
		{"Update", "/login", "/set", 5 * time.Second, true},
		{"Replace", "/login", "/renew", 5 * time.Second, true},
		{"End", "/login", "/logout", 5 * time.Second, false},
	} {
		t.Run(fmt.Sprint(test.method, test.url, test.all), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &trap{Store: memstore.New(memstore.Config{})}
				b := newBrowser(g5App(manage(t, st, coatcheck.Config{})))
				if test.first != "" {
					wants(t, b.Send("POST", test.first), 200, "")
				}
				st.set(hang(test.method), nil)
				if test.all {
					st.set(hangFrom(st, test.method), nil)
				}
				start := time.Now()
				w := b.Send("POST", test.url)
				wants(t, w, 503, "")
				bare(t, w)
				if took := time.Since(start); took != test.took {
					t.Errorf("the commit ended after %v, want %v", took, test.took)
				}
				st.set(nil, nil)
				if test.first != "" {
					wants(t, b.Send("GET", "/user"), 200, "user ann")
				}
			})
		})
	}
}

// G5: "the core looks once", and has time for it: a call that was applied, and
// whose answer never comes, is done. Also for a commit that had to wait.
func TestG5AppliedAndNoAnswer(t *testing.T) {
	for _, test := range []struct{ method, first, url, then, want string }{
		{"Create", "", "/login", "/user", "user ann"},
		{"Create", "", "/count", "/get", "count 1"},
		{"Update", "/login", "/count", "/get", "count 1"},
		{"Update", "/login", "/set", "/get", "count 7"},
		{"Replace", "/login", "/renew", "/user", "user ann"},
		{"Replace", "/count", "/login", "/user", "user ann"},
		{"End", "/login", "/logout", "/user", "user "},
	} {
		for _, wait := range []time.Duration{0, 3500 * time.Millisecond, 4900 * time.Millisecond} {
			if wait > 0 && test.method != "Replace" {
				continue // a Replace waits for its turn; the others have nobody to wait for, or come along
			}
			t.Run(fmt.Sprint(test.method, test.first, test.url, wait), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					st := &trap{Store: memstore.New(memstore.Config{})}
					b := newBrowser(g5App(manage(t, st, coatcheck.Config{})))
					if test.first != "" {
						wants(t, b.Send("POST", test.first), 200, "")
					}
					if wait > 0 { // another commit of the session takes its time
						slowly := make(chan struct{})
						st.set(func(_ context.Context, method string) error {
							if method == "Update" {
								st.set(nil, nil)
								close(slowly)
								time.Sleep(wait)
							}
							return nil
						}, nil)
						go b.Send("POST", "/count")
						<-slowly
					}
					calls := st.count(test.method)
					st.set(nil, func(ctx context.Context, method string) error {
						if method == test.method && st.count(method) == calls+1 && ctx.Err() == nil {
							<-ctx.Done()
							return ctx.Err()
						}
						return nil
					})
					start := time.Now()
					w := b.Send("POST", test.url)
					wants(t, w, 200, "")
					if took := time.Since(start); took > 5*time.Second {
						t.Errorf("it took %v, want 5s at most", took)
					}
					st.set(nil, nil)
					wants(t, b.Send("GET", test.then), 200, test.want)
				})
			})
		}
	}
}

// G5: "A load that fails because the client left is neither an event nor a 503."
// "A load ends with the request".
func TestG5ClientLeavesDuringLoad(t *testing.T) {
	for _, url := range []string{"/user", "/set", "/count", "/login", "/logout", "/require"} {
		t.Run(url, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log coatchecktest.Events
				st := &trap{Store: memstore.New(memstore.Config{})}
				m := manage(t, st, coatcheck.Config{Events: log.Record})
				b := newBrowser(g5App(m))
				wants(t, b.Send("POST", "/login"), 200, "")
				if url == "/require" {
					b.Handler = m.Handler(m.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
						t.Error("the handler ran")
					})))
				}
				events, writes := len(log.All()), st.count("")
				st.set(hang("Load"), nil)
				ctx, leave := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, leave)
				start := time.Now()
				w := b.Serve(b.Request("POST", url).WithContext(ctx))
				if took := time.Since(start); took != time.Second {
					t.Errorf("the load ended after %v, want 1s", took)
				}
				if w.Code == 503 {
					t.Error("503")
				}
				bare(t, w)
				if n := len(log.All()) - events; n != 0 {
					t.Errorf("%d events, want none", n)
				}
				if n := st.count("") - writes; n != 1 {
					t.Errorf("%d store calls, want the load alone", n)
				}
				st.set(nil, nil)
				b.Handler = g5App(m)
				wants(t, b.Send("GET", "/user"), 200, "user ann")
			})
		})
	}
}

// G5: "commits are detached from the client's cancellation": a client that
// leaves does not leave half a login behind.
func TestG5CommitSurvivesTheClient(t *testing.T) {
	for _, place := range []string{"handler", "Replace", "after Replace"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			m := manage(t, holding(memstore.New(memstore.Config{})), coatcheck.Config{})
			b := newBrowser(m.Handler(paths{
				"/count": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { g1Count.Update(s, increase) },
				"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login("ann"); pause(r) },
				"/user": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
					n, _ := g1Count.Get(s)
					fmt.Fprint(w, "user ", s.User(), n)
				},
			}))
			wants(t, b.Send("POST", "/count"), 200, "")
			ctx, leave := context.WithCancel(t.Context())
			gone := newBrowser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b.Handler.ServeHTTP(w, r.WithContext(context.WithValue(ctx, flightKey{}, r.Context().Value(flightKey{}))))
			}))
			wear(gone, b.Cookies())
			f := depart(t, gone, place, "POST", "/login")
			leave()
			wants(t, f.land(), 200, "")
			after := gone.Clone()
			after.Handler = b.Handler
			wants(t, after.Send("GET", "/user"), 200, "user ann1")
			wants(t, b.Send("GET", "/user"), 200, "user 0")
		})
	}
}

// G4, G5: "After the handler returned (or TimeoutHandler gave up) every change is
// an error"; nothing is stored that nobody was told of.
func TestG5TimeoutHandler(t *testing.T) {
	changes := map[string]func(s *coatcheck.Session){
		"Set":    func(s *coatcheck.Session) { g1Count.Set(s, 7) },
		"Update": func(s *coatcheck.Session) { g1Count.Update(s, increase) },
		"Login":  func(s *coatcheck.Session) { s.Login("bob") },
		"Logout": func(s *coatcheck.Session) { s.Logout() },
		"Touch":  func(s *coatcheck.Session) { s.Touch() },
	}
	for name, change := range changes {
		for _, outside := range []bool{false, true} {
			for _, looked := range []bool{false, true} {
				t.Run(fmt.Sprint(name, "/outside=", outside, "/looked=", looked), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						st := &trap{Store: memstore.New(memstore.Config{})}
						m := manage(t, st, coatcheck.Config{})
						b := newBrowser(g5App(m))
						wants(t, b.Send("POST", "/login"), 200, "")
						time.Sleep(5 * time.Minute)
						done := make(chan error)
						slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							s := m.From(r.Context())
							if looked {
								s.User()
							}
							time.Sleep(2 * time.Second)
							change(s)
							fmt.Fprint(w, "done")
							s.Commit()
							go func() { done <- s.Err() }()
						})
						if outside {
							b.Handler = http.TimeoutHandler(m.Handler(slow), time.Second, "too slow")
						} else {
							b.Handler = m.Handler(http.TimeoutHandler(slow, time.Second, "too slow"))
						}
						// The automatic touch of an answer in time is not the point.
						writes := func() int {
							return st.count("Create") + st.count("Update") + st.count("Replace") + st.count("End")
						}
						before := writes()
						w := b.Send("POST", "/")
						wants(t, w, 503, "too slow")
						bare(t, w)
						if err := <-done; err == nil {
							t.Error("the change after the time-out gave no error")
						}
						if n := writes() - before; n != 0 {
							t.Errorf("%d calls that change something", n)
						}
						b.Handler = g5App(m)
						wants(t, b.Send("GET", "/user"), 200, "user ann")
						wants(t, b.Send("GET", "/get"), 200, "count 0")
					})
				})
			}
		}
	}
}

// G5: what was pending when TimeoutHandler gave up is not stored either: its
// answer has left without it.
func TestG5PendingAtTheTimeout(t *testing.T) {
	for name, change := range map[string]func(s *coatcheck.Session){
		"Set":    func(s *coatcheck.Session) { g1Count.Set(s, 7) },
		"Login":  func(s *coatcheck.Session) { s.Login("bob") },
		"Logout": func(s *coatcheck.Session) { s.Logout() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
				b := newBrowser(g5App(m))
				wants(t, b.Send("POST", "/login"), 200, "")
				done := make(chan error, 1)
				b.Handler = http.TimeoutHandler(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s := m.From(r.Context())
					change(s)
					time.Sleep(2 * time.Second)
					fmt.Fprint(w, "done")
					done <- s.Err()
				})), time.Second, "too slow")
				w := b.Send("POST", "/")
				wants(t, w, 503, "too slow")
				bare(t, w)
				if err := <-done; !errors.Is(err, coatcheck.ErrLate) {
					t.Errorf("Err is %v, want ErrLate", err)
				}
				b.Handler = g5App(m)
				wants(t, b.Send("GET", "/user"), 200, "user ann")
				wants(t, b.Send("GET", "/get"), 200, "count 0")
			})
		})
	}
}

// The guide on time-outs: inside of Handler the 503 of TimeoutHandler "is an answer
// like any other", with which a login is committed; outside nothing is (above).
func TestG5TimeoutHandlerInsideCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		b := newBrowser(m.Handler(http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			m.From(r.Context()).Login("ann")
			time.Sleep(2 * time.Second)
		}), time.Second, "too slow")))
		wants(t, b.Send("POST", "/"), 503, "too slow")
		b.Handler = g5App(m)
		wants(t, b.Send("GET", "/user"), 200, "user ann")
		time.Sleep(2 * time.Second)
	})
}

// G5: "A damaged record is an ended session plus an event, never a 500 for ever."
func TestG5DamagedRecord(t *testing.T) {
	for name, data := range map[string][]byte{"empty": nil, "version": {99}, "cut": {1, 0, 0, 5}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log coatchecktest.Events
				st := memstore.New(memstore.Config{})
				m := manage(t, st, coatcheck.Config{Events: log.Record})
				b := newBrowser(g5App(m))
				wants(t, b.Send("POST", "/login"), 200, "")
				records, err := st.User(t.Context(), "ann")
				if err != nil || len(records) != 1 {
					t.Fatal(len(records), err)
				}
				bad := records[0]
				bad.Data, bad.Version = data, bad.Version+1
				if err := st.Update(t.Context(), bad, records[0].Version); err != nil {
					t.Fatal(err)
				}
				w := b.Send("GET", "/user")
				wants(t, w, 200, "user ")
				bare(t, w)
				if n := log.Count(coatcheck.Damaged); n != 1 {
					t.Errorf("%d events that the record is damaged, want 1", n)
				}
				_, err = st.Load(t.Context(), bad.ID)
				if !errors.Is(err, coatcheck.ErrEnded) {
					t.Errorf("the store still has the record: %v", err)
				}
				b.SetCookie(overName, "") // as if it had been in flight
				wants(t, b.Clone().Send("POST", "/count"), 409, "")
				in := b.Clone()
				wants(t, in.Send("POST", "/login"), 200, "")
				wants(t, in.Send("GET", "/user"), 200, "user ann")
				time.Sleep(time.Minute)
				wants(t, b.Send("POST", "/count"), 200, "count 1")
				wants(t, b.Send("POST", "/count"), 200, "count 2")
				if n := log.Count(coatcheck.Damaged); n != 1 {
					t.Errorf("%d events that the record is damaged, want 1", n)
				}
			})
		})
	}
}

// G5: A value that does not fit its T counts as absent, is an event, and stays
// until something replaces it.
func TestG5ValueThatDoesNotFit(t *testing.T) {
	number, list := coatcheck.NewKey[int]("value"), coatcheck.NewKey[[]string]("value")
	for name, try := range map[string]struct {
		do   func(s *coatcheck.Session)
		left string // by "value" as what it then is
	}{
		"Get": {func(s *coatcheck.Session) { number.Get(s) }, `text "text"`},
		"Update": {func(s *coatcheck.Session) {
			if n := number.Update(s, increase); n != 1 {
				t.Errorf("Update of what does not fit returned %d, want 1", n)
			}
		}, "number 1"},
		"Append": {func(s *coatcheck.Session) { coatcheck.Append(s, list, "x") }, "list [x]"},
		"Pop": {func(s *coatcheck.Session) {
			if n, ok := number.Pop(s); n != 0 || ok {
				t.Errorf("Pop of what does not fit returned %d, %t", n, ok)
			}
		}, `text "text"`},
		"Set":    {func(s *coatcheck.Session) { number.Set(s, 4) }, "number 4"},
		"Delete": {func(s *coatcheck.Session) { number.Delete(s) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := coatcheck.NewKey[string]("value")
			var log coatchecktest.Events
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: log.Record})
			b := newBrowser(m.Handler(paths{
				"/text": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { text.SetFor(s, "text", time.Hour) },
				"/try": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
					if n, ok := number.Get(s); n != 0 || ok {
						t.Errorf("Get returned %d, %t", n, ok)
					}
					try.do(s)
				},
				"/left": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
					if v, ok := text.Get(s); ok {
						fmt.Fprintf(w, "text %q", v)
					} else if n, ok := number.Get(s); ok {
						fmt.Fprint(w, "number ", n)
					} else if l, ok := list.Get(s); ok {
						fmt.Fprint(w, "list ", l)
					}
				},
			}))
			wants(t, b.Send("POST", "/text"), 200, "")
			wants(t, b.Send("POST", "/try"), 200, "")
			if log.Count(coatcheck.Mismatch) == 0 {
				t.Error("nobody was told")
			}
			if got := b.Send("GET", "/left").Body.String(); got != try.left {
				t.Errorf("left is %s, want %s", got, try.left)
			}
		})
	}
}

// G5: "The automatic touch runs with the commit; its failure, ErrEnded included,
// is an event and never changes the answer."
func TestG5TouchFails(t *testing.T) {
	for name, failure := range map[string]func(context.Context, string) error{
		"outage": away("Touch"),
		"hang":   hang("Touch"),
		"ended": func(_ context.Context, method string) error {
			return map[string]error{"Touch": &store.EndedError{}}[method]
		},
		"not found": func(_ context.Context, method string) error {
			return map[string]error{"Touch": store.ErrNotFound}[method]
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log coatchecktest.Events
				st := &trap{Store: memstore.New(memstore.Config{})}
				m := manage(t, st, coatcheck.Config{Events: log.Record})
				b := newBrowser(g5App(m))
				wants(t, b.Send("POST", "/login"), 200, "")
				time.Sleep(2 * time.Minute)
				st.set(failure, nil)
				wants(t, b.Send("GET", "/user"), 200, "user ann")
				if n := st.count("Touch"); n != 0 {
					t.Errorf("%d touches before a tenth of the idle time", n)
				}
				time.Sleep(time.Minute)
				events := len(log.All())
				b.Handler = g5Stream(m)
				w := b.Send("GET", "/stream")
				wants(t, w, 200, "user ann, count 1")
				bare(t, w)
				if n := st.count("Touch"); n != 1 {
					t.Errorf("%d touches, want 1", n)
				}
				if n := len(log.All()) - events; n != 1 {
					t.Errorf("%d events, want 1", n)
				}
			})
		})
	}
}

// g5Stream is an app with a route that writes after the first byte.
func g5Stream(m *coatcheck.Manager) http.Handler {
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		fmt.Fprintf(w, "user %s, ", s.User())
		fmt.Fprintf(w, "count %d", g1Count.Update(s, increase))
	}))
}

// G5: "Config.OnError(w, r, err) answers". One that writes nothing still gives
// the error's status; it may redirect, and look at the session without harm.
func TestG5OnError(t *testing.T) {
	var got error
	for name, test := range map[string]struct {
		answer   func(w http.ResponseWriter, r *http.Request, err error)
		code     int
		body     string
		location string
	}{
		"nothing": {func(http.ResponseWriter, *http.Request, error) {}, 503, "", ""},
		"redirect": {func(w http.ResponseWriter, r *http.Request, err error) {
			http.Redirect(w, r, "/sorry", http.StatusSeeOther)
		}, 303, "", "/sorry"},
		"body alone": {func(w http.ResponseWriter, r *http.Request, err error) { fmt.Fprint(w, "sorry") }, 200, "sorry", ""},
		"session": {func(w http.ResponseWriter, r *http.Request, err error) {
			s := coatcheck.From(r.Context())
			s.Flash("x")
			w.WriteHeader(418)
			fmt.Fprintf(w, "%q %t", s.User(), s.Err() == err)
		}, 418, `"" true`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			st := &trap{Store: memstore.New(memstore.Config{})}
			m := manage(t, st, coatcheck.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
				got = err
				test.answer(w, r, err)
			}})
			b := newBrowser(g5App(m))
			wants(t, b.Send("POST", "/login"), 200, "")
			st.set(away("Load"), nil)
			w := b.Send("GET", "/user")
			wants(t, w, test.code, test.body)
			bare(t, w)
			if !errors.Is(got, errAway) {
				t.Errorf("OnError was given %v", got)
			}
			if at := w.Header().Get("Location"); at != test.location {
				t.Errorf("Location is %q", at)
			}
			if w.Header().Get("Vary") != "Cookie" || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

// G5: "Every try of a Replace has a fresh token."
func TestG5EveryReplaceHasAFreshToken(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	tried := make(map[store.ID]bool)
	st := &replacing{Store: memstore.New(memstore.Config{}), conflict: func(rec store.Record) bool {
		mu.Lock()
		defer mu.Unlock()
		if tried[rec.ID] {
			t.Error("an id was tried twice")
		}
		tried[rec.ID] = true
		return len(tried) < 4
	}}
	b := newBrowser(g5App(manage(t, st, coatcheck.Config{})))
	wants(t, b.Send("POST", "/count"), 200, "count 1")
	wants(t, b.Send("POST", "/login"), 200, "")
	wants(t, b.Send("GET", "/user"), 200, "user ann")
	if len(tried) != 4 {
		t.Errorf("%d tries, want 4", len(tried))
	}
}

type replacing struct {
	store.Store
	conflict func(store.Record) bool
}

// Create never takes an id that is in use (S2): the core tries another.
func TestG5IDInUse(t *testing.T) {
	t.Parallel()
	st := &taken{Store: memstore.New(memstore.Config{}), tried: make(map[store.ID]bool)}
	b := newBrowser(g5App(manage(t, st, coatcheck.Config{})))
	wants(t, b.Send("POST", "/login"), 200, "")
	wants(t, b.Send("GET", "/user"), 200, "user ann")
	if len(st.tried) != 3 {
		t.Errorf("%d ids were tried, want 3", len(st.tried))
	}
}

// A taken store has the first two ids already.
type taken struct {
	store.Store
	tried map[store.ID]bool
}

func (s *taken) Create(ctx context.Context, rec store.Record) error {
	if s.tried[rec.ID] = true; len(s.tried) < 3 {
		return store.ErrExists
	}
	return s.Store.Create(ctx, rec)
}

func (r *replacing) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	if r.conflict(rec) {
		return coatcheck.ErrConflict
	}
	return r.Store.Replace(ctx, old, ifVersion, rec, until)
}

// §7: "on ErrFull it sweeps and tries once more".
func TestG5FullStore(t *testing.T) {
	for _, helps := range []bool{false, true} {
		t.Run(fmt.Sprint(helps), func(t *testing.T) {
			t.Parallel()
			st := &full{Store: memstore.New(memstore.Config{}), helps: helps}
			b := newBrowser(g5App(manage(t, st, coatcheck.Config{})))
			w := b.Send("POST", "/login")
			if helps {
				wants(t, w, 200, "")
				wants(t, b.Send("GET", "/user"), 200, "user ann")
			} else {
				wants(t, w, 503, "")
				bare(t, w)
			}
			if st.creates != map[bool]int{true: 2, false: 1}[helps] {
				t.Errorf("%d calls of Create", st.creates)
			}
		})
	}
}

// A full store has room only after a sweep that helps.
type full struct {
	store.Store
	helps, swept bool
	creates      int
}

func (f *full) Create(ctx context.Context, rec store.Record) error {
	f.creates++
	if !f.swept {
		return coatcheck.ErrFull
	}
	return f.Store.Create(ctx, rec)
}

func (f *full) Sweep(context.Context, time.Time, int) (int, error) {
	if f.helps && !f.swept {
		f.swept = true
		return 1, nil
	}
	return 0, nil
}

// G5: what the Manager's own methods find during an outage is an error, and
// nobody is taken for logged out.
func TestG5ManagerDuringOutage(t *testing.T) {
	t.Parallel()
	st := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, st, coatcheck.Config{})
	b := newBrowser(g5App(m))
	wants(t, b.Send("POST", "/login"), 200, "")
	st.set(away(), nil)
	b.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, call := range map[string]func() error{
			"Sessions":     func() error { _, err := m.Sessions(r.Context(), "ann"); return err },
			"Revoke":       func() error { _, err := m.Revoke(r.Context(), "ann", "x"); return err },
			"RevokeAll":    func() error { _, err := m.RevokeAll(r.Context(), "ann"); return err },
			"RevokeOthers": func() error { _, err := m.RevokeOthers(r.Context()); return err },
			"Sweep":        func() error { _, err := m.Sweep(r.Context()); return err },
		} {
			if err := call(); !errors.Is(err, errAway) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}))
	wants(t, b.Send("POST", "/"), 503, "")
	st.set(nil, nil)
	b.Handler = g5App(m)
	wants(t, b.Send("GET", "/user"), 200, "user ann")
}

// G12: "A first look after the first byte of an answer … is refused: User is "",
// Err is ErrLate, an event", also where the handler has not even asked for the
// session before.
func TestG5FirstLookAfterTheFirstByte(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *coatcheck.Session){
		"read":  func(s *coatcheck.Session) { s.User() },
		"write": func(s *coatcheck.Session) { g1Count.Update(s, increase) },
		"login": func(s *coatcheck.Session) { s.Login("bob") },
	} {
		t.Run(name, func(t *testing.T) {
			var log coatchecktest.Events
			st := &trap{Store: memstore.New(memstore.Config{})}
			m := manage(t, st, coatcheck.Config{Events: log.Record})
			b := newBrowser(g5App(m))
			wants(t, b.Send("POST", "/login"), 200, "")
			calls := st.count("")
			b.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, "first")
				s := coatcheck.From(r.Context())
				change(s)
				if s.User() != "" || !errors.Is(s.Err(), coatcheck.ErrLate) {
					t.Errorf("user %q, Err %v", s.User(), s.Err())
				}
			}))
			w := b.Send("POST", "/")
			wants(t, w, 200, "first")
			bare(t, w)
			if n := st.count("") - calls; n != 0 || log.Count(coatcheck.Late) != 1 {
				t.Errorf("%d store calls and %d events, want none and 1", n, log.Count(coatcheck.Late))
			}
		})
	}
}

// G5: What a store is given for the write of a commit has an end of its own, which
// leaves time for a look, and no other: the client may leave. When the call is over
// that is so for good, whatever the request commits after that, since a driver may
// have kept it.
func TestG5ContextOfTheCall(t *testing.T) {
	for _, asks := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) { contextOfTheCall(t, asks) })
	}
}

// contextOfTheCall is that of a store that asks the context for its end, or not.
func contextOfTheCall(t *testing.T, asks bool) {
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{})
	var held []context.Context
	begun := time.Now()
	store.set(func(ctx context.Context, method string) error {
		if method != "Update" {
			return nil
		}
		if held = append(held, ctx); asks {
			at, ok := ctx.Deadline()
			if left := time.Until(at); !ok || left <= 0 || left > 4*time.Second || ctx.Err() != nil {
				t.Errorf("call %d: it has %v, %v, %v; want at most 4s and no error", len(held), left, ok, ctx.Err())
			}
			if ctx.Value(http.ServerContextKey) != "server" {
				t.Errorf("call %d: the request's values are not there", len(held))
			}
		}
		return nil
	}, nil)
	ctx, leave := context.WithCancel(context.WithValue(t.Context(), http.ServerContextKey, "server"))
	b := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		if r.URL.Path == "/login" {
			s.Login("alice")
			return
		}
		s.User()
		leave()
		for i := range 2 {
			g1Count.Update(s, increase)
			for _, ctx := range held {
				select {
				case <-ctx.Done():
				default:
					t.Errorf("after %d commits a call's context has not ended", i+1)
				}
				if ctx.Err() == nil {
					t.Errorf("after %d commits a call's context has no error", i+1)
				}
			}
		}
	})))
	b.Send("POST", "/login")
	wants(t, b.Serve(b.Request("POST", "/count").WithContext(ctx)), http.StatusOK, "")
	if len(held) != 2 || held[0] == held[1] {
		t.Errorf("%d contexts for two commits, or one for both", len(held))
	}
	if took := time.Since(begun); took != 0 {
		t.Errorf("the test waited %v", took)
	}
}

// G5: A store that only asks whether its time is over is told so too.
func TestG5CallThatOnlyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &trap{Store: memstore.New(memstore.Config{})}
		m := manage(t, store, coatcheck.Config{})
		b := newBrowser(g5App(m))
		b.Send("POST", "/login")
		for _, method := range []string{"Load", "Update"} {
			store.set(func(ctx context.Context, called string) error {
				for range 100 {
					if called != method || ctx.Err() != nil {
						break
					}
					time.Sleep(time.Second / 4)
				}
				return ctx.Err()
			}, nil)
			begun := time.Now()
			w := b.Send("POST", "/count")
			if took := time.Since(begun); w.Code != http.StatusServiceUnavailable || took > 6*time.Second {
				t.Errorf("%s: answer %d after %v; want 503 within 6s", method, w.Code, took)
			}
		}
	})
}

// G5: A commit has 5 seconds in all, also where its call begins late or asks late whether
// its time is over: then there is still a second for the look.
func TestG5CallThatBeginsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &trap{Store: memstore.New(memstore.Config{})}
		b := newBrowser(g5App(manage(t, store, coatcheck.Config{})))
		wants(t, b.Send("POST", "/login"), http.StatusOK, "")
		store.set(func(_ context.Context, method string) error {
			if method == "Update" {
				time.Sleep(1500 * time.Millisecond) // for a connection
			}
			return nil
		}, func(ctx context.Context, method string) error {
			if method == "Update" {
				<-ctx.Done()
				return ctx.Err() // applied, and no answer
			}
			return nil
		})
		begun := time.Now()
		wants(t, b.Send("POST", "/count"), http.StatusOK, "count 1")
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("the commit took %v", took)
		}
	})
}

// G5: So it is where the session has to be loaded anew before the call.
func TestG5CallAfterASlowLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &trap{Store: memstore.New(memstore.Config{})}
		m := manage(t, store, coatcheck.Config{Idle: 10 * time.Minute})
		b := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := m.From(r.Context())
			switch r.URL.Path {
			case "/login":
				s.Login("ann")
				return
			case "/look":
				s.User()
				return
			}
			s.User()
			time.Sleep(6 * time.Minute)
			other := newBrowser(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { m.From(r.Context()).User() })))
			c, err := r.Cookie(sidName)
			if err != nil {
				t.Fatal(err)
			}
			other.SetCookie(sidName, c.Value)
			wants(t, other.Send("GET", "/"), http.StatusOK, "") // moves the idle end
			time.Sleep(6 * time.Minute)
			loads := store.count("Load")
			store.set(func(_ context.Context, method string) error {
				if method == "Load" && store.count("Load") == loads+1 {
					time.Sleep(3 * time.Second)
				}
				return nil
			}, func(ctx context.Context, method string) error {
				if method == "Update" {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			})
			g1Count.Set(s, 7)
			begun := time.Now()
			if err, took := s.Commit(), time.Since(begun); err != nil || took > 5*time.Second {
				t.Errorf("%v after %v; want no error within 5s", err, took)
			}
		})))
		wants(t, b.Send("POST", "/login"), http.StatusOK, "")
		wants(t, b.Send("POST", "/long"), http.StatusOK, "")
	})
}

// G5: What a commit gave a store beside its call ends with the commit.
func TestG5ContextOfTheCommitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &trap{Store: memstore.New(memstore.Config{})}
		var held context.Context
		store.set(func(ctx context.Context, method string) error {
			if method == "Sweep" {
				held = ctx
				ctx.Done()
			}
			return nil
		}, nil)
		b := newBrowser(g5App(manage(t, store, coatcheck.Config{})))
		wants(t, b.Send("POST", "/count"), http.StatusOK, "count 1")
		if held == nil || held.Err() == nil {
			t.Fatalf("a context of a commit that is over: %v; want one that has ended", held)
		}
		<-held.Done()
	})
}

// G13: What a store, or an event, gets as its context prints nothing of the session.
func TestG13ContextsPrintNothing(t *testing.T) {
	store := &trap{Store: memstore.New(memstore.Config{})}
	b := newBrowser(g5App(manage(t, store, coatcheck.Config{})))
	wants(t, b.Send("POST", "/login"), http.StatusOK, "")
	wants(t, b.Send("POST", "/set"), http.StatusOK, "set")
	called := 0
	store.set(nil, func(ctx context.Context, method string) error {
		called++
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if printed := fmt.Sprintf(verb, ctx); strings.Contains(printed, "ann") || strings.Contains(printed, "ID:") || len(printed) > 200 {
				t.Errorf("%s with %s prints %.200s", method, verb, printed)
			}
		}
		return nil
	})
	wants(t, b.Send("POST", "/count"), http.StatusOK, "count 8")
	if called < 2 {
		t.Errorf("%d calls", called)
	}
}

// G2: A session that expires while the application looks for a foreign one, after the
// look at ours, is not written to.
func TestG2ExpiredWhileItLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &trap{Store: memstore.New(memstore.Config{})}
		m := manage(t, store, coatcheck.Config{AnonymousIdle: 10 * time.Minute})
		var slow time.Duration
		adopt, err := m.Adopting(func(*http.Request) (coatcheck.Adoption, error) {
			time.Sleep(slow)
			return coatcheck.Adoption{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b := newBrowser(adopt(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "count ", g1Count.Update(m.From(r.Context()), increase))
		})))
		wants(t, b.Send("POST", "/count"), http.StatusOK, "count 1")
		time.Sleep(11*time.Minute - time.Second) // the idle end is a tenth late
		slow = 3 * time.Second
		wants(t, b.Send("POST", "/count"), http.StatusConflict, "")
		if n := store.count("Update"); n != 0 {
			t.Errorf("%d updates", n)
		}
	})
}
