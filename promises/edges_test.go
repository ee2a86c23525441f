package promises_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// G2: "A request that began more than 50 s ago never sets a session cookie",
// also where the commit itself was early enough.
func TestG2EarlyCommitLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		b := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := m.From(r.Context())
			s.Login("alice")
			if err := s.Commit(); err != nil {
				t.Error(err)
			}
			time.Sleep(51 * time.Second)
			w.Write([]byte("Logged in"))
		})))
		w := b.Send("POST", "/")
		if w.Code != http.StatusConflict || len(w.Header()["Set-Cookie"]) != 0 {
			t.Errorf("got %d %q, Set-Cookie %q; want 409 without a cookie", w.Code, w.Body, w.Header()["Set-Cookie"])
		}
		if list, err := m.Sessions(t.Context(), "alice"); err != nil || len(list) != 0 {
			t.Errorf("%d sessions left that nobody holds, %v", len(list), err)
		}
	})
}

// G5: "an outage never looks like 'not logged in'", nor does the end of a
// request's context, whose client may still be there while a server shuts down.
func TestG5CancelledLoadIsNotAnonymous(t *testing.T) {
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{})
	b := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := m.From(r.Context()); r.URL.Path == "/login" {
			s.Login("alice")
		} else if s.User() == "" {
			http.Error(w, "Not logged in", http.StatusUnauthorized)
		}
	})))
	b.Send("POST", "/login")
	ctx, cancel := context.WithCancel(t.Context())
	store.set(func(ctx context.Context, _ string) error { cancel(); return ctx.Err() }, nil)
	w := b.Serve(b.Request("GET", "/").WithContext(ctx))
	if w.Code != http.StatusRequestTimeout || w.Body.Len() != 0 {
		t.Errorf("got %d %q, want 408 and nothing of the handler's", w.Code, w.Body)
	}
}

// G2: "Logout, revocation and expiry win over everything in flight": a session
// that was ended meanwhile does not end the others.
func TestG2EndedSessionEndsNoOthers(t *testing.T) {
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	looked, goOn := make(chan struct{}), make(chan struct{})
	var err error
	h := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		if r.URL.Path == "/login" {
			s.Login("alice")
			return
		}
		s.User()
		close(looked)
		<-goOn
		_, err = m.RevokeOthers(r.Context())
	}))
	thief, owner := newBrowser(h), newBrowser(h)
	thief.Send("POST", "/login")
	list, _ := m.Sessions(t.Context(), "alice")
	owner.Send("POST", "/login")
	done := make(chan struct{})
	go func() { defer close(done); thief.Send("POST", "/others") }()
	<-looked
	if ok, err := m.Revoke(t.Context(), "alice", list[0].Handle); !ok || err != nil {
		t.Fatal(ok, err)
	}
	close(goOn)
	<-done
	if !errors.Is(err, coatcheck.ErrEnded) {
		t.Errorf("RevokeOthers of an ended session: %v, want ErrEnded", err)
	}
	if list, err := m.Sessions(t.Context(), "alice"); err != nil || len(list) != 1 {
		t.Errorf("%d sessions left, %v; want the owner's", len(list), err)
	}
}

// Key.Get: "It is a copy": what is changed in it is not changed in the session,
// also where the value was set in the same request.
func TestGetReturnsACopy(t *testing.T) {
	bytes, list := coatcheck.NewKey[[]byte]("bytes"), coatcheck.NewKey[map[string][]int]("list")
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	b := newBrowser(only(m, func(_ http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		if r.Method == http.MethodPost {
			given := []byte("abc")
			bytes.Set(s, given)
			given[0] = 'x'
			list.Set(s, map[string][]int{"a": {1}})
		}
		for range 2 {
			raw, _ := bytes.Get(s)
			got, _ := list.Get(s)
			if string(raw) != "abc" || len(got) != 1 || got["a"][0] != 1 {
				t.Errorf("%s: got %q and %v, want what was set", r.Method, raw, got)
				return
			}
			raw[0], got["a"][0], got["b"] = 'x', 2, nil
		}
	}))
	for _, method := range []string{"POST", "GET", "GET"} {
		wants(t, b.Send(method, "/"), http.StatusOK, "")
	}
}

// The guide's idle time of one user's own: a value that expires, set anew by each
// request. Where it is gone the request logs out.
func TestIdleTimeByAValueThatExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		active := coatcheck.NewKey[bool]("active")
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		b := newBrowser(only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
			if r.Method == http.MethodPost {
				s.Login("admin")
			} else if _, ok := active.Get(s); !ok {
				s.Logout()
				return
			}
			active.SetFor(s, true, 5*time.Minute)
			w.Write([]byte(s.User()))
		}))
		wants(t, b.Send("POST", "/"), http.StatusOK, "admin")
		for range 3 {
			time.Sleep(4 * time.Minute)
			wants(t, b.Send("GET", "/"), http.StatusOK, "admin")
		}
		time.Sleep(6 * time.Minute)
		wants(t, b.Send("GET", "/"), http.StatusOK, "")
		if list, err := m.Sessions(t.Context(), "admin"); err != nil || len(list) != 0 {
			t.Errorf("%d sessions of the admin after six minutes, %v; want none", len(list), err)
		}
	})
}
