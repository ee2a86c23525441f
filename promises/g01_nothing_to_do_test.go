package promises_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// groundApp has a path for each kind of change.
func groundApp(m *coatcheck.Manager) http.Handler {
	type session = coatcheck.Session
	theme, may := coatcheck.NewKey[string]("theme"), coatcheck.NewKey[bool]("may approve")
	list, number := coatcheck.NewKey[[]string]("list"), coatcheck.NewKey[int]("list")
	handle := func(f func(s *session, arg string) any) func(*session, http.ResponseWriter, *http.Request) {
		return func(s *session, w http.ResponseWriter, r *http.Request) {
			if v := f(s, r.URL.Query().Get("v")); v != nil {
				fmt.Fprint(w, v)
			}
		}
	}
	return m.Handler(paths{
		"/login":    handle(func(s *session, v string) any { s.Login("ann"); return nil }),
		"/set":      handle(func(s *session, v string) any { theme.Set(s, v); return nil }),
		"/setfor":   handle(func(s *session, v string) any { theme.SetFor(s, v, time.Hour); return nil }),
		"/delete":   handle(func(s *session, v string) any { theme.Delete(s); return nil }),
		"/clear":    handle(func(s *session, v string) any { s.Clear(); return nil }),
		"/reset":    handle(func(s *session, v string) any { s.Clear(); theme.Set(s, v); return nil }),
		"/pop":      handle(func(s *session, _ string) any { v, ok := theme.Pop(s); return fmt.Sprintf("%v %v", v, ok) }),
		"/same":     handle(func(s *session, v string) any { return theme.Update(s, func(v string) string { return v }) }),
		"/allow":    handle(func(s *session, v string) any { may.Set(s, true); return nil }),
		"/forbid":   handle(func(s *session, v string) any { may.Set(s, false); return nil }),
		"/may":      handle(func(s *session, v string) any { ok, _ := may.Get(s); return ok }),
		"/flash":    handle(func(s *session, v string) any { s.Flash(v); return nil }),
		"/flashes":  handle(func(s *session, v string) any { return strings.Join(s.Flashes(), " ") }),
		"/fill":     handle(func(s *session, v string) any { coatcheck.Append(s, list, strings.Repeat("x", 32<<10-4)); return nil }),
		"/append":   handle(func(s *session, v string) any { coatcheck.Append(s, list, v); return nil }),
		"/number":   handle(func(s *session, v string) any { number.Set(s, 1); return nil }),
		"/unlist":   handle(func(s *session, v string) any { list.Delete(s); return nil }),
		"/remember": handle(func(s *session, v string) any { s.Remember(time.Hour); return nil }),
		"/get": handle(func(s *session, _ string) any {
			v, ok := theme.Get(s)
			items, _ := list.Get(s)
			return fmt.Sprintf("%v %v %v", v, ok, items)
		}),
	})
}

// groundCases are three requests one after the other, at A, at B, and at A
// again, and what that has to give. What A stored last is not what B left.
var groundCases = []struct{ a, b, again, answer, then string }{
	{"/set?v=dark", "/set?v=light", "/set?v=dark", "", "dark true []"},
	{"/setfor?v=dark", "/set?v=light", "/setfor?v=dark", "", "dark true []"},
	{"/allow", "/set?v=x", "/forbid", "", "x true []"},
	{"/forbid", "/allow", "/forbid", "", ""},
	{"/allow", "/set?v=x", "/delete", "", " false []"},
	{"/clear", "/set?v=x", "/clear", "", " false []"},
	{"/reset?v=a", "/append?v=b", "/reset?v=a", "", "a true []"},
	{"/allow", "/set?v=x", "/pop", "x true", " false []"},
	{"/allow", "/flash?v=x", "/flashes", "x", ""},
	{"/set?v=old", "/set?v=new", "/same", "new", "new true []"},
	{"/fill", "/unlist", "/append?v=b", "", " false [b]"},
	{"/number", "/unlist", "/append?v=b", "", " false [b]"},
}

// G1: "what was handed on is never the ground for nothing to do", nor for an
// error: two processes, one browser, one request after the other, and clocks
// that show the same microsecond.
func TestG1NothingToDo(t *testing.T) {
	t.Parallel()
	for _, c := range groundCases {
		t.Run(c.a+c.b+c.again, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New(memstore.Config{})
				a := newBrowser(groundApp(manage(t, store, coatcheck.Config{})))
				wants(t, a.Send("POST", "/login"), 200, "")
				b := a.Clone()
				b.Handler = groundApp(manage(t, store, coatcheck.Config{}))
				if c.a == "/clear" {
					wants(t, a.Send("POST", "/set?v=before"), 200, "")
				}
				wants(t, a.Send("POST", c.a), 200, "")
				wants(t, b.Send("POST", c.b), 200, "")
				wants(t, a.Send("POST", c.again), 200, c.answer)
				wants(t, a.Send("GET", "/get"), 200, c.then)
				if c.again == "/forbid" {
					wants(t, b.Send("GET", "/may"), 200, "false")
				}
			})
		})
	}
}

