package bridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/bridge/php"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

func adoptsOn(t *testing.T, st store.Store, source bridge.Source, cfg bridge.MoveConfig, more func(*bridge.Move, *coatcheck.Manager, http.ResponseWriter, *http.Request)) *here {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	h := &here{t: t}
	if h.sessions, err = coatcheck.New(st, keys, coatcheck.Config{}); err != nil {
		t.Fatal(err)
	}
	cfg.Until = time.Now().AddDate(0, 6, 0)
	move, err := bridge.NewMove(h.sessions, source, cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.handler = move.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		if more != nil {
			more(move, h.sessions, w, r)
		}
		switch r.URL.Path {
		case "/logout":
			s.Logout()
		case "/mlogout":
			if err := move.Logout(w, r); err != nil {
				t.Error(err)
			}
		case "/fresh":
			fmt.Fprint(w, time.Since(s.AuthTime()) < time.Minute, " ")
		}
		fmt.Fprint(w, s.User())
	}))
	return h
}

// G2: a tombstone that the store has forgotten early, by a clock that is ahead, does
// not make its session one that was never made.
func TestLoggedOutStaysOutWithClocksApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &there{t: t, source: inCookies(t)["Flask"]}
		st := memstore.New(memstore.Config{})
		h := adoptsOn(t, st, a.source, bridge.MoveConfig{}, nil)
		a.says("1", nil)
		sid := h.visit("first", a.cookies, nil, "/", "1")
		h.visit("logout", a.cookies, sid, "/logout", "")
		for range 60 {
			time.Sleep(time.Second)
			// The store's clock is ahead, by less than stores-redis.md allows.
			if _, err := st.Sweep(t.Context(), time.Now().Add(29*time.Second), 100); err != nil {
				t.Fatal(err)
			}
			h.visit("after the logout", a.cookies, nil, "/", "")
		}
	})
}

// A logout here while a request finds that the other side has logged out as well.
func TestLogoutHereDuringFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, name := range []string{"Rails", "cookie-session"} {
			a := &there{t: t, source: inCookies(t)[name]}
			hold, held := make(chan bool), make(chan bool)
			st := memstore.New(memstore.Config{})
			h := adoptsOn(t, st, a.source, bridge.MoveConfig{Follow: true}, nil)
			slow := adoptsOn(t, st, slowSource{a.source, held, hold}, bridge.MoveConfig{Follow: true}, nil)
			a.says("1", nil)
			copied := a.cookies
			sid := h.visit("first", copied, nil, "/", "1")
			done := make(chan bool)
			go func() {
				slow.visit("has no cookie of there any more", nil, sid, "/", "")
				close(done)
			}()
			<-held
			h.visit("logout here", copied, sid, "/mlogout", "")
			hold <- true
			<-done
			for _, wait := range []time.Duration{time.Second, 61 * time.Second, 24 * time.Hour} {
				time.Sleep(wait)
				h.visit(name+": the copy, after a logout here", copied, nil, "/", "")
			}
		}
	})
}

type slowSource struct {
	bridge.Source
	held, hold chan bool
}

func (s slowSource) Read(r *http.Request) (bridge.Session, error) {
	if len(r.Cookies()) == 1 {
		s.held <- true
		<-s.hold
	}
	return s.Source.Read(r)
}

// G2: what is spent stays so when the user has another name here since.
func TestSpentWhateverTheNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, name := range []string{"Flask", "Rails", "cookie-session"} {
			a := &there{t: t, source: inCookies(t)[name]}
			st := memstore.New(memstore.Config{})
			user := func(n string) func(context.Context, bridge.Session) (string, error) {
				return func(context.Context, bridge.Session) (string, error) { return n, nil }
			}
			h := adoptsOn(t, st, a.source, bridge.MoveConfig{User: user("alice")}, nil)
			a.says("1", nil)
			sid := h.visit("first", a.cookies, nil, "/", "alice")
			h.visit("logout", a.cookies, sid, "/mlogout", "")
			time.Sleep(2 * time.Minute)
			h = adoptsOn(t, st, a.source, bridge.MoveConfig{User: user("alice.b")}, nil)
			h.visit(name+": renamed", a.cookies, nil, "/", "")
		}
	})
}

// A time of a login that is to come proves nothing.
func TestLoginTimeToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &there{t: t, source: inCookies(t)["Flask"]}
		h := adoptsOn(t, memstore.New(memstore.Config{}), a.source, bridge.MoveConfig{LoginTime: "at"}, nil)
		a.says("1", map[string]json.RawMessage{"at": json.RawMessage(fmt.Sprint(time.Now().AddDate(0, 1, 0).Unix()))})
		h.visit("fresh?", a.cookies, nil, "/fresh", "false 1")
		a.says("2", map[string]json.RawMessage{"at": json.RawMessage(fmt.Sprint(time.Now().Add(25 * time.Second).Unix()))})
		time.Sleep(time.Second)
		if _, err := h.sessions.RevokeAll(t.Context(), "2"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		h.visit("revoked", a.cookies, nil, "/", "")
	})
}

// Made-up ids of a system that signs nothing, once its store is gone.
func TestImportedLogoutKeepsNothingOfMadeUpIDs(t *testing.T) {
	st := memstore.New(memstore.Config{})
	p, err := php.New(php.Config{Store: php.Redis(&foreigntest.KV{}, ""), UserKey: "user"})
	if err != nil {
		t.Fatal(err)
	}
	h := adoptsOn(t, st, p, bridge.MoveConfig{Imported: true}, nil)
	for i := range 100 {
		h.visit("logout of nobody", []*http.Cookie{{Name: "PHPSESSID", Value: fmt.Sprintf("%026d", i)}}, nil, "/mlogout", "")
	}
	if n, err := st.Stats(t.Context()); err != nil || n.Sessions > 1 { // one says that there is a move
		t.Errorf("%d records kept (%v); want none of them", n.Sessions, err)
	}
}

