package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
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

// A line is a session whose commits wait for one that is with the store. The
// test runs in a bubble of synctest.
type line struct {
	t     *testing.T
	store *trap
	log   coatchecktest.Events
	b     *browser // at the process with the line
	other *browser // at another one
	first *flight
	all   []chan *httptest.ResponseRecorder
	read  chan string // by /look
}

var g1Theme = coatcheck.NewKey[string]("theme")

// app is g1App and more ways to fail.
func (l *line) app(m *coatcheck.Manager) http.Handler {
	more := map[string]func(s *coatcheck.Session, w http.ResponseWriter){
		"/renew":  func(s *coatcheck.Session, _ http.ResponseWriter) { s.Renew() },
		"/remove": func(s *coatcheck.Session, _ http.ResponseWriter) { g1Cart.Delete(s) },
		"/large": func(s *coatcheck.Session, _ http.ResponseWriter) {
			coatcheck.Append(s, g1Cart, strings.Repeat("x", 20<<10))
		},
		"/slowly": func(s *coatcheck.Session, _ http.ResponseWriter) {
			g1Count.Update(s, func(n int) int { time.Sleep(6 * time.Second); return n + 1 })
		},
		"/slow-once": func(s *coatcheck.Session, w http.ResponseWriter) {
			var once sync.Once
			fmt.Fprint(w, g1Count.Update(s, func(n int) int {
				once.Do(func() { time.Sleep(2600 * time.Millisecond) })
				return n + 1
			}))
		},
		"/panic": func(s *coatcheck.Session, w http.ResponseWriter) {
			defer func() {
				recover()
				n, _ := g1Count.Get(s)
				fmt.Fprint(w, "panicked at ", n)
			}()
			g1Count.Update(s, func(int) int { panic("in f") })
		},
		"/dim": func(s *coatcheck.Session, w http.ResponseWriter) {
			g1Theme.Set(s, "dark")
			s.Commit()
			v, _ := g1Theme.Get(s)
			fmt.Fprint(w, v)
		},
		"/look": func(s *coatcheck.Session, _ http.ResponseWriter) {
			g1Count.Update(s, increase)
			items, _ := g1Cart.Get(s)
			n, _ := g1Count.Get(s)
			l.read <- fmt.Sprint(items, n)
		},
	}
	app := g1App(m)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { // as net/http does
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		if f := more[r.URL.Path]; f != nil {
			m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(coatcheck.From(r.Context()), w) })).ServeHTTP(w, r)
			return
		}
		app.ServeHTTP(w, r)
	})
}

// newLine logs in, and lets a first commit be on its way to the store.
func newLine(t *testing.T) *line {
	l := &line{t: t, store: holding(memstore.New(memstore.Config{})), read: make(chan string, 1)}
	l.b = newBrowser(l.app(manage(t, l.store, coatcheck.Config{Events: l.log.Record})))
	wants(t, l.b.Send("POST", "/login"), 200, "")
	l.other = l.b.Clone()
	l.other.Handler = l.app(manage(t, l.store.Store, coatcheck.Config{}))
	l.first = depart(t, l.b, "Update", "POST", "/count")
	return l
}

// add lets requests come one after the other and wait.
func (l *line) add(urls ...string) {
	for _, url := range urls {
		done := make(chan *httptest.ResponseRecorder, 1)
		r := l.b.Request("POST", url)
		go func() { done <- l.b.Serve(r) }()
		synctest.Wait()
		l.all = append(l.all, done)
	}
}

// goOn lets the first commit be stored and returns the answers of the others.
func (l *line) goOn() (answers []string) {
	wants(l.t, l.first.land(), 200, "1")
	for _, done := range l.all {
		w := <-done
		answers = append(answers, strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Body)))
	}
	return answers
}

// expects compares the answers with those that are wanted, by their beginning.
func (l *line) expects(want ...string) {
	l.t.Helper()
	got := l.goOn()
	for i := range got {
		if i >= len(want) || !strings.HasPrefix(got[i], want[i]) || want[i] == "200" && got[i] != "200" {
			l.t.Errorf("answers %q, want %q", got, want)
			return
		}
	}
}

func (l *line) is(count, items string) {
	l.t.Helper()
	l.store.set(nil, nil)
	wants(l.t, l.other.Send("POST", "/count"), 200, count)
	wants(l.t, l.other.Send("GET", "/items"), 200, items)
}

// inLine runs a test in a bubble.
func inLine(t *testing.T, name string, f func(l *line)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { f(newLine(t)) })
	})
}

