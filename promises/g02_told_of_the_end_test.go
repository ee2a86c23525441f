package promises_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// shopfront is an application with a page behind RequireLogin, a login form that
// shows flashes, and a cart for everybody.
func shopfront(t testing.TB, st store.Store) *coatcheck.Manager {
	return manage(t, st, coatcheck.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		if coatcheck.StatusOf(err) == http.StatusUnauthorized {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		coatcheck.AnswerError(w, r, err)
	}})
}

func shopfrontApp(m *coatcheck.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/account", m.RequireLogin(paths{"/account": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
		pause(r)
		fmt.Fprint(w, "account of ", s.User())
	}}))
	mux.Handle("/", paths{
		"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == "GET":
				pause(r)
				fmt.Fprint(w, s.Flashes())
			case r.FormValue("password") == "right":
				s.Login("ann")
			default:
				s.Flash("wrong password")
				http.Redirect(w, r, "/login", http.StatusSeeOther)
			}
		},
		"/cart": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			pause(r)
			coatcheck.Append(s, g1Cart, "tea")
			items, _ := g1Cart.Get(s)
			fmt.Fprint(w, items)
		},
		"/logout": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			pause(r)
			s.Logout()
			s.Flash("Goodbye.")
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		},
	})
	return m.Handler(mux)
}

// G2: "An answer that finds the session over says so to the browser … whose next
// request begins anew": after an end from elsewhere a login page works at once,
// whatever the first answer was that told, and so does a cart.
func TestG2ToldOfTheEnd(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]struct {
		method, url string
		code        int
	}{
		"RequireLogin redirects": {"GET", "/account", 303},
		"a page only reads":      {"GET", "/login", 200},
		"a write is refused":     {"POST", "/cart", 409},
		"a flash is refused":     {"POST", "/login", 409},
	} {
		for end, do := range ends {
			if end == "Logout" {
				continue // the first answer is about all three
			}
			t.Run(name+"/"+end, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					m := shopfront(t, memstore.New(memstore.Config{}))
					b := newBrowser(shopfrontApp(m))
					wants(t, b.Send("POST", "/login?password=right"), 200, "")
					time.Sleep(time.Second)
					do(t, m, b)
					time.Sleep(time.Second)
					w := b.Send(first.method, first.url)
					wants(t, w, first.code, "")
					bare(t, w)
					wants(t, b.Send("POST", "/login"), 303, "")
					wants(t, b.Send("GET", "/login"), 200, "[wrong password]")
					wants(t, b.Send("POST", "/cart"), 200, "[tea]")
					wants(t, b.Send("POST", "/login?password=right"), 200, "")
					wants(t, b.Send("GET", "/account"), 200, "account of ann")
				})
			})
		}
	}
}

// G2: "never by clearing its cookie, which may be a newer login's": an answer that
// comes late changes nothing for whoever has logged in meanwhile.
func TestG2ToldLateHarmsNoLogin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, url string
		code        int
	}{{"GET", "/login", 200}, {"POST", "/cart", 409}, {"GET", "/account", 303}} {
		t.Run(c.method+c.url, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := holding(memstore.New(memstore.Config{}))
				m := shopfront(t, st)
				b := newBrowser(shopfrontApp(m))
				wants(t, b.Send("POST", "/login?password=right"), 200, "")
				time.Sleep(time.Second)
				ends["RevokeAll"](t, m, b)
				time.Sleep(time.Second)
				late := depart(t, b, "after Load", c.method, c.url)
				wants(t, b.Send("POST", "/login?password=right"), 200, "")
				w := late.land()
				wants(t, w, c.code, "")
				bare(t, w)
				if b.Cookies()[overName] == "" {
					t.Error("the late answer did not tell")
				}
				wants(t, b.Send("GET", "/account"), 200, "account of ann")
				wants(t, b.Send("POST", "/cart"), 200, "[tea]")
			})
		})
	}
}

