package promises_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// isOver fails unless the browser is anonymous and no live session is left of
// the user.
func isOver(t testing.TB, st store.Store, b *browser, user string) {
	t.Helper()
	wants(t, b.Send("GET", "/user"), 200, "user ")
	records, err := st.User(context.Background(), user)
	if err != nil || len(records) != 0 {
		t.Errorf("the store has %d live sessions of %s (%v), want none", len(records), user, err)
	}
}

// g2App is an application with every kind of request that can be in flight.
func g2App(m *coatcheck.Manager) http.Handler {
	count := coatcheck.NewKey[int]("count")
	return m.Handler(paths{
		"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Login(r.URL.Query().Get("user"))
			fmt.Fprint(w, "in")
		},
		"/logout": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Logout()
			fmt.Fprint(w, "out")
		},
		"/logout-late": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Logout()
			pause(r)
			fmt.Fprint(w, "out")
		},
		"/user": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			pause(r)
			fmt.Fprint(w, "user ", s.User())
		},
		"/count": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			n := count.Update(s, func(n int) int { return n + 1 })
			fmt.Fprint(w, "count ", n)
		},
		"/set": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			pause(r)
			count.Set(s, 7)
			fmt.Fprint(w, "set")
		},
		"/set-late": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			count.Set(s, 7)
			pause(r)
			fmt.Fprint(w, "set")
		},
		"/renew": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Renew()
			fmt.Fprint(w, "renewed")
		},
		"/remember": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Remember(time.Hour)
			fmt.Fprint(w, "remembered")
		},
		"/again": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Reauthenticate()
			fmt.Fprint(w, "again")
		},
		"/stream": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "user %s;", s.User())
			w.(http.Flusher).Flush()
			pause(r)
			n := count.Update(s, func(n int) int { return n + 1 })
			fmt.Fprintf(w, "%d;%t", n, errors.Is(s.Err(), coatcheck.ErrEnded))
		},
		"/stream-touch": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "user %s;", s.User())
			w.(http.Flusher).Flush()
			pause(r)
			s.Touch()
			fmt.Fprint(w, errors.Is(s.Err(), coatcheck.ErrEnded))
		},
		"/socket": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.User()
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			pause(r)
			count.Set(s, 7)
			s.Commit()
			fmt.Fprint(conn, errors.Is(s.Err(), coatcheck.ErrEnded))
			conn.Close()
		},
	})
}

// ends are the ways in which somebody ends the session of "ann" in b.
var ends = map[string]func(t *testing.T, m *coatcheck.Manager, b *browser){
	"Logout": func(t *testing.T, m *coatcheck.Manager, b *browser) {
		wants(t, b.Clone().Send("POST", "/logout"), 200, "out")
	},
	"Revoke": func(t *testing.T, m *coatcheck.Manager, b *browser) {
		list, err := m.Sessions(t.Context(), "ann")
		if err != nil || len(list) != 1 {
			t.Fatalf("%d sessions (%v), want 1", len(list), err)
		}
		if ok, err := m.Revoke(t.Context(), "ann", list[0].Handle); !ok || err != nil {
			t.Fatal(ok, err)
		}
	},
	"RevokeAll": func(t *testing.T, m *coatcheck.Manager, b *browser) {
		if n, err := m.RevokeAll(t.Context(), "ann"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	},
}

// G2: "Logout, revocation and expiry win over everything in flight: reads,
// writes, last-seen bumps, streams, websockets." "A write that finds its session
// ended is never reported as done: ErrEnded, nothing stored, no Set-Cookie of
// any kind, the response replaced (409 by default); a request that only read is
// answered as anonymous, also without Set-Cookie." It stays so after the
// tombstone is gone.
func TestG2EndWinsOverRequestsInFlight(t *testing.T) {
	const text = "Your session has ended. Nothing was changed."
	flights := []struct {
		name, place, method, url string
		code                     int
		body                     string
	}{
		{"read before the load", "Load", "GET", "/user", 200, "user "},
		{"read before the look", "handler", "GET", "/user", 200, "user "},
		{"write before the load", "Load", "POST", "/count", 409, text},
		{"write before the commit", "Update", "POST", "/count", 409, text},
		{"write before the look", "handler", "POST", "/set", 409, text},
		{"write before the first byte", "handler", "POST", "/set-late", 409, text},
		{"renewal", "Replace", "POST", "/renew", 409, text},
		{"remembering", "Replace", "POST", "/remember", 409, text},
		{"reauthentication", "Replace", "POST", "/again", 409, text},
		{"last-seen bump", "Touch", "GET", "/user", 200, "user ann"},
		{"stream that writes", "handler", "GET", "/stream", 200, "user ann;0;true"},
		{"stream that touches", "handler", "GET", "/stream-touch", 200, "user ann;true"},
	}
	for end, do := range ends {
		for _, f := range flights {
			for _, late := range []time.Duration{0, 61 * time.Second} {
				t.Run(fmt.Sprint(end, "/", f.name, "/", late), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						st := memstore.New(memstore.Config{})
						m := manage(t, holding(slow{st}), coatcheck.Config{})
						b := newBrowser(g2App(m))
						wants(t, b.Send("POST", "/login?user=ann"), 200, "in")
						wants(t, b.Send("POST", "/count"), 200, "count 1")
						time.Sleep(4 * time.Minute) // so that a touch is due
						flight := depart(t, b, f.place, f.method, f.url)
						if f.url == "/stream-touch" {
							time.Sleep(4 * time.Minute) // so that another is
						}
						do(t, m, b)
						time.Sleep(late)
						if late > 0 { // the tombstone is forgotten
							if _, err := m.Sweep(t.Context()); err != nil {
								t.Fatal(err)
							}
						}
						w := flight.land()
						body := f.body
						if late > 0 && (f.name == "write before the load" || f.name == "write before the look") {
							body = "This took too long: what needs a new session was not kept. Please try once more." // nobody knows of the end any more
						}
						wants(t, w, f.code, body)
						bare(t, w)
						isOver(t, st, b, "ann")
					})
				})
			}
		}
	}
}

