package promises_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
)

var (
	g1Count = coatcheck.NewKey[int]("count")
	g1Cart  = coatcheck.NewKey[[]string]("cart")
	g1Code  = coatcheck.NewKey[string]("code")
)

// g1App is a counter, a cart, a one-time code and messages.
func g1App(m *coatcheck.Manager) http.Handler {
	return m.Handler(paths{
		"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login("ann") },
		"/count": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, g1Count.Update(s, increase))
		},
		"/cart": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			coatcheck.Append(s, g1Cart, r.URL.Query().Get("item"))
		},
		"/items": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			items, _ := g1Cart.Get(s)
			fmt.Fprint(w, strings.Join(items, " "))
		},
		"/code": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { g1Code.Set(s, "4711") },
		"/redeem": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			code, ok := g1Code.Pop(s)
			fmt.Fprint(w, code, " ", ok)
		},
		"/flash": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Flash(r.URL.Query().Get("text"))
		},
		"/flashes": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, strings.Join(s.Flashes(), " "))
		},
		"/set": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			coatcheck.NewKey[string](r.URL.Query().Get("key")).Set(s, "here")
		},
		"/keys": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, strings.Join(s.Keys(), " "))
		},
	})
}

// paths answers each path by a function of the request's session.
type paths map[string]func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request)

func (p paths) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p[r.URL.Path](coatcheck.From(r.Context()), w, r)
}

var g3Theme = coatcheck.NewKey[string]("theme")

// g3App does to its session what the query says, one letter after another.
func g3App(m *coatcheck.Manager) http.Handler {
	steps := map[rune]func(s *coatcheck.Session, r *http.Request){
		'a': func(s *coatcheck.Session, r *http.Request) { s.Login("ann") },
		'b': func(s *coatcheck.Session, r *http.Request) { s.Login("bob") },
		'o': func(s *coatcheck.Session, r *http.Request) { s.Logout() },
		'n': func(s *coatcheck.Session, r *http.Request) { s.Renew() },
		'p': func(s *coatcheck.Session, r *http.Request) { s.Reauthenticate() },
		'm': func(s *coatcheck.Session, r *http.Request) { s.Remember(48 * time.Hour) },
		'd': func(s *coatcheck.Session, r *http.Request) { g3Theme.Set(s, "dark") },
		'l': func(s *coatcheck.Session, r *http.Request) { g3Theme.Set(s, "light") },
		'f': func(s *coatcheck.Session, r *http.Request) { s.Flash("hello") },
		'c': func(s *coatcheck.Session, r *http.Request) { s.Commit() },
		'F': func(s *coatcheck.Session, r *http.Request) { s.Flashes() },
		'R': func(s *coatcheck.Session, r *http.Request) { m.RevokeAll(r.Context(), "ann") },
		'-': func(s *coatcheck.Session, r *http.Request) { pause(r) },
	}
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		if r.Method == "POST" {
			for _, step := range r.URL.RawQuery {
				steps[step](s, r)
			}
			return
		}
		theme, _ := g3Theme.Get(s)
		fmt.Fprintf(w, "%s|%s|", s.User(), theme)
		if r.URL.RawQuery == "flashes" {
			fmt.Fprint(w, strings.Join(s.Flashes(), " "))
		}
	}))
}

// A route is a handler that also gets the session.
type route func(http.ResponseWriter, *http.Request, *coatcheck.Session)

// routes serves each path with its route, behind the manager.
func routes(m *coatcheck.Manager, byPath map[string]route) http.Handler {
	mux := http.NewServeMux()
	for path, f := range byPath {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { f(w, r, m.From(r.Context())) })
	}
	return m.Handler(mux)
}

// only serves every request with f.
func only(m *coatcheck.Manager, f route) http.Handler {
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(w, r, m.From(r.Context())) }))
}

// life has a path for everything that moves the ends of a session. Each answers
// with the user and the number of hits.
func life(m *coatcheck.Manager) http.Handler {
	acts := map[string]func(*coatcheck.Session){
		"/look":     func(*coatcheck.Session) {},
		"/set":      func(s *coatcheck.Session) { hits.Set(s, 1) },
		"/count":    func(s *coatcheck.Session) { hits.Update(s, increase) },
		"/login":    func(s *coatcheck.Session) { s.Login("alice") },
		"/again":    (*coatcheck.Session).Reauthenticate,
		"/renew":    (*coatcheck.Session).Renew,
		"/touch":    (*coatcheck.Session).Touch,
		"/logout":   (*coatcheck.Session).Logout,
		"/remember": func(s *coatcheck.Session) { s.Login("alice"); s.Remember(30 * day) },
	}
	byPath := make(map[string]route)
	for path, act := range acts {
		byPath[path] = func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			act(s)
			n, _ := hits.Get(s)
			fmt.Fprint(w, s.User(), n)
		}
	}
	return routes(m, byPath)
}

// g11App has the pages of a list of devices.
func g11App(m *coatcheck.Manager) http.Handler {
	fail := func(w http.ResponseWriter, err error) {
		switch {
		case errors.Is(err, coatcheck.ErrLoginRequired):
			http.Error(w, "login", http.StatusUnauthorized)
		case err != nil:
			http.Error(w, "failed", http.StatusInternalServerError)
		}
	}
	return m.Handler(paths{
		"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login(r.URL.Query().Get("user")) },
		"/user":  func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "user ", s.User()) },
		"/renew": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Renew() },
		"/count": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, g1Count.Update(s, increase))
		},
		"/sessions": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			list, err := m.Sessions(r.Context(), s.User())
			if err != nil {
				fail(w, err)
				return
			}
			json.NewEncoder(w).Encode(list)
		},
		"/revoke": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			found, err := m.Revoke(r.Context(), s.User(), r.URL.Query().Get("handle"))
			fail(w, err)
			fmt.Fprint(w, found, " user ", s.User())
		},
		"/others": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			if user := r.URL.Query().Get("login"); user != "" {
				s.Login(user)
			}
			if r.URL.Query().Has("renew") {
				s.Renew()
			}
			if r.URL.Query().Has("count") {
				g1Count.Set(s, 7)
			}
			n, err := m.RevokeOthers(r.Context())
			fail(w, err)
			fmt.Fprint(w, n)
		},
	})
}