// G1: "Commits of one session within one process queue up", and those that wait
// share a store call, each with an answer of its own.
func TestG1WaitingSharesAStoreCall(t *testing.T) {
	inLine(t, "increments", func(l *line) {
		var want []string
		for i := range 63 {
			l.add("/count")
			want = append(want, fmt.Sprint("200 ", i+2))
		}
		loads, sweeps := l.store.count("Load"), l.store.count("Sweep")
		l.expects(want...)
		if u, lo := l.store.count("Update"), l.store.count("Load")-loads; u != 2 || lo != 0 {
			l.t.Errorf("%d updates and %d loads, want 2 and none", u, lo)
		}
		if s := l.store.count("Sweep") - sweeps; s > 1 {
			l.t.Errorf("%d sweeps, want one a second at most", s)
		}
		l.is("65", "")
	})
	inLine(t, "not without end", func(l *line) {
		for range 70 {
			l.add("/count")
		}
		l.goOn()
		if u := l.store.count("Update"); u != 3 {
			l.t.Errorf("%d updates, want 3: the first, and 70 in two", u)
		}
		l.is("72", "")
	})
	inLine(t, "of every kind", func(l *line) {
		l.add("/code", "/cart?item=a", "/count", "/redeem", "/redeem", "/flash?text=b", "/remove", "/flashes", "/cart?item=c", "/count")
		l.expects("200", "200", "200 2", "200 4711 true", "200  false", "200", "200", "200 b", "200", "200 3")
		if u := l.store.count("Update"); u != 2 {
			l.t.Errorf("%d updates, want 2", u)
		}
		l.is("4", "c")
	})
	inLine(t, "a new token goes alone", func(l *line) {
		l.add("/count", "/count", "/renew", "/count")
		l.expects("200 2", "200 3", "200", "409")
		if u, r := l.store.count("Update"), l.store.count("Replace"); u != 3 || r != 1 { // the last finds out
			l.t.Errorf("%d updates and %d replacements, want 3 and 1", u, r)
		}
	})
	inLine(t, "with nothing to do", func(l *line) {
		l.add("/flashes", "/redeem", "/flashes", "/remove")
		loads := l.store.count("Load")
		l.expects("200", "200  false", "200", "200")
		if u, lo := l.store.count("Update"), l.store.count("Load")-loads; u != 1 || lo != 1 {
			l.t.Errorf("%d updates and %d loads, want 1 and 1", u, lo)
		}
	})
}

// G1: on a conflict all who share the call replay, in their order, and each
// answer is that of what was stored.
func TestG1ConflictOfMany(t *testing.T) {
	for _, tells := range []bool{true, false} {
		inLine(t, fmt.Sprint(tells), func(l *line) {
			if !tells {
				l.store.Store = onlyConflict{l.store.Store}
			}
			l.add("/count", "/cart?item=a", "/redeem", "/redeem", "/cart?item=b", "/count")
			changed := false
			l.store.set(func(_ context.Context, method string) error {
				if method == "Update" && !changed {
					changed = true
					wants(l.t, l.other.Send("POST", "/code"), 200, "")
					wants(l.t, l.other.Send("POST", "/cart?item=other"), 200, "")
				}
				return nil
			}, nil)
			conflicts := l.log.Count(coatcheck.Conflict)
			l.expects("200 2", "200", "200 4711 true", "200  false", "200", "200 3")
			if n := l.log.Count(coatcheck.Conflict) - conflicts; n != 1 {
				l.t.Errorf("%d conflicts heard of, want one for the call", n)
			}
			l.is("4", "other a b")
		})
	}
}

// G1, G5: what befalls the call befalls all who share it; what befalls one of
// them befalls it alone.
func TestG1FatesOfMany(t *testing.T) {
	inLine(t, "a panic", func(l *line) {
		l.add("/count", "/panic", "/count")
		l.expects("200 2", "200 panicked at 0", "200 3")
		l.is("4", "")
	})
	inLine(t, "a panic of the last", func(l *line) {
		l.add("/count", "/panic")
		l.expects("200 2", "200 panicked at 0")
		l.is("3", "")
	})
	inLine(t, "a panic of the only one", func(l *line) {
		l.add("/panic")
		l.expects("200 panicked at 1")
		l.is("2", "")
	})
	inLine(t, "too large", func(l *line) {
		l.add("/large", "/count", "/large", "/count")
		l.expects("200", "200 2", "413", "200 3")
		l.is("4", strings.Repeat("x", 20<<10))
	})
	inLine(t, "ended", func(l *line) {
		l.add("/count", "/cart?item=a", "/count")
		l.store.set(func(_ context.Context, method string) error {
			if method == "Update" {
				return &store.EndedError{}
			}
			return nil
		}, nil)
		l.expects("409", "409", "409")
		l.is("2", "")
	})
	inLine(t, "not known, and not done", func(l *line) {
		l.add("/count", "/cart?item=a", "/redeem", "/count")
		loads, events := l.store.count("Load"), l.log.Count(coatcheck.StoreError)
		l.store.set(away("Update"), nil)
		l.expects("503", "503", "503", "503")
		if lo, e := l.store.count("Load")-loads, l.log.Count(coatcheck.StoreError)-events; lo != 1 || e != 1 {
			l.t.Errorf("%d looks and %d events, want one each", lo, e)
		}
		l.is("2", "")
	})
	inLine(t, "not known, and done", func(l *line) {
		l.add("/count", "/cart?item=a", "/redeem", "/count")
		calls := 0
		l.store.set(nil, func(_ context.Context, method string) error {
			if calls++; method == "Update" && calls > 1 {
				return errAway
			}
			return nil
		})
		l.expects("200 2", "200", "200  false", "200 3")
		l.is("4", "a")
	})
	inLine(t, "full", func(l *line) { // for what grows
		l.add("/cart?item=a", "/count", "/cart?item=b")
		size := 0
		l.store.Store = growing{l.store.Store, func(n int) error {
			if size == 0 || n <= size {
				size = n
				return nil
			}
			return coatcheck.ErrFull
		}}
		l.expects("503", "200 2", "503")
		l.is("3", "")
	})
	inLine(t, "full for two, and then the second has nothing to do", func(l *line) {
		l.add("/dim", "/dim")
		calls := 0
		l.store.set(func(_ context.Context, method string) error {
			if method == "Update" {
				if calls++; calls == 1 {
					return coatcheck.ErrFull
				}
			}
			return nil
		}, nil)
		l.expects("200 dark", "200 dark")
		l.is("2", "")
	})
	inLine(t, "the store panics", func(l *line) {
		l.add("/count", "/count")
		calls := 0
		l.store.set(func(_ context.Context, method string) error {
			if method == "Update" {
				if calls++; calls == 1 {
					panic(errAway)
				}
			}
			return nil
		}, nil)
		l.expects("503", "500")
		l.is("2", "")
	})
}

