package promises_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// G2: "A request that began more than 50 s ago … never sets a session cookie",
// nor clears one, which may by then be a newer session's. A logout there ends the
// session and its successors, or where nobody knows any more what became of it,
// is ErrEnded.
func TestG2LateLogout(t *testing.T) {
	t.Parallel()
	const begin, late = time.Second, 72 * time.Second
	again := func(at time.Duration) func(*testing.T, *coatcheck.Manager, *browser) {
		return func(t *testing.T, m *coatcheck.Manager, b *browser) {
			time.Sleep(at)
			wants(t, b.Send("POST", "/login"), 200, "")
		}
	}
	for _, c := range []struct {
		name      string
		meanwhile func(*testing.T, *coatcheck.Manager, *browser)
		age       time.Duration
		code      int
		left      string // who is logged in afterwards
		cleared   bool
	}{
		{"in time", func(*testing.T, *coatcheck.Manager, *browser) {}, 50 * time.Second, 200, "", true},
		{"too old", func(*testing.T, *coatcheck.Manager, *browser) {}, 50*time.Second + time.Microsecond, 200, "", false},
		{"logged in again, and the tombstone stands", again(30 * time.Second), late, 200, "", false},
		{"logged in again, and the tombstone is forgotten", again(begin), late, 409, "ann", false},
		{"logged in again twice, and the first tombstone is forgotten", func(t *testing.T, m *coatcheck.Manager, b *browser) {
			again(begin)(t, m, b)
			again(30*time.Second)(t, m, b)
		}, late, 409, "ann", false},
		{"logged out elsewhere", func(t *testing.T, _ *coatcheck.Manager, b *browser) {
			time.Sleep(30 * time.Second)
			wants(t, b.Send("POST", "/logout"), 200, "")
		}, late, 200, "", false},
		{"logged out and in elsewhere, long ago", func(t *testing.T, _ *coatcheck.Manager, b *browser) {
			time.Sleep(begin)
			wants(t, b.Send("POST", "/logout"), 200, "")
			wants(t, b.Send("POST", "/login"), 200, "")
		}, late, 409, "ann", false},
	} {
		for _, answers := range []string{"returns", "streams", "panics"} {
			t.Run(c.name+"/"+answers, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
					var err error
					b := newBrowser(outermost(m.Handler(paths{
						"/login":  func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login("ann") },
						"/logout": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Logout() },
						"/user":   func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, s.User()) },
						"/late": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
							s.User()
							if answers == "streams" {
								w.(http.Flusher).Flush()
							}
							pause(r)
							s.Logout()
							s.Logout() // twice is as good as once
							err = s.Commit()
							if answers == "panics" {
								panic(http.ErrAbortHandler)
							}
						},
					})))
					wants(t, b.Send("POST", "/login"), 200, "")
					time.Sleep(time.Second)
					start := time.Now()
					flight := depart(t, b.Clone(), "handler", "POST", "/late")
					c.meanwhile(t, m, b)
					time.Sleep(time.Until(start.Add(c.age)))
					if _, err := m.Sweep(t.Context()); err != nil {
						t.Fatal(err)
					}
					w := flight.land()
					if answers == "returns" {
						wants(t, w, c.code, "")
					}
					if want := map[int]error{200: nil, 409: coatcheck.ErrEnded}[c.code]; !errors.Is(err, want) {
						t.Errorf("Commit gives %v, want %v", err, want)
					}
					if cleared := len(w.Header()["Set-Cookie"]) > 0; cleared != (c.cleared && answers != "streams") {
						t.Errorf("the answer has the cookies %q", w.Header()["Set-Cookie"])
					}
					wants(t, b.Send("GET", "/user"), 200, c.left)
				})
			})
		}
	}
}

// outermost answers for a handler that panics.
func outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// G2: "A request that began more than 50 s ago … never sets a session cookie":
// whatever an early commit put aside, and however the answer leaves.
func TestG2EarlyCommitOfALateAnswer(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*coatcheck.Session){
		"login":  func(s *coatcheck.Session) { s.Login("bob") },
		"logout": func(s *coatcheck.Session) { s.Logout() },
		"write":  func(s *coatcheck.Session) { hits.Set(s, 1) },
	} {
		for how, answer := range map[string]func(*coatcheck.Session, http.ResponseWriter){
			"returns": func(*coatcheck.Session, http.ResponseWriter) {},
			"writes":  func(_ *coatcheck.Session, w http.ResponseWriter) { fmt.Fprint(w, "x") },
			"panics":  func(*coatcheck.Session, http.ResponseWriter) { panic(http.ErrAbortHandler) },
			"fails":   func(s *coatcheck.Session, w http.ResponseWriter) { hits.SetFor(s, 1, -1) },
		} {
			for _, live := range []bool{true, false} {
				t.Run(fmt.Sprint(what, "/", how, "/live=", live), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
						h := outermost(only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
							time.Sleep(40 * time.Second)
							change(s)
							if err := s.Commit(); err != nil {
								t.Error(err)
							}
							time.Sleep(11 * time.Second)
							answer(s, w)
						}))
						b := newBrowser(h)
						if live {
							b = begin(t, m, h)
						}
						bare(t, b.Send("POST", "/"))
						// What nobody has the token of is ended.
						for user, most := range map[string]int{"alice": 1, "bob": 0} {
							if list, err := m.Sessions(t.Context(), user); err != nil || len(list) > most {
								t.Errorf("%d sessions of %s, %v", len(list), user, err)
							}
						}
					})
				})
			}
		}
	}
}

// G2: the same of a session in its cookie, of which nobody else knows: a logout
// that may not clear it is none.
func TestG2LateLogoutInCookie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{})
		if err != nil {
			t.Fatal(err)
		}
		b := newBrowser(m.Handler(paths{
			"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login("ann") },
			"/late": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
				time.Sleep(51 * time.Second)
				s.Logout()
			},
		}))
		wants(t, b.Send("POST", "/login"), 200, "")
		w := b.Send("POST", "/late")
		wants(t, w, 409, "")
		bare(t, w)
		// Where there is nothing to clear there is nothing to miss.
		wants(t, newBrowser(b.Handler).Send("POST", "/late"), 200, "")
	})
}

// G2: "A login in flight while its user is revoked fails", also where a server
// whose clock is ahead forgets the revocation at that moment. What the browser
// had stays as it was.
func TestG2RefusedLoginIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &trap{Store: memstore.New(memstore.Config{})}
		store.set(nil, func(ctx context.Context, method string) error {
			if method == "Replace" {
				store.Sweep(ctx, time.Now().Add(90*time.Second), 100)
			}
			return nil
		})
		m := manage(t, store, coatcheck.Config{})
		cart := coatcheck.NewKey[string]("cart")
		b := newBrowser(m.Handler(paths{
			"/put": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { cart.Set(s, "tea") },
			"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Second)
				if _, err := m.RevokeAll(context.Background(), "ann"); err != nil {
					t.Error(err)
				}
				s.Login("ann")
			},
			"/see": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
				v, _ := cart.Get(s)
				fmt.Fprintf(w, "%q %s", s.User(), v)
			},
		}))
		wants(t, b.Send("POST", "/put"), 200, "")
		wants(t, b.Send("POST", "/login"), 409, "")
		wants(t, b.Send("GET", "/see"), 200, `"" tea`)
		if list, err := m.Sessions(t.Context(), "ann"); err != nil || len(list) != 0 {
			t.Errorf("sessions of a refused login: %v, %v", list, err)
		}
	})
}
