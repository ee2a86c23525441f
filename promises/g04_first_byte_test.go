package promises_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
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

// A flushErrorOnly is a writer that is no http.Flusher but can flush.
type flushErrorOnly struct {
	http.ResponseWriter
	flush func() error
}

func (w flushErrorOnly) FlushError() error { return w.flush() }

// G4: Commit happens before anything leaves: WriteHeader (1xx excepted), Write,
// Flush, ReadFrom, Hijack, or return.
func TestG4CommitsBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		way   string
		first string // what reaches the server first after the commit
		leave func(w http.ResponseWriter)
	}{
		{"WriteHeader", "WriteHeader 204", func(w http.ResponseWriter) { w.WriteHeader(204) }},
		{"WriteHeader 304", "WriteHeader 304", func(w http.ResponseWriter) { w.WriteHeader(304) }},
		{"Write", "Write", func(w http.ResponseWriter) { w.Write([]byte("x")) }},
		{"empty Write", "Write", func(w http.ResponseWriter) { w.Write(nil) }},
		{"WriteString", "WriteString", func(w http.ResponseWriter) { io.WriteString(w, "x") }},
		{"ReadFrom", "ReadFrom", func(w http.ResponseWriter) { w.(io.ReaderFrom).ReadFrom(strings.NewReader("x")) }},
		{"Flush", "FlushError", func(w http.ResponseWriter) { w.(http.Flusher).Flush() }},
		{"FlushError", "FlushError", func(w http.ResponseWriter) { http.NewResponseController(w).Flush() }},
		{"Hijack", "Hijack", func(w http.ResponseWriter) { w.(http.Hijacker).Hijack() }},
		{"ResponseController.Hijack", "Hijack", func(w http.ResponseWriter) { http.NewResponseController(w).Hijack() }},
		{"switching protocols", "WriteHeader 101", func(w http.ResponseWriter) { w.WriteHeader(101) }},
		{"return", "", func(http.ResponseWriter) {}},
	} {
		t.Run(c.way, func(t *testing.T) {
			t.Parallel()
			store := &trap{Store: memstore.New(memstore.Config{})}
			m := manage(t, store, coatcheck.Config{})
			b := begin(t, m, only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
				hits.Set(s, 7)
				c.leave(w)
			}))
			w := &witness{ResponseRecorder: httptest.NewRecorder(), t: t}
			store.set(func(_ context.Context, method string) error { w.saw(method); return nil }, nil)
			b.Handler.ServeHTTP(w, b.Request("GET", "/"))

			want := []string{"Load", "Update"}
			if c.first != "" {
				want = append(want, c.first)
			}
			if !slices.Equal(w.calls, want) {
				t.Errorf("got the order %q, want %q", w.calls, want)
			}
			store.set(nil, nil)
			if _, n := stored(m, b); n != 7 {
				t.Errorf("stored %d, want 7", n)
			}
		})
	}
}

// G4: Commit happens before Flush, also where the server's writer has only
// FlushError, which http.ResponseController would find behind ours.
func TestG4FlushErrorOnly(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	w := httptest.NewRecorder()
	plain := flushErrorOnly{struct{ http.ResponseWriter }{w}, func() error { w.Flush(); return nil }}
	only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		hits.Set(s, 1)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error("flush:", err)
		}
	}).ServeHTTP(plain, httptest.NewRequest("GET", "/", nil))
	if len(w.Result().Cookies()) == 0 {
		t.Error("the headers left without the session cookie")
	}
}

// G4: WriteHeader (1xx excepted): informational responses pass and commit
// nothing, what follows commits.
func TestG4InformationalResponses(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	srv := httptest.NewServer(only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		hits.Set(s, 1)
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(srv.Close)
	var early []http.Header
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		early = append(early, http.Header(h))
		return nil
	}}
	r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "POST", srv.URL, nil)
	res, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if len(early) != 2 || early[0].Get("Link") == "" || early[0].Get("Set-Cookie") != "" || early[1].Get("Set-Cookie") != "" {
		t.Errorf("got early hints %v, want two with a link and without cookies", early)
	}
	if res.StatusCode != 201 || len(res.Cookies()) != 2 {
		t.Errorf("got %d with cookies %v, want 201 with session cookie and marker", res.StatusCode, res.Cookies())
	}
}