// G2: what was in flight when the session ended is refused, although the browser
// was told meanwhile; and a token that a login has just replaced is no end to be
// told of: what then makes a session could come over that of the login.
func TestG2ToldIsNotInFlight(t *testing.T) {
	t.Parallel()
	m := shopfront(t, holding(memstore.New(memstore.Config{})))
	b := newBrowser(shopfrontApp(m))
	wants(t, b.Send("POST", "/login?password=right"), 200, "")
	write := depart(t, b, "handler", "POST", "/cart")
	if _, err := m.RevokeAll(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	b.Send("GET", "/login")
	if b.Cookies()[overName] == "" {
		t.Error("the browser was not told")
	}
	w := write.land()
	wants(t, w, 409, "")
	bare(t, w)

	b = newBrowser(b.Handler)
	wants(t, b.Send("POST", "/cart"), 200, "[tea]")
	old := b.Clone()
	wants(t, b.Send("POST", "/login?password=right"), 200, "")
	for _, url := range []string{"/login", "/account"} {
		if w := old.Send("GET", url); len(w.Header()["Set-Cookie"]) > 0 {
			t.Errorf("%s with a replaced token sets %q", url, w.Header()["Set-Cookie"])
		}
	}
	wants(t, old.Send("POST", "/cart"), 409, "")
}

// G4, G8: a note that is not ours never leaves, and one of another session means
// nothing.
func TestG2ForeignNote(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	app := shopfrontApp(m)
	b := newBrowser(app)
	wants(t, b.Send("POST", "/login?password=right"), 200, "")
	if _, err := m.RevokeAll(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	for _, note := range []string{"", "AAAAAAAAAAAA", b.Cookies()[sidName]} {
		c := b.Clone()
		c.SetCookie(overName, note)
		wants(t, c.Send("POST", "/cart"), 409, "")
	}
	planting := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", overName+"=AAAAAAAAAAAA; Path=/; Secure")
		coatcheck.From(r.Context()).User()
	}))
	w := httptest.NewRecorder()
	if planting.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)); len(w.Header()["Set-Cookie"]) > 0 {
		t.Errorf("an upstream's note left: %q", w.Header()["Set-Cookie"])
	}
}

// G4: HEAD keeps nothing, so it tells nothing either.
func TestG2HeadTellsNothing(t *testing.T) {
	t.Parallel()
	m := shopfront(t, memstore.New(memstore.Config{}))
	b := newBrowser(shopfrontApp(m))
	wants(t, b.Send("POST", "/login?password=right"), 200, "")
	ends["RevokeAll"](t, m, b)
	if w := b.Send("HEAD", "/login"); len(w.Header()["Set-Cookie"]) > 0 {
		t.Errorf("HEAD sets %q", w.Header()["Set-Cookie"])
	}
}

// G2: "a second Logout with the same cookie answers as the first did", with what
// it leaves for the next page: a double click.
func TestG2LogoutDoubleClick(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"Load", "after Load", "End", "handler", "Create"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			m := shopfront(t, holding(memstore.New(memstore.Config{})))
			b := newBrowser(shopfrontApp(m))
			wants(t, b.Send("POST", "/login?password=right"), 200, "")
			second := depart(t, b, place, "POST", "/logout")
			first := b.Send("POST", "/logout")
			w := second.land()
			if w.Code != first.Code || w.Header().Get("Location") != first.Header().Get("Location") || w.Code != 303 {
				t.Errorf("the second click is answered %d %q, the first was %d", w.Code, w.Body, first.Code)
			}
			wants(t, b.Send("GET", "/login"), 200, "[Goodbye.]")
			wants(t, b.Send("GET", "/account"), 303, "")
		})
	}
}

// G2: "A logout with a token that a racing login just replaced ends the new
// session too": also where the request itself has logged in and committed before,
// so that it no longer is in the session that the browser brought. Otherwise it
// would clear the cookie of a session that lives.
func TestG2LogoutAfterALoginOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"handler", "Replace"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			st := holding(memstore.New(memstore.Config{}))
			m := manage(t, st, coatcheck.Config{})
			b := newBrowser(g3App(m))
			wants(t, b.Send("POST", "/?d"), 200, "")
			logout := depart(t, b, place, "POST", "/?-aco")
			other := b.Clone()
			other.Handler = g3App(manage(t, st, coatcheck.Config{})) // another process
			wants(t, other.Send("POST", "/?b"), 200, "")
			w := logout.land()
			wants(t, w, 200, "")
			if len(b.Cookies()) != 0 {
				t.Errorf("the cookies %v are left", b.Cookies())
			}
			wants(t, other.Send("GET", "/"), 200, "||")
			for _, user := range []string{"ann", "bob"} {
				if list, err := m.Sessions(t.Context(), user); len(list) != 0 || err != nil {
					t.Errorf("%d sessions of %s are left, %v", len(list), user, err)
				}
			}
		})
	}
}

