package promises_test

import (
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

// turningAway is an application whose OnError does to the session what change says,
// and redirects.
func turningAway(t *testing.T, st store.Store, log *coatchecktest.Events, change func(s *coatcheck.Session)) http.Handler {
	var m *coatcheck.Manager
	m = manage(t, st, coatcheck.Config{Events: log.Record, OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		if coatcheck.StatusOf(err) != http.StatusServiceUnavailable {
			change(m.From(r.Context()))
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			fmt.Fprint(w, "too late for a header") // what comes after is the body
			return
		}
		coatcheck.AnswerError(w, r, err)
	}})
	mux := http.NewServeMux()
	mux.Handle("/account", m.RequireLogin(http.NotFoundHandler()))
	mux.Handle("/delete", m.RequireFresh(time.Minute)(http.NotFoundHandler()))
	mux.Handle("/", paths{
		"/as": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login(r.URL.RawQuery) },
		"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, s.User(), s.Flashes())
		},
		"/large": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			note.Set(s, strings.Repeat("x", 33<<10))
		},
		"/again": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Flash("lost")
			s.Reauthenticate()
		},
		"/write": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { note.Set(s, "x") },
	})
	return m.Handler(mux)
}

// G4: what OnError changes for whoever RequireLogin or RequireFresh turned away is
// kept: "please log in", and a redirect.
func TestG4OnErrorMayFlash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log coatchecktest.Events
		b := newBrowser(turningAway(t, memstore.New(memstore.Config{}), &log, func(s *coatcheck.Session) {
			s.Flash("Please log in.")
			note.SetFor(s, "here", time.Minute)
		}))
		wants(t, b.Send("GET", "/account"), 303, "")
		wants(t, b.Send("GET", "/account"), 303, "") // now with a session
		wants(t, b.Send("GET", "/login"), 200, "[Please log in. Please log in.]")
		wants(t, b.Send("POST", "/as?ann"), 200, "")
		time.Sleep(2 * time.Minute)
		wants(t, b.Send("POST", "/delete"), 303, "")
		wants(t, b.Send("GET", "/login"), 200, "ann[Please log in.]")
		if w := b.Send("HEAD", "/delete"); w.Code != 303 || len(w.Header()["Set-Cookie"]) > 0 {
			t.Errorf("HEAD is answered %d and sets %q", w.Code, w.Header()["Set-Cookie"])
		}
		wants(t, b.Send("GET", "/login"), 200, "ann[]")
		if n := log.Count(coatcheck.Late); n != 0 {
			t.Errorf("%d events of what came too late", n)
		}
	})
}

// The other changes: whatever it is, it is done, or is told of.
func TestG4OnErrorMayChange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(s *coatcheck.Session)
		want   string
	}{
		"Logout": {(*coatcheck.Session).Logout, "[]"},
		"Login":  {func(s *coatcheck.Session) { s.Login("guest") }, "guest[]"},
		"Renew":  {(*coatcheck.Session).Renew, "ann[]"},
		"Flashes": {func(s *coatcheck.Session) {
			s.Flash("1")
			s.Flash(fmt.Sprint(s.Flashes()))
		}, "ann[[1]]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBrowser(turningAway(t, memstore.New(memstore.Config{}), new(coatchecktest.Events), c.change))
				wants(t, b.Send("POST", "/as?ann"), 200, "")
				time.Sleep(2 * time.Minute)
				wants(t, b.Send("POST", "/delete"), 303, "")
				wants(t, b.Send("GET", "/login"), 200, c.want)
			})
		})
	}
}

// G4, G5: where that cannot be stored, what OnError has answered is replaced too.
func TestG4OnErrorFails(t *testing.T) {
	t.Parallel()
	store := &trap{Store: memstore.New(memstore.Config{})}
	var log coatchecktest.Events
	b := newBrowser(turningAway(t, store, &log, func(s *coatcheck.Session) { s.Flash("Please log in.") }))
	store.set(away("Create"), nil)
	w := b.Send("GET", "/account")
	wants(t, w, 503, "Service Unavailable")
	if got := w.Header().Get("Location") + w.Header().Get("Set-Cookie"); got != "" {
		t.Errorf("the answer has %q of the one that it replaces", got)
	}
	wants(t, b.Send("GET", "/account", "Sec-Purpose", "prefetch"), 503, "")
	if got := log.Count(coatcheck.StoreError) + log.Count(coatcheck.LoginRequired) + log.Count(coatcheck.Failed); got != 4 {
		t.Errorf("told of %d, want two refusals, the store and the prefetch", got)
	}
}

// G4: "never lost in silence": what cannot be kept where an error is answered is an
// event, one for each answer; nor is what the handler had changed before kept.
func TestG4OnErrorIsNotSilent(t *testing.T) {
	t.Parallel()
	changes := map[string]func(s *coatcheck.Session){
		"Flash":  func(s *coatcheck.Session) { s.Flash("sorry"); s.Flash("so sorry") },
		"SetFor": func(s *coatcheck.Session) { note.SetFor(s, "x", time.Minute) },
		"Update": func(s *coatcheck.Session) { hits.Update(s, increase) },
		"Logout": (*coatcheck.Session).Logout,
		"Login":  func(s *coatcheck.Session) { s.Login("bob") },
	}
	for name, change := range changes {
		for _, c := range []struct {
			path    string
			headers []string
		}{
			{"/large", nil}, {"/again", nil}, {"/write", []string{"Sec-Fetch-Site", "cross-site"}},
		} {
			t.Run(name+c.path, func(t *testing.T) {
				t.Parallel()
				var log coatchecktest.Events
				b := newBrowser(turningAway(t, memstore.New(memstore.Config{}), &log, change))
				wants(t, b.Send("POST", c.path, c.headers...), 303, "")
				if n := log.Count(coatcheck.Late); n != 1 {
					t.Errorf("%d events of the change, want 1", n)
				}
				if last := log.All()[len(log.All())-1]; last.Err == nil || !strings.Contains(last.Reason, "Config.OnError") {
					t.Errorf("the event is %+v", last)
				}
				wants(t, b.Send("GET", "/login"), 200, "[]")
			})
		}
	}
	var log coatchecktest.Events
	reads := func(s *coatcheck.Session) { s.User(); s.Flashes(); note.Get(s); hits.Pop(s) }
	b := newBrowser(turningAway(t, memstore.New(memstore.Config{}), &log, reads))
	wants(t, b.Send("POST", "/large"), 303, "")
	if n := log.Count(coatcheck.Late); n != 0 {
		t.Errorf("%d events of what only reads", n)
	}
}

// Err says within OnError that nothing is wrong with the session, and after it why
// the request was turned away.
func TestErrOfATurnedAwayRequest(t *testing.T) {
	t.Parallel()
	var m *coatcheck.Manager
	var within, after error
	m = manage(t, memstore.New(memstore.Config{}), coatcheck.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		within = m.From(r.Context()).Err()
		w.WriteHeader(http.StatusTeapot)
		after = m.From(r.Context()).Err()
	}})
	wants(t, newBrowser(m.Handler(m.RequireLogin(http.NotFoundHandler()))).Send("GET", "/"), 418, "")
	if within != nil || !errors.Is(after, coatcheck.ErrLoginRequired) {
		t.Errorf("Err is %v and then %v", within, after)
	}
}