// G4: One Set-Cookie for each of our names; other lines are untouched.
func TestG4OneSetCookieForEachName(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	h := only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		w.Header().Add("Set-Cookie", "first=1; Path=/")
		w.Header().Add("Set-Cookie", sidName+"=planted")
		w.Header().Add("Set-Cookie", "first=2; Path=/x")
		hits.Update(s, increase)
		s.Login("alice")
		s.Commit()
		s.Renew()
		w.Header().Add("Set-Cookie", "last=\"odd value\"")
	})
	outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "outer=1")
		h.ServeHTTP(w, r)
	})
	lines := newBrowser(outer).Send("POST", "/").Header()["Set-Cookie"]
	var names []string
	for _, line := range lines {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
	}
	if want := []string{sidName, "outer", "first", "first", "last", markName}; !slices.Equal(names, want) {
		t.Fatalf("got the lines %q, want the names %q", lines, want)
	}
	for i, want := range map[int]string{1: "outer=1", 2: "first=1; Path=/", 3: "first=2; Path=/x", 4: "last=\"odd value\""} {
		if lines[i] != want {
			t.Errorf("line %d: got %q, want %q", i, lines[i], want)
		}
	}
	b := newBrowser(only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { io.WriteString(w, s.User()) }))
	value, _, _ := strings.Cut(strings.TrimPrefix(lines[0], sidName+"="), ";")
	b.SetCookie(sidName, value)
	if w := b.Send("GET", "/"); w.Body.String() != "alice" {
		t.Errorf("the cookie belongs to %q, want the last commit's", w.Body)
	}
}

// G4: A change after the first byte is saved when the response ends if it needs
// no cookie, and otherwise is an error that the handler can see and an event;
// never silence.
func TestG4ChangeAfterTheFirstByte(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 30<<10)
	for _, c := range []struct {
		name   string
		live   bool // the browser has a session
		change func(s *coatcheck.Session)
		err    error
		event  coatcheck.Kind
		hits   int // what is stored in the end
	}{
		{"Set", true, func(s *coatcheck.Session) { hits.Set(s, 5) }, nil, "", 5},
		{"Update", true, func(s *coatcheck.Session) { hits.Update(s, increase) }, nil, "", 2},
		{"Delete", true, func(s *coatcheck.Session) { hits.Delete(s) }, nil, "", 0},
		{"Set without a session", false, func(s *coatcheck.Session) { hits.Set(s, 5) }, coatcheck.ErrLate, coatcheck.Late, 0},
		{"Update without a session", false, func(s *coatcheck.Session) { hits.Update(s, increase) }, coatcheck.ErrLate, coatcheck.Late, 0},
		{"Flash without a session", false, func(s *coatcheck.Session) { s.Flash("hello") }, coatcheck.ErrLate, coatcheck.Late, 0},
		{"Login", true, func(s *coatcheck.Session) { s.Login("bob") }, coatcheck.ErrLate, coatcheck.Late, 1},
		{"Login without a session", false, func(s *coatcheck.Session) { s.Login("bob") }, coatcheck.ErrLate, coatcheck.Late, 0},
		{"Renew", true, func(s *coatcheck.Session) { s.Renew() }, coatcheck.ErrLate, coatcheck.Late, 1},
		{"Reauthenticate", true, func(s *coatcheck.Session) { s.Reauthenticate() }, coatcheck.ErrLate, coatcheck.Late, 1},
		{"Remember", true, func(s *coatcheck.Session) { s.Remember(time.Hour) }, coatcheck.ErrLate, coatcheck.Late, 1},
		{"Set after Logout", true, func(s *coatcheck.Session) { s.Logout(); hits.Set(s, 5) }, coatcheck.ErrLate, coatcheck.Late, 0},
		{"too much", true, func(s *coatcheck.Session) {
			for i := range 3 {
				coatcheck.NewKey[string](fmt.Sprint("large", i)).Set(s, large)
			}
		}, nil, coatcheck.Late, 1}, // seen only at the end: an event, at least
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var l coatchecktest.Events
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
			var err error
			h := only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
				s.User() // the first look comes in time
				io.WriteString(w, "first byte")
				c.change(s)
				err = s.Err()
			})
			b := newBrowser(h)
			if c.live {
				b = begin(t, m, h)
			}
			l.Reset()
			w := b.Send("POST", "/")
			if !errors.Is(err, c.err) {
				t.Errorf("Err is %v, want %v", err, c.err)
			}
			if got := l.Count(coatcheck.Late); got != 0 && c.event == "" || got != 1 && c.event != "" {
				t.Errorf("got the events %v, want %q", l.Kinds(), c.event)
			}
			if w.Code != 200 || w.Body.String() != "first byte" || len(w.Header()["Set-Cookie"]) > 0 {
				t.Errorf("got %d %q with cookies %q, want the handler's answer", w.Code, w.Body, w.Header()["Set-Cookie"])
			}
			if _, n := stored(m, b); n != c.hits {
				t.Errorf("stored %d, want %d", n, c.hits)
			}
		})
	}
}