// G2: "Logout, revocation and expiry win over everything in flight: … streams,
// websockets."
func TestG2EndWinsOverHijackedConnections(t *testing.T) {
	for end, do := range ends {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			st := memstore.New(memstore.Config{})
			m := manage(t, st, coatcheck.Config{})
			b := newBrowser(g2App(m))
			wants(t, b.Send("POST", "/login?user=ann"), 200, "in")
			_, written := socket(t, b, "/socket")
			do(t, m, b)
			if got := written(); got != "true" {
				t.Errorf("the handler's write was refused as ended: %s, want true", got)
			}
			isOver(t, st, b, "ann")
		})
	}
}

// G2: "nothing but a login makes an ended session's browser a session again": a
// login that was in flight makes a new id, unless its user was revoked (G3).
func TestG2LoginInFlight(t *testing.T) {
	for end, do := range ends {
		for _, place := range []string{"Load", "Replace"} {
			t.Run(end+"/"+place, func(t *testing.T) {
				t.Parallel()
				st := memstore.New(memstore.Config{})
				m := manage(t, holding(st), coatcheck.Config{})
				b := newBrowser(g2App(m))
				wants(t, b.Send("POST", "/login?user=ann"), 200, "in")
				wants(t, b.Send("POST", "/count"), 200, "count 1")
				old := b.Clone()
				login := depart(t, b, place, "POST", "/login?user=ann")
				do(t, m, b)
				w := login.land()
				if end == "RevokeAll" {
					wants(t, w, 409, "")
					bare(t, w)
					isOver(t, st, b, "ann")
					return
				}
				wants(t, w, 200, "in")
				wants(t, b.Send("GET", "/user"), 200, "user ann")
				wants(t, b.Send("POST", "/count"), 200, "count 1") // empty
				wants(t, old.Clone().Send("GET", "/user"), 200, "user ")
				wants(t, old.Send("POST", "/count"), 409, "")
			})
		}
	}
}

// G2: "While its tombstone stands … nothing but a login makes an ended session's
// browser a session again. After that … the cookie counts as absent (event
// expired): the first kept value makes a new anonymous session." "the core
// compares EndedError.Until; the store need not have forgotten".
func TestG2Tombstone(t *testing.T) {
	for _, after := range []time.Duration{0, 59 * time.Second, 60 * time.Second, time.Hour} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log coatchecktest.Events
				st := memstore.New(memstore.Config{})
				m := manage(t, st, coatcheck.Config{Events: log.Record})
				b := newBrowser(g2App(m))
				wants(t, b.Send("POST", "/login?user=ann"), 200, "in")
				ends["Revoke"](t, m, b)
				time.Sleep(after)
				stands := after < 60*time.Second
				w := b.Clone().Send("GET", "/user")
				wants(t, w, 200, "user ")
				bare(t, w)
				if n := log.Count(coatcheck.Expired); n == 0 != stands {
					t.Errorf("%d events that the session has expired; the tombstone stands: %t", n, stands)
				}
				w = b.Clone().Send("POST", "/set")
				if stands {
					wants(t, w, 409, "")
					bare(t, w)
				} else {
					wants(t, w, 200, "set")
					if len(w.Header().Values("Set-Cookie")) != 2 {
						t.Error("no new session began")
					}
				}
				wants(t, b.Send("POST", "/login?user=ann"), 200, "in")
				wants(t, b.Send("GET", "/user"), 200, "user ann")
			})
		})
	}
}