// G1: the same where the request waited for its turn: what the one before it had
// stored another process changed before this one came.
func TestG1NothingToDoAfterWaiting(t *testing.T) {
	t.Parallel()
	for _, c := range groundCases {
		t.Run(c.a+c.b+c.again, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := holding(memstore.New(memstore.Config{}))
				a := newBrowser(groundApp(manage(t, store, coatcheck.Config{})))
				wants(t, a.Send("POST", "/login"), 200, "")
				b := a.Clone()
				b.Handler = groundApp(manage(t, store, coatcheck.Config{}))
				if c.a == "/clear" {
					wants(t, a.Send("POST", "/set?v=before"), 200, "")
				}
				first := depart(t, a, "after Update", "POST", c.a)
				wants(t, b.Send("POST", c.b), 200, "")
				again := make(chan string)
				go func() {
					w := a.Send("POST", c.again)
					again <- fmt.Sprint(w.Code, " ", w.Body)
				}()
				synctest.Wait() // it waits in the queue
				wants(t, first.land(), 200, "")
				if got, want := <-again, "200 "+c.answer; got != want && c.answer != "" {
					t.Errorf("answer %q, want %q", got, want)
				}
				wants(t, a.Send("GET", "/get"), 200, c.then)
			})
		})
	}
}

// G1: what this request loaded is ground enough: a page that sets what is there,
// or looks for messages, costs no second call.
func TestG1NothingToDoCostsNothing(t *testing.T) {
	t.Parallel()
	store := &trap{Store: memstore.New(memstore.Config{})}
	b := newBrowser(groundApp(manage(t, store, coatcheck.Config{})))
	wants(t, b.Send("POST", "/login"), 200, "")
	wants(t, b.Send("POST", "/set?v=a"), 200, "")
	for _, url := range []string{"/set?v=a", "/flashes", "/unlist", "/same"} {
		before := store.count("")
		wants(t, b.Send("POST", url), 200, "")
		if n := store.count("") - before; n != 1 {
			t.Errorf("%s: %d store calls, want the load alone", url, n)
		}
	}
}

// G1: what a commit of this request has just stored is ground enough too, also where a
// login had to be dated anew, after that of a server whose clock is ahead (G11).
func TestG1NothingToDoAfterALogin(t *testing.T) {
	t.Parallel()
	theme := coatcheck.NewKey[string]("theme")
	for ahead, anew := range map[time.Duration]int{0: 0, 10 * time.Second: 1} {
		st := &trap{Store: memstore.New(memstore.Config{})}
		cfg := coatcheck.Config{MaxPerUser: 1}
		there := newBrowser(g11App(manage(t, apart{st, ahead}, cfg)))
		wants(t, there.Send("POST", "/login?user=ann"), 200, "")
		m := manage(t, st, cfg)
		b := newBrowser(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s := coatcheck.From(r.Context())
			s.Login("ann")
			if err := s.Commit(); err != nil || st.count("Replace") != anew {
				t.Errorf("%v ahead: %v, dated anew %d times, want %d", ahead, err, st.count("Replace"), anew)
			}
			loads := st.count("Load")
			if _, ok := theme.Pop(s); ok || s.Err() != nil || st.count("Load") != loads {
				t.Errorf("%v ahead: Pop says %t, %v, after %d loads; want none", ahead, ok, s.Err(), st.count("Load")-loads)
			}
		})))
		wants(t, b.Send("POST", "/"), 200, "")
	}
}