// G4: never silence: what is still pending when the response ends and cannot be
// saved is an event, also for a store that fails.
func TestG4LateChangeThatFails(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{Events: l.Record})
	b := begin(t, m, only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		s.User()
		io.WriteString(w, "first byte")
		hits.Set(s, 9)
		store.set(func(context.Context, string) error { return errors.New("away") }, nil)
	}))
	l.Reset()
	b.Send("POST", "/")
	store.set(nil, nil)
	if l.Count(coatcheck.StoreError) == 0 || l.Count(coatcheck.Late) != 1 {
		t.Errorf("got the events %v, want store error and late", l.Kinds())
	}
}

// G2: Logout after the first byte does not wait: a stream may last for hours.
// G4: A change after the first byte that needs no cookie is saved.
func TestG4LogoutAfterTheFirstByteEndsAtOnce(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	var b *browser
	b = begin(t, m, only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		s.User()
		io.WriteString(w, "first byte")
		s.Logout()
		if user, _ := stored(m, b); user != "" || s.Err() != nil {
			t.Errorf("while the handler runs the session is still %q's, Err %v", user, s.Err())
		}
	}))
	b.Send("POST", "/")
}

// G4: A change that comes while the headers leave is saved with them or is an
// error; never a session whose cookie nobody gets.
func TestG4ChangeWhileTheHeadersLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &trap{Store: memstore.New(memstore.Config{})}
		m := manage(t, store, coatcheck.Config{})
		w := httptest.NewRecorder()
		var done sync.WaitGroup
		h := only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			s.Flash("hello")
			started := make(chan struct{})
			store.set(func(_ context.Context, method string) error {
				if method == "Create" {
					// The commit before the first byte is in the store: another
					// goroutine of the handler now logs in.
					done.Go(func() {
						close(started)
						s.Login("alice")
						s.Commit()
					})
					<-started
					synctest.Wait() // it waits for the commit to end
				}
				return nil
			}, nil)
			io.WriteString(w, "first byte")
			done.Wait()
			if err := s.Err(); !errors.Is(err, coatcheck.ErrLate) {
				t.Errorf("Err is %v, want ErrLate", err)
			}
		})
		h.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
		if store.count("Replace") > 0 {
			t.Error("a login was stored whose cookie came too late")
		}
	})
}

// G4: After the handler returned every change is an error.
func TestG4AfterTheHandlerReturned(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*coatcheck.Session){
		"Set":            func(s *coatcheck.Session) { hits.Set(s, 5) },
		"SetFor":         func(s *coatcheck.Session) { hits.SetFor(s, 5, time.Minute) },
		"Update":         func(s *coatcheck.Session) { hits.Update(s, increase) },
		"Delete":         func(s *coatcheck.Session) { hits.Delete(s) },
		"Pop":            func(s *coatcheck.Session) { hits.Pop(s) },
		"Append":         func(s *coatcheck.Session) { coatcheck.Append(s, coatcheck.NewKey[[]int]("list"), 1) },
		"Flash":          func(s *coatcheck.Session) { s.Flash("x") },
		"Flashes":        func(s *coatcheck.Session) { s.Flashes() },
		"Clear":          (*coatcheck.Session).Clear,
		"Login":          func(s *coatcheck.Session) { s.Login("bob") },
		"Reauthenticate": (*coatcheck.Session).Reauthenticate,
		"Renew":          (*coatcheck.Session).Renew,
		"Remember":       func(s *coatcheck.Session) { s.Remember(time.Hour) },
		"Logout":         (*coatcheck.Session).Logout,
		"Touch":          (*coatcheck.Session).Touch,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &trap{Store: memstore.New(memstore.Config{})}
			m := manage(t, store, coatcheck.Config{})
			var kept *coatcheck.Session
			b := begin(t, m, only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
				s.User()
				kept = s
			}))
			b.Send("GET", "/")
			before := store.count("")
			change(kept)
			if err := kept.Commit(); !errors.Is(err, coatcheck.ErrLate) || !errors.Is(kept.Err(), coatcheck.ErrLate) {
				t.Errorf("Commit gives %v, Err %v; want ErrLate", err, kept.Err())
			}
			if n := store.count(""); n != before {
				t.Errorf("%d calls of the store, want none", n-before)
			}
			if user, n := stored(m, b); user != "alice" || n != 1 {
				t.Errorf("stored %q and %d, want alice and 1", user, n)
			}
		})
	}
}