// G2: "when a record's Expires or Deadline had passed before the request began,
// the cookie counts as absent (event expired): the first kept value makes a new
// anonymous session."
func TestG2ExpiredBeforeTheRequest(t *testing.T) {
	times := map[string]coatcheck.Config{
		"idle":     {Idle: 10 * time.Minute, Lifetime: time.Hour},
		"lifetime": {Idle: time.Hour, Lifetime: 11 * time.Minute},
	}
	for name, cfg := range times {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log coatchecktest.Events
				st := memstore.New(memstore.Config{})
				cfg.Events = log.Record
				m := manage(t, st, cfg)
				b := newBrowser(g2App(m))
				wants(t, b.Send("POST", "/login?user=ann"), 200, "in")
				wants(t, b.Clone().Send("POST", "/count"), 200, "count 1")
				time.Sleep(11*time.Minute - time.Microsecond)
				wants(t, b.Clone().Send("GET", "/user", "Sec-Purpose", "prefetch"), 200, "user ann")
				time.Sleep(time.Microsecond)
				w := b.Send("GET", "/user")
				wants(t, w, 200, "user ")
				bare(t, w)
				if n := log.Count(coatcheck.Expired); n != 1 {
					t.Errorf("%d events that the session has expired, want 1", n)
				}
				old := b.Cookies()[sidName]
				wants(t, b.Send("POST", "/count"), 200, "count 1")
				if b.Cookies()[sidName] == old {
					t.Error("the first write after the expiry kept the old token")
				}
				wants(t, b.Send("POST", "/count"), 200, "count 2")
				wants(t, b.Send("GET", "/user"), 200, "user ")
			})
		})
	}
}

// G2: "A session that expires during the request is ended", and nothing of that
// request brings it back; unless the idle end was moved meanwhile.
func TestG2ExpiresDuringTheRequest(t *testing.T) {
	flights := []struct {
		method, url, body string
		code              int
		ifMoved           string
	}{
		{"GET", "/user", "user ", 200, "user ann"},
		{"POST", "/set", "", 409, "set"},
		{"POST", "/set-late", "", 409, "set"},
		{"GET", "/stream", "user ann;0;true", 200, "user ann;1;false"},
		{"GET", "/stream-touch", "user ann;true", 200, "user ann;false"},
	}
	for _, f := range flights {
		for _, moved := range []bool{false, true} {
			t.Run(fmt.Sprint(f.url, "/moved=", moved), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					st := memstore.New(memstore.Config{})
					m := manage(t, holding(st), coatcheck.Config{Idle: 10 * time.Minute})
					b := newBrowser(g2App(m))
					wants(t, b.Send("POST", "/login?user=ann"), 200, "in")
					time.Sleep(11*time.Minute - 10*time.Second)
					flight := depart(t, b, "handler", f.method, f.url)
					gap := 11 * time.Second
					if strings.HasPrefix(f.url, "/stream") {
						gap += 11 * time.Minute // its first byte has moved the end
					}
					time.Sleep(gap / 2)
					if moved {
						wants(t, b.Clone().Send("GET", "/user"), 200, "user ann")
					}
					time.Sleep(gap / 2)
					w := flight.land()
					if moved {
						wants(t, w, 200, f.ifMoved)
						wants(t, b.Send("GET", "/user"), 200, "user ann")
						return
					}
					wants(t, w, f.code, f.body)
					bare(t, w)
					wants(t, b.Send("GET", "/user"), 200, "user ")
				})
			})
		}
	}
}

