package promises_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// recoverer answers for a handler that panics, as the middleware of routers does.
func recoverer(answer func(http.ResponseWriter, *http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if v := recover(); v != nil {
					answer(w, r)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
}

func sorry(w http.ResponseWriter, _ *http.Request) { http.Error(w, "sorry", 500) }

// G4: nothing is stored after a panic, also where a router recovers it inside of
// us and its answer is like any other.
func TestG4RecoveredPanics(t *testing.T) {
	t.Parallel()
	for guard, inside := range map[string]func(*coatcheck.Manager) func(http.Handler) http.Handler{
		"DropOnPanic":  func(*coatcheck.Manager) func(http.Handler) http.Handler { return coatcheck.DropOnPanic },
		"Require":      func(m *coatcheck.Manager) func(http.Handler) http.Handler { return m.Require },
		"RequireLogin": func(m *coatcheck.Manager) func(http.Handler) http.Handler { return m.RequireLogin },
		"RequireFresh": func(m *coatcheck.Manager) func(http.Handler) http.Handler { return m.RequireFresh(time.Hour) },
	} {
		for name, change := range map[string]func(*coatcheck.Session, http.ResponseWriter){
			"Set":                   func(s *coatcheck.Session, _ http.ResponseWriter) { hits.Set(s, 5) },
			"Login":                 func(s *coatcheck.Session, _ http.ResponseWriter) { s.Login("bob"); hits.Set(s, 5) },
			"Remember":              func(s *coatcheck.Session, _ http.ResponseWriter) { s.Remember(time.Hour) },
			"Renew":                 func(s *coatcheck.Session, _ http.ResponseWriter) { s.Renew() },
			"Clear":                 func(s *coatcheck.Session, _ http.ResponseWriter) { s.Clear() },
			"Logout":                func(s *coatcheck.Session, _ http.ResponseWriter) { s.Logout() },
			"Logout, Set":           func(s *coatcheck.Session, _ http.ResponseWriter) { s.Logout(); hits.Set(s, 5) },
			"Logout, Login":         func(s *coatcheck.Session, _ http.ResponseWriter) { s.Logout(); s.Login("bob") },
			"after the first bytes": func(s *coatcheck.Session, w http.ResponseWriter) { s.User(); io.WriteString(w, "x"); hits.Set(s, 5) },
		} {
			var l coatchecktest.Events
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
			h := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				change(m.From(r.Context()), w)
				panic("oh")
			}))
			b := begin(t, m, m.Handler(recoverer(sorry)(inside(m)(h))))
			before := b.Cookies()
			l.Reset()
			w := b.Send("POST", "/")
			if !strings.HasSuffix(w.Body.String(), "sorry\n") || fmt.Sprint(b.Cookies()) != fmt.Sprint(before) {
				t.Errorf("%s, %s: got %d %q and cookies %v, want the recoverer's answer and %v", guard, name, w.Code, w.Body, b.Cookies(), before)
			}
			if user, n := stored(m, b); user != "alice" || n != 1 {
				t.Errorf("%s, %s: stored %q and %d, want what was there: alice and 1", guard, name, user, n)
			}
			if e := l.All(); len(e) != 1 || e[0].Kind != coatcheck.Late || !strings.Contains(e[0].Reason, "panicked") || e[0].Handle == "" && !strings.HasPrefix(name, "Logout") {
				t.Errorf("%s, %s: got the events %+v, want one that tells of the panic", guard, name, e)
			}
		}
	}
}

// G4: What was committed before the panic stays, and whoever recovers finds the
// session as it is stored and may use it.
func TestG4AfterARecoveredPanic(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	page := func(w http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		n, _ := hits.Get(s)
		s.Flash("sorry")
		w.WriteHeader(500)
		fmt.Fprint(w, s.User(), n, s.Err())
	}
	for name, c := range map[string]struct {
		act  func(*coatcheck.Session)
		want string
	}{
		"Update, Login": {func(s *coatcheck.Session) { hits.Update(s, increase); s.Login("bob") }, "alice2 <nil>"},
		"Logout":        {func(s *coatcheck.Session) { s.Logout(); hits.Set(s, 7) }, "alice1 <nil>"},
		"a panic in Update": {func(s *coatcheck.Session) {
			hits.Set(s, 7)
			hits.Update(s, func(int) int { panic("in f") })
		}, "alice1 <nil>"},
	} {
		b := begin(t, m, m.Handler(recoverer(page)(coatcheck.DropOnPanic(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c.act(m.From(r.Context()))
			panic("oh")
		})))))
		if w := b.Send("POST", "/"); w.Code != 500 || w.Body.String() != c.want {
			t.Errorf("%s: got %d %q, want 500 %q", name, w.Code, w.Body, c.want)
		}
		b.Handler = only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			fmt.Fprint(w, s.User(), s.Flashes())
		})
		if w := b.Send("GET", "/"); w.Body.String() != "alice[sorry]" {
			t.Errorf("%s: the next page shows %q", name, w.Body)
		}
	}
}

// G4: nothing is stored after a panic, by no manager; and a panic keeps its value.
func TestG4PanicsOfSeveralManagers(t *testing.T) {
	t.Parallel()
	outer := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Name: "__Host-outer"})
	inner := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	var got any
	h := coatcheck.DropOnPanic(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		hits.Set(outer.From(r.Context()), 5)
		hits.Set(inner.From(r.Context()), 5)
		panic(http.ErrAbortHandler)
	}))
	catch := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { got = recover() }()
		h.ServeHTTP(w, r)
	})
	b := newBrowser(outer.Handler(inner.Handler(catch)))
	if b.Send("POST", "/"); len(b.Cookies()) != 0 || got != http.ErrAbortHandler {
		t.Errorf("got the cookies %v and recovered %v, want none and the handler's value", b.Cookies(), got)
	}
	defer func() {
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "Manager.Handler") {
			t.Errorf("without Handler: got %v, want a panic that names it", v)
		}
	}()
	newBrowser(h).Send("POST", "/")
}