// G4: After ... `TimeoutHandler` gave up every change is an error.
func TestG4TimeoutHandler(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(*coatcheck.Manager, http.Handler) http.Handler{
		"outside": func(m *coatcheck.Manager, h http.Handler) http.Handler {
			return http.TimeoutHandler(m.Handler(h), time.Second, "too slow")
		},
		"inside": func(m *coatcheck.Manager, h http.Handler) http.Handler {
			return m.Handler(http.TimeoutHandler(h, time.Second, "too slow"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &trap{Store: memstore.New(memstore.Config{})}
				m := manage(t, store, coatcheck.Config{})
				errs := make(chan error, 1)
				h := wrap(m, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s := m.From(r.Context())
					s.User()
					<-r.Context().Done()
					synctest.Wait() // TimeoutHandler answers
					hits.Update(s, increase)
					s.Login("bob")
					_, err := io.WriteString(w, "late")
					if err == nil {
						t.Error("the write succeeded")
					}
					errs <- s.Err()
				}))
				b := begin(t, m, h)
				w := b.Send("POST", "/")
				if err := <-errs; !errors.Is(err, coatcheck.ErrLate) {
					t.Errorf("Err is %v, want ErrLate", err)
				}
				if w.Code != 503 || w.Body.String() != "too slow" || len(w.Header()["Set-Cookie"]) > 0 {
					t.Errorf("got %d %q %q, want TimeoutHandler's answer", w.Code, w.Body, w.Header())
				}
				synctest.Wait()
				if user, n := stored(m, b); user != "alice" || n != 1 {
					t.Errorf("stored %q and %d, want alice and 1", user, n)
				}
			})
		})
	}
}

// G4: after `TimeoutHandler` gave up every change is an error, also one that was
// made before and waited for the first byte.
func TestG4TimeoutHandlerPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &trap{Store: memstore.New(memstore.Config{})}
		var l coatchecktest.Events
		m := manage(t, store, coatcheck.Config{Events: l.Record})
		errs := make(chan error, 1)
		b := begin(t, m, http.TimeoutHandler(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := m.From(r.Context())
			hits.Set(s, 5)
			<-r.Context().Done()
			synctest.Wait() // TimeoutHandler answers
			io.WriteString(w, "late")
			errs <- s.Err()
		})), time.Second, "too slow"))
		l.Reset()
		w := b.Send("POST", "/")
		if err := <-errs; w.Code != 503 || !errors.Is(err, coatcheck.ErrLate) || l.Count(coatcheck.Late) != 1 {
			t.Errorf("got %d, %v and the events %v; want 503, ErrLate and late", w.Code, err, l.Kinds())
		}
		if _, n := stored(m, b); n != 1 || store.count("Update") != 0 {
			t.Errorf("stored %d, want 1", n)
		}
	})
}

// twoServers is a server of h behind a manager, and one of h alone.
func twoServers(t *testing.T, h http.Handler) (with, bare *httptest.Server, m *coatcheck.Manager) {
	t.Helper()
	m = manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	with, bare = httptest.NewServer(m.Handler(h)), httptest.NewServer(h)
	t.Cleanup(with.Close)
	t.Cleanup(bare.Close)
	return with, bare, m
}