// G1: an Update that changes nothing "asks the store" unless it loaded the
// session itself, and so do Pop, Flashes and what is set in a stream.
func TestG1NothingToDoLater(t *testing.T) {
	t.Parallel()
	theme := coatcheck.NewKey[string]("theme")
	same := func(v string) string { return v }
	for name, c := range map[string]struct {
		streams bool
		other   string
		then    func(s *coatcheck.Session) string
		want    string
	}{
		"Update":            {false, "/set?v=new", func(s *coatcheck.Session) string { return theme.Update(s, same) }, "new"},
		"Pop in a stream":   {true, "/set?v=new", func(s *coatcheck.Session) string { v, _ := theme.Pop(s); return v }, "new"},
		"Flashes":           {true, "/flash?v=new", func(s *coatcheck.Session) string { return strings.Join(s.Flashes(), " ") }, "new"},
		"Set in a stream":   {true, "/set?v=new", func(s *coatcheck.Session) string { theme.Set(s, "old"); s.Commit(); return "" }, ""},
		"Clear in a stream": {true, "/set?v=new", func(s *coatcheck.Session) string { s.Clear(); s.Commit(); return "" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			store := memstore.New(memstore.Config{})
			m := manage(t, store, coatcheck.Config{})
			other := newBrowser(groundApp(manage(t, store, coatcheck.Config{})))
			wants(t, other.Send("POST", "/login"), 200, "")
			before := "/clear"
			if strings.HasPrefix(name, "Set") || name == "Update" {
				before = "/set?v=old"
			}
			wants(t, other.Send("POST", before), 200, "")
			b := other.Clone()
			b.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := coatcheck.From(r.Context())
				s.User()
				if c.streams {
					w.(http.Flusher).Flush()
				}
				wants(t, other.Send("POST", c.other), 200, "")
				fmt.Fprint(w, c.then(s))
			}))
			wants(t, b.Send("POST", "/"), 200, c.want)
			switch name {
			case "Set in a stream":
				wants(t, other.Send("GET", "/get"), 200, "old true []")
			case "Clear in a stream", "Pop in a stream":
				wants(t, other.Send("GET", "/get"), 200, " false []")
			}
		})
	}
}

// G1: in a cookie, where no version is compared, a request changes what its
// browser brought, and nothing that this process remembers.
func TestG1InCookieKeepsWhatTheBrowserBrought(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := func() http.Handler {
			m := inCookie(t, coatcheck.StoreRevoker(memstore.New(memstore.Config{})))
			return m.Handler(paths{
				"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login("ann") },
				"/set": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
					coatcheck.NewKey[int](r.URL.Query().Get("key")).Set(s, 1)
				},
				"/keys": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, s.Keys()) },
			})
		}
		here, there := app(), app()
		b := newBrowser(here)
		wants(t, b.Send("POST", "/login"), 200, "")
		wants(t, b.Send("POST", "/set?key=one"), 200, "")
		b.Handler = there
		wants(t, b.Send("POST", "/set?key=two"), 200, "")
		b.Handler = here
		wants(t, b.Send("POST", "/set?key=three"), 200, "")
		wants(t, b.Send("GET", "/keys"), 200, "[one three two]")
	})
}

// A stamped value has a part that JSON leaves out, and one that it rounds.
type stamped struct {
	N      int
	Secret string `json:"-"`
	At     tenths
}

// tenths of a number lose the rest of it.
type tenths float64

func (f tenths) MarshalJSON() ([]byte, error)  { return fmt.Appendf(nil, "%.1f", float64(f)), nil }
func (f *tenths) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*float64)(f)) }

// A onesided value can be written and not read.
type onesided struct{}

func (onesided) MarshalJSON() ([]byte, error) { return []byte(`"one way"`), nil }
func (*onesided) UnmarshalJSON([]byte) error  { return fmt.Errorf("no way back") }

// "Update replaces the value … and returns what was stored: what Get would find."
func TestUpdateReturnsWhatWasStored(t *testing.T) {
	t.Parallel()
	b := newBrowser(nil)
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	try := func(f func(s *coatcheck.Session)) {
		t.Helper()
		b.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(coatcheck.From(r.Context())) }))
		b.Send("POST", "/")
	}
	try(func(s *coatcheck.Session) {
		got := coatcheck.NewKey[stamped]("stamped").Update(s, func(v stamped) stamped {
			return stamped{v.N + 1, "kept out of the store", 1.26}
		})
		if want := (stamped{1, "", 1.3}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	same(t, try, "é", "plain", "\"<quoted>\"")
	same(t, try, []byte(nil), []byte{}, []byte("bytes"))
	same(t, try, map[string]int(nil), map[string]int{"a": 1})
	same(t, try, 1.0/3)
	same(t, try, int64(1<<62))
	same(t, try, any(1))
	try(func(s *coatcheck.Session) {
		got := coatcheck.NewKey[onesided]("onesided").Update(s, func(v onesided) onesided { return v })
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), "onesided") {
			t.Errorf("a value that cannot be read back: got %v, %v", got, err)
		}
	})
}

// same updates a value to each of those and compares the answer with what the
// next request gets.
func same[T any](t *testing.T, try func(func(s *coatcheck.Session)), values ...T) {
	t.Helper()
	key := coatcheck.NewKey[T](fmt.Sprintf("%T", *new(T)))
	for _, v := range values {
		var got T
		try(func(s *coatcheck.Session) { got = key.Update(s, func(T) T { return v }) })
		try(func(s *coatcheck.Session) {
			if want, ok := key.Get(s); !ok || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
				t.Errorf("Update of %#v returned %#v, Get %#v", v, got, want)
			}
		})
	}
}

var _ json.Marshaler = tenths(0)