// A growing store asks before it stores data of that size.
type growing struct {
	store.Store
	may func(size int) error
}

func (g growing) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	if err := g.may(len(rec.Data)); err != nil {
		return err
	}
	return g.Store.Update(ctx, rec, ifVersion)
}

// G1, G5: nobody is told that nothing was stored while a call with its changes
// is on its way, nobody waits for longer than 5 s, and what somebody wanted who
// has given up is not stored.
func TestG1TimesOfMany(t *testing.T) {
	inLine(t, "one is slow", func(l *line) {
		l.add("/count", "/cart?item=a", "/slowly", "/cart?item=b")
		start := time.Now()
		got := l.goOn()
		for _, answer := range got {
			if !strings.HasPrefix(answer, "503") {
				l.t.Errorf("answers %q, want 503", got)
			}
		}
		if took := time.Since(start); took > 7*time.Second {
			l.t.Errorf("it took %v", took)
		}
		l.is("2", "")
	})
	inLine(t, "one gives up after its turn", func(l *line) {
		l.add("/count")
		time.Sleep(2500 * time.Millisecond)
		l.add("/slow-once", "/count")
		l.expects("503", "200 2", "200 3")
		l.is("4", "")
	})
	inLine(t, "some have waited for long", func(l *line) {
		for i := range 4 {
			l.add("/count", fmt.Sprint("/cart?item=", i))
			time.Sleep(700 * time.Millisecond)
		}
		l.store.set(nil, func(_ context.Context, method string) error {
			if method == "Update" {
				time.Sleep(800 * time.Millisecond)
			}
			return nil
		})
		l.expects("200 2", "200", "200 3", "200", "200 4", "200", "200 5", "200")
		l.is("6", "0 1 2 3")
	})
	inLine(t, "an answer that does not come", func(l *line) {
		l.add("/count", "/cart?item=a")
		time.Sleep(time.Second)
		l.add("/count")
		calls := 0
		l.store.set(nil, func(ctx context.Context, method string) error {
			if calls++; method == "Update" && calls > 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		start := time.Now()
		l.expects("200 2", "200", "200 3")
		if took := time.Since(start); took > 4*time.Second { // the first of them has a second less
			l.t.Errorf("it took %v, want 4s at most", took)
		}
		l.is("4", "a")
	})
	inLine(t, "endless conflicts", func(l *line) {
		l.add("/count", "/cart?item=a", "/count")
		l.store.set(func(_ context.Context, method string) error {
			if method == "Update" {
				return coatcheck.ErrConflict
			}
			return nil
		}, nil)
		start := time.Now()
		l.expects("503", "503", "503")
		if took := time.Since(start); took > 5*time.Second {
			l.t.Errorf("it took %v, want 5s at most", took)
		}
		l.is("2", "")
	})
}

// G1: what others have not stored yet is not for reading either: whose commit
// failed finds what was there before.
func TestG1NobodyReadsWhatIsNotStored(t *testing.T) {
	inLine(t, "a failed commit", func(l *line) {
		l.add("/cart?item=a", "/count", "/look")
		l.store.set(away("Update"), nil)
		l.expects("503", "503", "503")
		if got := <-l.read; got != "[] 0" {
			l.t.Errorf("read %s, want nothing of what was not stored", got)
		}
	})
	inLine(t, "a commit of all", func(l *line) {
		l.add("/cart?item=a", "/look", "/cart?item=b")
		l.expects("200", "200", "200")
		if got := <-l.read; got != "[a b] 2" {
			l.t.Errorf("read %s, want what was stored", got)
		}
	})
}