// headPages change the session in every way; told is what a handler has seen.
func headPages(told *string) *http.ServeMux {
	page := func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		n := hits.Update(s, increase)
		n += hits.Update(s, increase)
		messages := s.Flashes()
		note.Set(s, "seen")
		text, _ := note.Pop(s)
		*told = fmt.Sprint(n, messages, s.Flashes(), text, s.User(), s.Err())
		w.Header().Set("Content-Length", fmt.Sprint(len(*told)))
		w.Write([]byte(*told))
	}
	with := func(act func(*coatcheck.Session)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			act(coatcheck.From(r.Context()))
			page(w, r)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", page)
	mux.HandleFunc("GET /login", with(func(s *coatcheck.Session) { s.Login("alice") }))
	mux.HandleFunc("GET /remember", with(func(s *coatcheck.Session) { s.Remember(time.Hour) }))
	mux.HandleFunc("GET /logout", with((*coatcheck.Session).Logout))
	mux.HandleFunc("GET /clear", with((*coatcheck.Session).Clear))
	mux.HandleFunc("GET /flash", with(func(s *coatcheck.Session) { s.Flash("hello") }))
	mux.HandleFunc("GET /keep", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Flash("hello") })
	mux.HandleFunc("GET /large", with(func(s *coatcheck.Session) { note.Set(s, strings.Repeat("x", 40<<10)) }))
	mux.HandleFunc("GET /again", with((*coatcheck.Session).Reauthenticate))
	return mux
}

// G4: HEAD answers as GET would and keeps nothing.
func TestG4Head(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "/keep", "/login"} { // without a session, then with one
		for _, path := range []string{"/", "/login", "/remember", "/logout", "/clear", "/flash", "/large", "/again"} {
			t.Run(path+" after "+before, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var told string
					store := &trap{Store: memstore.New(memstore.Config{})}
					m := manage(t, store, coatcheck.Config{Events: func(e coatcheck.Event) {
						if e.Kind == coatcheck.Late || e.Kind == coatcheck.WriteEnded {
							t.Errorf("event %+v", e)
						}
					}})
					b := newBrowser(m.Handler(headPages(&told)))
					if before != "" {
						wants(t, b.Send("GET", before), 200, "")
					}
					time.Sleep(20 * time.Minute) // a touch would be due
					stored := store.stores()
					visit := func(method string) string {
						told = ""
						w := b.Send(method, path)
						n, cookies := store.stores()-stored, w.Header()["Set-Cookie"]
						if method == "HEAD" && (n != 0 || len(cookies) > 0) {
							t.Errorf("HEAD: %d stored, sets %q; want neither", n, cookies)
						}
						w.Header().Del("Set-Cookie")
						w.Header().Del("Clear-Site-Data")
						return fmt.Sprint(w.Code, w.Header(), told)
					}
					first, second, get := visit("HEAD"), visit("HEAD"), visit("GET")
					if first != get || second != get {
						t.Errorf("got\n%s\n%s\nfor HEAD, and for GET\n%s", first, second, get)
					}
				})
			})
		}
	}
}

// G4: `http.ServeContent`, 304, HEAD ... work as without us.
func TestG4ServeContent(t *testing.T) {
	t.Parallel()
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	content := strings.Repeat("0123456789", 10_000)
	with, bare, _ := twoServers(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "digits.txt", modified, strings.NewReader(content))
	}))
	for _, c := range []struct{ method, header, value string }{
		{"GET", "", ""},
		{"HEAD", "", ""},
		{"GET", "Range", "bytes=10-19"},
		{"GET", "Range", "bytes=-5"},
		{"GET", "Range", "bytes=0-1,5-9"},
		{"GET", "Range", "bytes=999999-"},
		{"HEAD", "Range", "bytes=10-19"},
		{"GET", "If-None-Match", `"one"`},
		{"GET", "If-None-Match", `"two"`},
		{"GET", "If-Match", `"two"`},
		{"GET", "If-Modified-Since", modified.Format(http.TimeFormat)},
	} {
		t.Run(c.method+" "+c.header+" "+c.value, func(t *testing.T) {
			got, want := fetch(t, with, c.method, c.header, c.value), fetch(t, bare, c.method, c.header, c.value)
			if got != want {
				t.Errorf("got  %.300s\nwant %.300s", got, want)
			}
		})
	}
}