// G2: expiry wins over "last-seen bumps": a read that was answered after the
// session's end does not move that end.
func TestG2LateTouchRevivesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log coatchecktest.Events
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Idle: 10 * time.Minute, Events: log.Record})
		b := newBrowser(m.Handler(paths{
			"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login("ann") },
			"/slow": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(io.Discard, s.User()) // the look
				time.Sleep(20 * time.Second)
				fmt.Fprint(w, s.User())
			},
			"/user": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "user ", s.User()) },
		}))
		wants(t, b.Send("POST", "/login"), 200, "")
		time.Sleep(11*time.Minute - 10*time.Second)
		wants(t, b.Send("GET", "/slow"), 200, "ann")
		if log.Count(coatcheck.WriteEnded) != 1 {
			t.Error("nobody was told that the touch came too late")
		}
		wants(t, b.Send("GET", "/user"), 200, "user ")
	})
}

// G2: "A request that began more than 50 s ago … never sets a session cookie: a
// first write or a login there is ErrEnded."
func TestG2OldRequestsSetNoCookie(t *testing.T) {
	for _, live := range []bool{false, true} {
		for _, revoke := range []bool{false, true} {
			for _, age := range []time.Duration{50 * time.Second, 50*time.Second + time.Microsecond} {
				for name, change := range map[string]func(s *coatcheck.Session){
					"login":   func(s *coatcheck.Session) { s.Login("ann") },
					"write":   func(s *coatcheck.Session) { g1Count.Set(s, 1) },
					"update":  func(s *coatcheck.Session) { g1Count.Update(s, increase) },
					"renewal": func(s *coatcheck.Session) { s.Renew() },
				} {
					if name == "renewal" && !live {
						continue
					}
					t.Run(fmt.Sprint(name, "/live=", live, "/revoke=", revoke, "/", age), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
							b := newBrowser(m.Handler(paths{
								"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login("bob") },
								"/late": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
									time.Sleep(age)
									if revoke { // a revocation makes a request no younger
										if _, err := m.RevokeAll(r.Context(), "ann"); err != nil {
											t.Error(err)
										}
									}
									change(s)
								},
							}))
							if live {
								wants(t, b.Send("POST", "/login"), 200, "")
							}
							w := b.Send("POST", "/late")
							needsCookie := !live || name == "login" || name == "renewal"
							if age > 50*time.Second && needsCookie {
								wants(t, w, 409, "")
								bare(t, w)
								return
							}
							wants(t, w, 200, "")
							if needsCookie != (len(w.Header().Values("Set-Cookie")) > 0) {
								t.Errorf("a new token was sent: %t, want %t", !needsCookie, needsCookie)
							}
						})
					})
				}
			}
		}
	}
}

// G2: "A logout with a token that a racing login just replaced ends the new
// session too (the tombstone names its successor; Logout follows the chain…)".
func TestG2LogoutFollowsTheChain(t *testing.T) {
	for _, url := range []string{"/login?user=ann", "/login?user=bob", "/renew", "/remember", "/again"} {
		for _, place := range []string{"Load", "End"} {
			t.Run(url+"/"+place, func(t *testing.T) {
				t.Parallel()
				st := memstore.New(memstore.Config{})
				m := manage(t, holding(st), coatcheck.Config{})
				b := newBrowser(g2App(m))
				wants(t, b.Send("POST", "/login?user=ann"), 200, "in")
				logout := depart(t, b, place, "POST", "/logout")
				other := b.Clone()
				for range 3 {
					wants(t, other.Send("POST", url), 200, "")
				}
				wants(t, logout.land(), 200, "out")
				isOver(t, st, other, "ann")
				isOver(t, st, other, "bob")
				isOver(t, st, b, "ann")
			})
		}
	}
}

// G2: "Logout follows the chain, Revoke while the user is the same; nothing else
// does".
func TestG2RevokeFollowsTheSameUser(t *testing.T) {
	for _, user := range []string{"ann", "bob"} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			st := holding(memstore.New(memstore.Config{}))
			m := manage(t, st, coatcheck.Config{})
			b := newBrowser(g2App(m))
			wants(t, b.Send("POST", "/login?user=ann"), 200, "in")
			list, err := m.Sessions(t.Context(), "ann")
			if err != nil {
				t.Fatal(err)
			}
			// A login and a renewal come between Revoke's list and its End.
			f := &flight{place: "End", there: make(chan struct{}), free: make(chan struct{})}
			revoked := make(chan bool)
			go func() {
				ok, err := m.Revoke(context.WithValue(t.Context(), flightKey{}, f), "ann", list[0].Handle)
				revoked <- ok && err == nil
			}()
			<-f.there
			wants(t, b.Send("POST", "/login?user="+user), 200, "in")
			wants(t, b.Send("POST", "/renew"), 200, "renewed")
			close(f.free)
			if !<-revoked {
				t.Error("Revoke found no session")
			}
			if user == "ann" {
				isOver(t, st, b, "ann")
			} else { // another user's session stays
				wants(t, b.Send("GET", "/user"), 200, "user bob")
			}
		})
	}
}

