package promises_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// "Reload asks the store for the session as it is now": what another process
// stored meanwhile is there, with what this request has changed.
func TestReload(t *testing.T) {
	t.Parallel()
	store := memstore.New(memstore.Config{})
	here, there := manage(t, store, coatcheck.Config{}), manage(t, store, coatcheck.Config{})
	one, two := coatcheck.NewKey[int]("one"), coatcheck.NewKey[[]string]("two")
	b := newBrowser(nil)
	other := func(f func(*coatcheck.Session)) {
		out := b.Clone()
		out.Handler = only(there, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { f(s) })
		wants(t, out.Send("POST", "/"), 200, "")
	}
	try := func(f func(s *coatcheck.Session, other func(func(*coatcheck.Session))) string, code int, want string) {
		t.Helper()
		b.Handler = only(here, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			fmt.Fprint(w, f(s, other))
		})
		wants(t, b.Send("POST", "/"), code, want)
	}
	try(func(s *coatcheck.Session, _ func(func(*coatcheck.Session))) string {
		if err := s.Reload(); err != nil {
			t.Errorf("without a session: %v", err)
		}
		s.Login("alice")
		one.Set(s, 1)
		coatcheck.Append(s, two, "a")
		return ""
	}, 200, "")
	try(func(s *coatcheck.Session, other func(func(*coatcheck.Session))) string {
		if err := s.Reload(); err != nil { // is the first look
			t.Errorf("at first: %v", err)
		}
		coatcheck.Append(s, two, "c")
		other(func(s *coatcheck.Session) {
			one.Set(s, 2)
			coatcheck.Append(s, two, "b")
		})
		before, _ := one.Get(s)
		err := s.Reload()
		after, _ := one.Get(s)
		list, _ := two.Get(s)
		return fmt.Sprint(before, after, list, err)
	}, 200, "1 2 [a b c] <nil>")
	try(func(s *coatcheck.Session, _ func(func(*coatcheck.Session))) string {
		n, _ := one.Get(s)
		list, _ := two.Get(s)
		return fmt.Sprint(n, list)
	}, 200, "2 [a b c]")
	try(func(s *coatcheck.Session, other func(func(*coatcheck.Session))) string { // only reads
		user := s.User()
		other(func(s *coatcheck.Session) { s.Logout() })
		err := s.Reload()
		_, ok := one.Get(s)
		return fmt.Sprintf("%q %t %q %t %t", user, errors.Is(err, coatcheck.ErrEnded), s.User(), ok, errors.Is(s.Reload(), coatcheck.ErrEnded))
	}, 200, `"alice" true "" false true`)
}

// G2: a write that finds its session ended is never reported as done, also where
// Reload found it.
func TestReloadAndWriteAfterTheEnd(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	hits := coatcheck.NewKey[int]("hits")
	for _, f := range map[string]func(*coatcheck.Session){
		"before": func(s *coatcheck.Session) { hits.Set(s, 2); m.RevokeAll(t.Context(), "alice"); s.Reload() },
		"after":  func(s *coatcheck.Session) { s.User(); m.RevokeAll(t.Context(), "alice"); s.Reload(); hits.Set(s, 2) },
	} {
		b := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Login("alice") }))
		b.Send("POST", "/")
		b.Handler = only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			f(s)
			io.WriteString(w, "done")
		})
		w := b.Send("POST", "/")
		wants(t, w, http.StatusConflict, "")
		bare(t, w)
	}
}

// G5: when the store fails nothing is decided on what was known before.
func TestReloadFails(t *testing.T) {
	t.Parallel()
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{})
	b := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Login("alice") }))
	b.Send("POST", "/")
	b.Handler = only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		user := s.User()
		store.set(func(_ context.Context, method string) error {
			if method == "Load" {
				return io.ErrUnexpectedEOF
			}
			return nil
		}, nil)
		if err := s.Reload(); user != "alice" || !errors.Is(err, io.ErrUnexpectedEOF) || err != s.Err() {
			t.Errorf("got %v, Err %v", err, s.Err())
		}
		io.WriteString(w, "done")
	})
	wants(t, b.Send("POST", "/"), http.StatusServiceUnavailable, "")
}

// A session in its cookie has nobody to ask; the request goes on.
func TestReloadInCookie(t *testing.T) {
	t.Parallel()
	m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		if err := s.Reload(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v, want ErrUnsupported", err)
		}
		io.WriteString(w, "done")
	}))
	wants(t, b.Send("GET", "/"), 200, "done")
}