// G7: a link on another site brings our Lax cookie, and not a Strict one of the old
// application's. That is no logout over there, and shows nobody's page either: what
// follows from our own site tells. A logout over there is seen by the next request of it.
func TestFollowAndWithheldCookies(t *testing.T) {
	t.Parallel()
	navigation := func(site string) http.Header {
		return http.Header{"Sec-Fetch-Site": {site}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Accept": {"text/html"}}
	}
	for from, header := range map[string]http.Header{
		"a link on another site": navigation("cross-site"), "a mail": navigation("none"),
		"a link, through a service worker": {"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"same-origin"}, "Sec-Fetch-Dest": {"empty"}, "Referer": {"https://elsewhere.example/"}},
	} {
		t.Run(from, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
				if err != nil {
					t.Fatal(err)
				}
				h := &here{t: t, store: memstore.New(memstore.Config{})}
				if h.sessions, err = coatcheck.New(h.store, keys, coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteLaxMode}}); err != nil {
					t.Fatal(err)
				}
				a := &there{t: t, source: inCookies(t)["Flask"]}
				move, err := bridge.NewMove(h.sessions, a.source, bridge.MoveConfig{Until: time.Now().AddDate(0, 1, 0), Follow: true})
				if err != nil {
					t.Fatal(err)
				}
				mux := http.NewServeMux()
				mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, coatcheck.From(r.Context()).User()) })
				mux.Handle("/account", h.sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, coatcheck.From(r.Context()).User()) })))
				mux.HandleFunc("/keep", func(w http.ResponseWriter, r *http.Request) {
					coatcheck.NewKey[int]("n").Set(coatcheck.From(r.Context()), 1)
				})
				mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Logout() })
				mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("2") })
				h.handler = move.Handler(mux)
				send := func(path string, header http.Header, ours *http.Cookie, there ...*http.Cookie) *httptest.ResponseRecorder {
					r := httptest.NewRequest(http.MethodGet, "https://example.com"+path, nil)
					r.Header = header.Clone()
					for _, c := range append(there, ours) {
						r.AddCookie(c)
					}
					w := httptest.NewRecorder()
					h.handler.ServeHTTP(w, r)
					return w
				}
				is := func(what string, w *httptest.ResponseRecorder, code int, want string) {
					t.Helper()
					if w.Code != code || want != "*" && w.Body.String() != want {
						t.Errorf("%s: %d %q; want %d %q", what, w.Code, w.Body, code, want)
					}
				}
				a.says("1", nil)
				ours := h.visit("first", a.cookies, nil, "/", "1")
				own := navigation("same-origin")
				is("the link", send("/", header, ours), http.StatusOK, "")
				is("its page with a login", send("/account", header, ours), http.StatusConflict, "*")
				is("its change", send("/keep", header, ours), http.StatusConflict, "*")
				is("what follows", send("/account", own, ours, a.cookies...), http.StatusOK, "1")
				is("the link brings both", send("/account", header, ours, a.cookies...), http.StatusOK, "1")
				for _, path := range []string{"/logout", "/login"} {
					copied := h.sessionsOf("1")
					is(path, send(path, header, ours), http.StatusOK, "")
					if now := h.sessionsOf("1"); copied != 1 || now != 0 {
						t.Errorf("after %s from there: %d sessions, before %d", path, now, copied)
					}
					time.Sleep(time.Minute)
					a.says("1", map[string]json.RawMessage{"n": json.RawMessage(`1`)})
					ours = h.visit("again", a.cookies, nil, "/", "1")
				}
				is("a logout over there, and a link", send("/account", header, ours), http.StatusConflict, "*")
				is("what follows it", send("/", own, ours), http.StatusOK, "")
				if n := h.sessionsOf("1"); n != 0 {
					t.Errorf("after a logout over there: %d sessions", n)
				}
			})
		})
	}
}

// Where our cookie is Strict and came, nothing was withheld: a logout over there is seen
// at once, also where the address was typed.
func TestFollowWhereOursIsStrict(t *testing.T) {
	t.Parallel()
	a := &there{t: t, source: inCookies(t)["Flask"]}
	h := adopts(t, a.source, bridge.MoveConfig{Follow: true})
	a.says("1", nil)
	ours := h.visit("first", a.cookies, nil, "/", "1")
	r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
	r.Header = http.Header{"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}
	r.AddCookie(ours)
	r.AddCookie(&http.Cookie{Name: "__Host-Http-sid-m", Value: h.handleOf("1")})
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	if n := h.sessionsOf("1"); w.Body.String() != "" || n != 0 {
		t.Errorf("%q, %d sessions; want none", w.Body, n)
	}
}

func (h *here) handleOf(user string) string {
	h.t.Helper()
	list, err := h.sessions.Sessions(context.Background(), user)
	if err != nil || len(list) != 1 {
		h.t.Fatal(list, err)
	}
	return list[0].Handle
}

func (h *here) sessionsOf(user string) int {
	h.t.Helper()
	list, err := h.sessions.Sessions(context.Background(), user)
	if err != nil {
		h.t.Fatal(err)
	}
	return len(list)
}