// fetch returns all of an answer but the date and the boundary of its parts.
func fetch(t *testing.T, srv *httptest.Server, method, header, value string) string {
	t.Helper()
	r, _ := http.NewRequest(method, srv.URL+"/", nil)
	if header != "" {
		r.Header.Set(header, value)
	}
	res, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	res.Header.Del("Date")
	all := fmt.Sprint(res.StatusCode, res.ContentLength, res.Header, string(body))
	if _, boundary, ok := strings.Cut(res.Header.Get("Content-Type"), "boundary="); ok {
		all = strings.ReplaceAll(all, boundary, "boundary")
	}
	return all
}

// G4: panics work as without us: the connection is cut, nothing pending is
// stored, and an outer handler that answers still sends our cookies.
func TestG4Panics(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	h := only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		s.Login("alice")
		s.Commit()
		hits.Set(s, 5)
		panic(http.ErrAbortHandler)
	})

	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	if res, err := srv.Client().Post(srv.URL, "", nil); err == nil {
		t.Errorf("got %v, want a cut connection", res.Status)
	}

	b := newBrowser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("recovered %v, want the handler's value", v)
			}
			http.Error(w, "sorry", 500)
		}()
		h.ServeHTTP(w, r)
	}))
	w := b.Send("POST", "/")
	if w.Code != 500 || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Vary") != "Cookie" {
		t.Errorf("got %d with %v, want 500 that no cache keeps", w.Code, w.Header())
	}
	if user, n := stored(m, b); user != "alice" || n != 0 {
		t.Errorf("stored %q and %d, want what was committed: alice and 0", user, n)
	}
}

// G4: panics work as without us, also one in the function given to Update that
// is recovered inside: the function does not run a second time.
func TestG4PanicInUpdate(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	runs := 0
	b := begin(t, m, only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		defer func() {
			recover()
			http.Error(w, "sorry", 500)
		}()
		note.Set(s, "kept")
		hits.Update(s, func(int) int { runs++; panic("oh") })
	}))
	if w := b.Send("POST", "/"); w.Code != 500 || w.Body.String() != "sorry\n" {
		t.Errorf("got %d %q, want the handler's answer", w.Code, w.Body)
	}
	if _, n := stored(m, b); n != 1 || runs != 1 {
		t.Errorf("stored %d after %d runs, want 1 after 1", n, runs)
	}
}