// G2: "nothing else does": a write with a replaced token is ErrEnded.
func TestG2WritesDoNotFollowTheChain(t *testing.T) {
	t.Parallel()
	m := manage(t, holding(memstore.New(memstore.Config{})), coatcheck.Config{})
	b := newBrowser(g2App(m))
	wants(t, b.Send("POST", "/login?user=ann"), 200, "in")
	write := depart(t, b, "handler", "POST", "/set-late")
	other := b.Clone()
	wants(t, other.Send("POST", "/renew"), 200, "renewed")
	w := write.land()
	wants(t, w, 409, "")
	bare(t, w)
	wants(t, other.Send("POST", "/count"), 200, "count 1")
}

// G2: what a request may do whose session has ended. What it only looks for it
// does not find.
func TestG2EndedSession(t *testing.T) {
	code := coatcheck.NewKey[string]("code")
	cart := coatcheck.NewKey[[]string]("cart")
	tries := map[string]struct {
		do   func(s *coatcheck.Session)
		code int
	}{
		"Get":            {func(s *coatcheck.Session) { code.Get(s); s.User(); s.Keys(); s.Handle(); s.AuthTime() }, 200},
		"Pop":            {func(s *coatcheck.Session) { code.Pop(s) }, 200},
		"Flashes":        {func(s *coatcheck.Session) { s.Flashes() }, 200},
		"Set":            {func(s *coatcheck.Session) { code.Set(s, "new") }, 409},
		"SetFor":         {func(s *coatcheck.Session) { code.SetFor(s, "new", time.Minute) }, 409},
		"Update":         {func(s *coatcheck.Session) { code.Update(s, func(c string) string { return c + "x" }) }, 409},
		"Append":         {func(s *coatcheck.Session) { coatcheck.Append(s, cart, "tea") }, 409},
		"Delete":         {func(s *coatcheck.Session) { code.Delete(s) }, 409},
		"Clear":          {func(s *coatcheck.Session) { s.Clear() }, 409},
		"Flash":          {func(s *coatcheck.Session) { s.Flash("hello") }, 409},
		"Renew":          {func(s *coatcheck.Session) { s.Renew() }, 409},
		"Reauthenticate": {func(s *coatcheck.Session) { s.Reauthenticate() }, 409},
		"Touch":          {func(s *coatcheck.Session) { s.Touch() }, 409},
		"Set and Login":  {func(s *coatcheck.Session) { code.Set(s, "new"); s.Login("ann") }, 409},
	}
	for name, try := range tries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := memstore.New(memstore.Config{})
			m := manage(t, st, coatcheck.Config{})
			var err error
			b := newBrowser(m.Handler(paths{
				"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
					s.Login("ann")
					code.Set(s, "old")
					s.Flash("old")
				},
				"/try": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
					if v, ok := code.Get(s); ok || s.User() != "" || len(s.Keys()) != 0 || s.Handle() != "" {
						t.Errorf("the ended session still has %q, %d keys, user %q", v, len(s.Keys()), s.User())
					}
					try.do(s)
					err = s.Err()
				},
				"/user": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "user ", s.User()) },
			}))
			wants(t, b.Send("POST", "/login"), 200, "")
			if _, err := m.RevokeAll(t.Context(), "ann"); err != nil {
				t.Fatal(err)
			}
			w := b.Send("POST", "/try")
			wants(t, w, try.code, "")
			bare(t, w)
			if (try.code == 409) != errors.Is(err, coatcheck.ErrEnded) {
				t.Errorf("Err is %v", err)
			}
			isOver(t, st, b, "ann")
		})
	}
}

// G2, G3: a Login in an ended session makes a new, empty one, and what the same
// request then keeps is kept.
func TestG2LoginInEndedSession(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	b := newBrowser(m.Handler(paths{
		"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Login("ann")
			coatcheck.Append(s, g1Cart, r.URL.Query().Get("item"))
		},
		"/items": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			items, _ := g1Cart.Get(s)
			fmt.Fprint(w, s.User(), items)
		},
	}))
	wants(t, b.Send("POST", "/login?item=old"), 200, "")
	if _, err := m.RevokeAll(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	wants(t, b.Send("POST", "/login?item=new"), 200, "")
	wants(t, b.Send("GET", "/items"), 200, "ann[new]")
}