// G3: "RevokeAll(user) also defeats a login of that user", and nothing else: the
// session that the login was made in stays, and where an earlier commit of the
// same request has made it, its cookie is sent (G5).
func TestG3DefeatedLoginKeepsTheSession(t *testing.T) {
	for _, c := range []struct{ first, steps, want string }{
		{"d", "-a", "|dark|"},
		{"", "-dca", "|dark|"},
		{"", "-dcna", "|dark|"},
		{"", "-bca", "bob||"},
		{"", "-bdca", "bob|dark|"},
		{"d", "-bca", "bob|dark|"},
		{"d", "-nca", "|dark|"},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := holding(memstore.New(memstore.Config{}))
				var log coatchecktest.Events
				m := manage(t, st, coatcheck.Config{Events: log.Record})
				b := newBrowser(g3App(m))
				wants(t, b.Send("POST", "/?"+c.first), 200, "")
				time.Sleep(time.Second)
				login := depart(t, b, "handler", "POST", "/?"+c.steps)
				time.Sleep(time.Second)
				if _, err := m.RevokeAll(t.Context(), "ann"); err != nil {
					t.Fatal(err)
				}
				wants(t, login.land(), 409, "")
				wants(t, b.Send("GET", "/"), 200, c.want)
				if list, err := m.Sessions(t.Context(), "ann"); len(list) != 0 || err != nil {
					t.Errorf("%d sessions of the revoked user, %v", len(list), err)
				}
			})
		})
	}
}

// G3: what proves again who is logged in already is not defeated by a revocation
// that the login came after, where this server's clock is behind the one that
// revoked. AuthTime never goes back.
func TestG3AuthTimeWithClocksApart(t *testing.T) {
	for _, off := range []time.Duration{-90 * time.Second, -2 * time.Second, -time.Microsecond, 0, time.Second} {
		for _, steps := range []string{"p", "a", "am", "pn"} {
			t.Run(fmt.Sprint(steps, off), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					st := memstore.New(memstore.Config{})
					here := manage(t, st, coatcheck.Config{})
					behind := manage(t, apart{st, off}, coatcheck.Config{})
					b := newBrowser(g3App(here))
					time.Sleep(time.Second)
					if _, err := here.RevokeAll(t.Context(), "ann"); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Microsecond)
					wants(t, b.Send("POST", "/?a"), 200, "")
					before, err := st.User(t.Context(), "ann")
					if err != nil || len(before) != 1 {
						t.Fatal(len(before), err)
					}
					b.Handler = g3App(behind)
					wants(t, b.Send("POST", "/?"+steps), 200, "")
					b.Handler = g3App(here)
					wants(t, b.Send("GET", "/"), 200, "ann||")
					after, err := st.User(t.Context(), "ann")
					if err != nil || len(after) != 1 || after[0].AuthTime.Before(before[0].AuthTime) {
						t.Errorf("AuthTime went from %v back, %v", before, after)
					}
				})
			})
		}
	}
}

// G2, G3: a request in flight whose token a login or renewal has just replaced is
// told neither "not logged in" nor anything of the user's: 409, for reads behind
// RequireLogin as for writes, so that a page that polls asks again.
func TestG3ReplacedTokenAsksAgain(t *testing.T) {
	t.Parallel()
	for _, steps := range []string{"a", "b", "n", "p", "m"} {
		for _, place := range []string{"Load", "handler"} {
			t.Run(steps+"/"+place, func(t *testing.T) {
				t.Parallel()
				st := holding(memstore.New(memstore.Config{}))
				m := manage(t, st, coatcheck.Config{})
				mux := http.NewServeMux()
				mux.Handle("/", g3App(m))
				for path, require := range map[string]func(http.Handler) http.Handler{
					"/poll": m.RequireLogin, "/fresh": m.RequireFresh(time.Hour),
				} {
					guarded := require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, m.From(r.Context()).User()) }))
					mux.Handle(path, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						pause(r)
						guarded.ServeHTTP(w, r)
					})))
				}
				b := newBrowser(mux)
				wants(t, b.Send("POST", "/?a"), 200, "")
				for _, path := range []string{"/poll", "/fresh"} {
					wants(t, b.Send("GET", path), 200, "ann")
					poll := depart(t, b, place, "GET", path)
					wants(t, b.Send("POST", "/?"+steps), 200, "")
					w := poll.land()
					wants(t, w, 409, "")
					if len(w.Header()["Set-Cookie"]) > 0 {
						t.Errorf("the answer sets %q", w.Header()["Set-Cookie"])
					}
					wants(t, b.Send("GET", path), 200, map[bool]string{true: "bob", false: "ann"}[steps == "b"])
					wants(t, b.Send("POST", "/?a"), 200, "")
				}
				poll := depart(t, b, place, "GET", "/poll")
				wants(t, b.Send("POST", "/?o"), 200, "") // nobody follows
				wants(t, poll.land(), 401, "")
			})
		}
	}
}