// abilities names what a handler finds in its writer.
func abilities(w http.ResponseWriter) string {
	var found []string
	for name, ok := range map[string]bool{
		"Flusher":       is[http.Flusher](w),
		"Hijacker":      is[http.Hijacker](w),
		"Pusher":        is[http.Pusher](w),
		"ReaderFrom":    is[io.ReaderFrom](w),
		"CloseNotifier": is[interface{ CloseNotify() <-chan bool }](w), // gin's c.Stream
		"deadlines":     http.NewResponseController(w).SetReadDeadline(time.Time{}) == nil,
		"duplex":        http.NewResponseController(w).EnableFullDuplex() == nil,
	} {
		if ok {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

func is[T any](v any) bool { _, ok := v.(T); return ok }

// G4: `http.ResponseController`, SSE, websockets ... work as without us: a
// handler finds in its writer what the server's has, and nothing else.
func TestG4WriterHasWhatTheServersHas(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, abilities(w)) })
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	for name, serve := range map[string]func(t *testing.T, h http.Handler) string{
		"HTTP/1": func(t *testing.T, h http.Handler) string {
			srv := httptest.NewServer(h)
			defer srv.Close()
			return get(t, srv)
		},
		"HTTP/2": func(t *testing.T, h http.Handler) string {
			srv := httptest.NewUnstartedServer(h)
			srv.EnableHTTP2 = true
			srv.StartTLS()
			defer srv.Close()
			return get(t, srv)
		},
		"recorder": func(_ *testing.T, h http.Handler) string {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			return w.Body.String()
		},
		"TimeoutHandler": func(_ *testing.T, h http.Handler) string {
			w := httptest.NewRecorder()
			http.TimeoutHandler(h, time.Minute, "").ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			return w.Body.String()
		},
		"plain": func(_ *testing.T, h http.Handler) string {
			w := httptest.NewRecorder()
			h.ServeHTTP(struct{ http.ResponseWriter }{w}, httptest.NewRequest("GET", "/", nil))
			return w.Body.String()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, want := serve(t, m.Handler(h)), serve(t, h); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func get(t *testing.T, srv *httptest.Server) string {
	t.Helper()
	res, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// G4: Push works as without us.
func TestG4Push(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	srv := httptest.NewUnstartedServer(only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		hits.Set(s, 1)
		// Go's client refuses pushes; that the answer says so shows that it was asked.
		fmt.Fprint(w, w.(http.Pusher).Push("/style.css", nil))
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	if got, want := get(t, srv), http.ErrNotSupported.Error(); got != want {
		t.Errorf("Push: got %q, want %q", got, want)
	}
}

// G4: multipart uploads work as without us: the server removes the files.
func TestG4UploadedFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} { // one of them, on each system
		t.Setenv(name, dir)
	}
	count := func() int {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	srv := httptest.NewServer(only(m, func(_ http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		hits.Set(s, 1)
		if err := r.ParseMultipartForm(1); err != nil || count() != 1 {
			t.Errorf("upload: %v, %d files, want 1", err, count())
		}
	}))
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, _ := form.CreateFormFile("file", "large.bin")
	file.Write(make([]byte, 1<<20))
	form.Close()
	res, err := srv.Client().Post(srv.URL, form.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	srv.Close() // waits for the request to end
	if n := count(); n != 0 {
		t.Errorf("%d uploaded files are left, want none", n)
	}
}

// G4: middleware outside works as without us: it sees the pattern that matched.
func TestG4PatternIsVisibleOutside(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /panic/{id}", func(http.ResponseWriter, *http.Request) { panic("oh") })
	for path, want := range map[string]string{"/users/7": "GET /users/{id}", "/panic/7": "GET /panic/{id}", "/none": ""} {
		r := httptest.NewRequest("GET", path, nil)
		func() {
			defer func() { recover() }()
			m.Handler(mux).ServeHTTP(httptest.NewRecorder(), r)
		}()
		if r.Pattern != want {
			t.Errorf("%s: got the pattern %q, want %q", path, r.Pattern, want)
		}
	}
}

// Handler may wrap a request only once; a second time it does nothing.
func TestG4NestedHandlerDoesNothing(t *testing.T) {
	t.Parallel()
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{})
	var outer *coatcheck.Session
	inner := only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		if s != outer || coatcheck.From(r.Context()) != outer {
			t.Error("the inner handler has another session")
		}
		hits.Update(s, increase)
	})
	b := begin(t, m, only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		outer = s
		inner.ServeHTTP(w, r)
	}))
	before := store.count("")
	b.Send("POST", "/")
	if n := store.count("") - before; n != 2 {
		t.Errorf("%d calls of the store, want a load and an update", n)
	}
}

// Package-level `From(ctx)` gives the innermost manager's session,
// `sessions.From(ctx)` a given one's. G4: one Set-Cookie for each of our names.
func TestG4TwoManagers(t *testing.T) {
	t.Parallel()
	store := memstore.New(memstore.Config{}) // the same, to show that the cookie's name is in the token
	a := manage(t, store, coatcheck.Config{Name: "__Host-a"})
	z := manage(t, store, coatcheck.Config{Name: "__Host-z"})
	b := newBrowser(a.Handler(z.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inA, inZ := a.From(r.Context()), z.From(r.Context())
		if coatcheck.From(r.Context()) != inZ || inA == inZ {
			t.Error("From does not give the innermost session")
		}
		fmt.Fprint(w, inA.User(), " ", inZ.User())
	}))))
	login := newBrowser(a.Handler(z.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		a.From(r.Context()).Login("alice")
		z.From(r.Context()).Login("zoe")
	}))))
	w := login.Send("POST", "/")
	if names := len(w.Result().Cookies()); names != 4 {
		t.Errorf("got %q, want a session cookie and a marker of each", w.Header()["Set-Cookie"])
	}
	wear(b, login.Cookies())
	if w := b.Send("GET", "/"); w.Body.String() != "alice zoe" {
		t.Errorf("got %q, want both users", w.Body)
	}
	// The cookie of one does not open the other's session.
	wear(b, map[string]string{"__Host-a": b.Cookies()["__Host-z"], "__Host-z": b.Cookies()["__Host-a"]})
	if w := b.Send("GET", "/"); w.Body.String() != " " {
		t.Errorf("with swapped cookies: got %q, want nobody", w.Body)
	}
}

