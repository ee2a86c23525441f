package coatcheck_test

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
		w := b.do("POST", "/")
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
	b.do("POST", "/login")
	ctx, cancel := context.WithCancel(t.Context())
	store.set(func(ctx context.Context, _ string) error { cancel(); return ctx.Err() }, nil)
	w := b.send(b.request("GET", "/").WithContext(ctx))
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
	thief.do("POST", "/login")
	list, _ := m.Sessions(t.Context(), "alice")
	owner.do("POST", "/login")
	done := make(chan struct{})
	go func() { defer close(done); thief.do("POST", "/others") }()
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