// G2: an end is final, also asked for twice: in two requests, in one, and where
// the request had gone through a session that ended before.
func TestG2LogoutTwice(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	m := manage(t, st, coatcheck.Config{})
	b := newBrowser(m.Handler(paths{
		"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login("ann") },
		"/logout": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Logout()
			if u := s.User(); u != "" {
				t.Errorf("after Logout the user is %q", u)
			}
			s.Logout()
		},
		"/in-and-out": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Login("ann")
			if err := s.Commit(); err != nil {
				t.Error(err)
			}
			s.Logout()
			s.Logout()
		},
		"/user": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "user ", s.User()) },
	}))
	wants(t, b.Send("POST", "/login"), 200, "")
	again := b.Clone()
	wants(t, b.Send("POST", "/logout"), 200, "")
	if len(b.Cookies()) != 0 {
		t.Error("the cookies were not cleared")
	}
	isOver(t, st, b, "ann")
	late := again.Clone()
	wants(t, again.Send("POST", "/logout"), 200, "")
	if len(again.Cookies()) != 0 {
		t.Error("the second logout did not clear the cookies")
	}
	wants(t, late.Send("POST", "/in-and-out"), 200, "")
	isOver(t, st, late, "ann")
}

// §7: "After Logout the session is empty and new: a value or flash kept then
// makes an anonymous record with a new token in the same answer; without one the
// cookie is cleared."
func TestG2LogoutThenFlash(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	m := manage(t, st, coatcheck.Config{})
	b := newBrowser(m.Handler(paths{
		"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Login("ann")
			g1Count.Set(s, 5)
		},
		"/logout": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Flash("lost")
			s.Logout()
			if _, ok := g1Count.Get(s); ok || len(s.Flashes()) != 0 {
				t.Error("the session is not empty after Logout")
			}
			s.Flash("bye")
		},
		"/user": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "user ", s.User())
		},
		"/flashes": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, s.Flashes(), " and ", s.Keys())
		},
	}))
	wants(t, b.Send("POST", "/login"), 200, "")
	old := b.Clone()
	wants(t, b.Send("POST", "/logout"), 200, "")
	if b.Cookies()[sidName] == old.Cookies()[sidName] || b.Cookies()[sidName] == "" {
		t.Error("no new token after Logout and Flash")
	}
	isOver(t, st, b, "ann")
	isOver(t, st, old, "ann")
	wants(t, b.Send("GET", "/flashes"), 200, "[bye] and []")
}

// G2: "Logout … win[s] over everything in flight": in a stream it does not wait
// for the end of the response, and a login in the same request does not undo it.
func TestG2LogoutInAStream(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	m := manage(t, st, coatcheck.Config{})
	b := newBrowser(m.Handler(paths{
		"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login("ann") },
		"/stream": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, s.User(), ";")
			s.Logout()
			pause(r)
			s.Login("ann")
			fmt.Fprint(w, errors.Is(s.Err(), coatcheck.ErrLate))
		},
		"/user": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "user ", s.User()) },
	}))
	wants(t, b.Send("POST", "/login"), 200, "")
	stream := depart(t, b, "handler", "GET", "/stream")
	isOver(t, st, b, "ann")
	w := stream.land()
	wants(t, w, 200, "ann;true")
	bare(t, w)
	isOver(t, st, b, "ann")
}

// G2: expiry wins also over a write that waited for another's commit meanwhile.
func TestG2ExpiresInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &trap{Store: memstore.New(memstore.Config{})}
		m := manage(t, st, coatcheck.Config{Idle: 10 * time.Minute})
		b := newBrowser(g2App(m))
		wants(t, b.Send("POST", "/login?user=ann"), 200, "in")
		time.Sleep(11*time.Minute - time.Second)
		st.set(func(_ context.Context, method string) error {
			if method == "Update" && st.count("Update") == 1 {
				time.Sleep(2 * time.Second)
				return errors.New("away")
			}
			return nil
		}, nil)
		first := make(chan *httptest.ResponseRecorder)
		go func() { first <- b.Send("POST", "/count") }()
		synctest.Wait()
		w := b.Clone().Send("POST", "/count")
		wants(t, <-first, 503, "")
		wants(t, w, 409, "")
		bare(t, w)
		wants(t, b.Send("GET", "/user"), 200, "user ")
	})
}