// G4: websockets work as without us; Update and Commit work inside.
// G2: Logout wins over websockets.
func TestG4Websocket(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
	over := make(chan struct{})
	h := only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				return
			}
			switch line {
			case "count\n":
				fmt.Fprintln(conn, hits.Update(s, increase), s.Err())
			case "note\n":
				note.Set(s, "from the socket")
				fmt.Fprintln(conn, s.Commit())
			case "login\n":
				s.Login("bob")
				fmt.Fprintln(conn, s.Err())
			case "wait\n":
				ended := s.Ended()
				fmt.Fprintln(conn, "waiting")
				<-ended
				close(over)
			}
		}
	})
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	b := begin(t, m, h)
	socket := upgrade(t, srv, b)
	defer socket.conn.Close()

	socket.ask(t, "count", "2 <nil>")
	socket.ask(t, "count", "3 <nil>")
	socket.ask(t, "note", "<nil>")
	if _, n := stored(m, b); n != 3 {
		t.Errorf("stored %d, want 3", n)
	}
	socket.ask(t, "wait", "waiting")
	out := b.Clone()
	out.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Logout() })
	out.Send("POST", "/")
	<-over
	socket.ask(t, "count", "0 "+coatcheck.ErrEnded.Error())
	if user, n := stored(m, b); user != "" || n != 0 {
		t.Errorf("after the logout %q and %d are stored, want nothing", user, n)
	}

	second := upgrade(t, srv, begin(t, m, h))
	defer second.conn.Close()
	second.ask(t, "login", coatcheck.ErrLate.Error())
}

type rawSocket struct {
	conn net.Conn
	read *bufio.Reader
}

// upgrade opens a connection to the server and switches protocols on it.
func upgrade(t *testing.T, srv *httptest.Server, b *browser) *rawSocket {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r := b.Request("GET", srv.URL+"/", "Connection", "Upgrade", "Upgrade", "test", "Origin", srv.URL)
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	s := &rawSocket{conn, bufio.NewReader(conn)}
	res, err := http.ReadResponse(s.read, r)
	if err != nil || res.StatusCode != 101 {
		t.Fatalf("upgrade: %v %v, want 101", res, err)
	}
	return s
}

func (s *rawSocket) ask(t *testing.T, question, want string) {
	t.Helper()
	fmt.Fprintln(s.conn, question)
	if got, err := s.read.ReadString('\n'); err != nil || got != want+"\n" {
		t.Errorf("%s: got %q, %v; want %q", question, got, err, want)
	}
}

// G4: SSE works as without us: the headers, with the session cookie, arrive
// while the handler runs, and it can still use the session.
func TestG4EventStream(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	more := make(chan struct{})
	srv := httptest.NewServer(only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		w.Header().Set("Content-Type", "text/event-stream")
		hits.Set(s, 1)
		w.(http.Flusher).Flush()
		<-more
		fmt.Fprintf(w, "data: %d\n\n", hits.Update(s, increase))
	}))
	t.Cleanup(srv.Close)
	res, err := srv.Client().Post(srv.URL, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if len(res.Cookies()) != 2 {
		t.Errorf("got the cookies %q before the first event, want the session's", res.Header["Set-Cookie"])
	}
	close(more)
	if body, _ := io.ReadAll(res.Body); string(body) != "data: 2\n\n" {
		t.Errorf("got %q, want the second count", body)
	}
}

// G4: a Hijack that fails leaves a response that can be answered.
func TestG4HijackThatFails(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	h := only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		hits.Set(s, 2)
		if _, _, err := w.(http.Hijacker).Hijack(); err == nil {
			t.Error("Hijack succeeded")
		}
		s.Login("bob")
		http.Error(w, "no sockets here", http.StatusUpgradeRequired)
	})
	b := begin(t, m, h)
	w := httptest.NewRecorder()
	h.ServeHTTP(badHijacker{w}, b.Request("GET", "/"))
	keep(b, w)
	if w.Code != 426 {
		t.Errorf("got %d, want the handler's 426", w.Code)
	}
	if user, _ := stored(m, b); user != "bob" {
		t.Errorf("stored %q, want bob: the login came in time", user)
	}
}

type badHijacker struct{ *httptest.ResponseRecorder }

func (badHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, http.ErrHijacked }
