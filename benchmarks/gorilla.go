package benchmarks

import (
	"net/http"
	"strings"

	"github.com/antonlindstrom/pgstore"
	"github.com/boj/redistore"
	"github.com/gorilla/sessions"
	"github.com/quasoft/memstore"
)

// Gorilla is gorilla/sessions, whose ids travel in a securecookie. It has no
// memory store of its own; quasoft/memstore is the one its README lists, with
// both keys as in that store's example. It cannot renew an id: blanking it, as
// is advised, makes a new one and leaves the old session valid.
var Gorilla = Library{Name: "gorilla", New: func(b Backend) (App, error) {
	store, closeStore, err := gorillaStore(b)
	if err != nil {
		return nil, err
	}
	return web{Handler: gorillaRoutes(store, b).behind(b), close: closeStore}, nil
}}

func gorillaStore(b Backend) (store sessions.Store, closeStore func() error, err error) {
	switch b.Kind {
	case Memory:
		s := memstore.NewMemStore([]byte(secret), []byte(secret2))
		s.Options.Secure, s.Options.HttpOnly = true, true
		return s, nil, nil
	case InCookie:
		s := sessions.NewCookieStore([]byte(secret), []byte(secret2))
		s.Options.HttpOnly = true
		return s, nil, nil
	case Redis:
		// As its README: a pool of ten idle connections and one key.
		s, err := redistore.NewRediStore(10, "tcp", b.Addr, "", "", []byte(secret))
		if err != nil {
			return nil, nil, err
		}
		s.Options.Secure, s.Options.HttpOnly = true, true
		return s, s.Close, nil
	case Postgres:
		s, err := pgstore.NewPGStore(b.Addr, []byte(secret))
		if err != nil {
			return nil, nil, err
		}
		s.DbPool.SetMaxOpenConns(connections)
		s.DbPool.SetMaxIdleConns(connections)
		s.Options.Secure, s.Options.HttpOnly = true, true
		return s, func() error { s.Close(); return nil }, nil
	}
	_, err = unsupported(b)
	return nil, nil, err
}

func gorillaRoutes(store sessions.Store, b Backend) routes {
	// with calls f and saves the session afterwards.
	with := func(f func(s *sessions.Session, r *http.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s, err := store.Get(r, "session")
			if err == nil {
				f(s, r)
				err = s.Save(r, w)
			}
			if err != nil {
				answerError(w, err)
				return
			}
			w.Write(okBody)
		}
	}
	return routes{
		"/untouched": untouched,
		"/read": func(w http.ResponseWriter, r *http.Request) {
			s, err := store.Get(r, "session")
			if err == nil && b.Idle { // the only way to move the end
				err = s.Save(r, w)
			}
			if err != nil {
				answerError(w, err)
				return
			}
			text, _ := s.Values[textName].(string)
			answer(w, text)
		},
		"/count": func(w http.ResponseWriter, r *http.Request) {
			s, err := store.Get(r, "session")
			if err != nil {
				answerError(w, err)
				return
			}
			n, _ := s.Values[countName].(int)
			s.Values[countName] = n + 1
			if err := s.Save(r, w); err != nil {
				answerError(w, err)
				return
			}
			answerNumber(w, n+1)
		},
		"/set": with(func(s *sessions.Session, r *http.Request) { s.Values[textName] = textValue }),
		"/login": with(func(s *sessions.Session, r *http.Request) {
			s.ID = ""
			s.Values[userName] = userValue
		}),
		"/fill": with(func(s *sessions.Session, r *http.Request) {
			s.Values[userName] = userValue
			s.Values[textName] = textValue
			if n := number(r); n > 1 {
				s.Values[countName] = 0
				for name, value := range extra(n) {
					s.Values[name] = value
				}
			}
		}),
		"/fill4k": with(func(s *sessions.Session, r *http.Request) {
			s.Values[userName] = userValue
			s.Values[largeName] = strings.Repeat("x", 4000)
			s.Values[textName] = textValue
		}),
		"/page": gorillaPage(store, func(s *sessions.Session) (n int, flash string) {
			flash = firstFlash(s.Flashes())
			s.AddFlash(flashText)
			return gorillaCount(s), flash
		}),
		"/form": gorillaPage(store, func(s *sessions.Session) (n int, flash string) {
			s.AddFlash(flashText)
			return gorillaCount(s), ""
		}),
		"/after": gorillaPage(store, func(s *sessions.Session) (n int, flash string) {
			return 0, firstFlash(s.Flashes())
		}),
	}.pages()
}

// gorillaPage answers a page of a session that change has changed.
func gorillaPage(store sessions.Store, change func(s *sessions.Session) (n int, flash string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := store.Get(r, "session")
		if err != nil {
			answerError(w, err)
			return
		}
		var values [3]string
		for i, name := range pageNames {
			values[i], _ = s.Values[name].(string)
		}
		n, flash := change(s)
		if err := s.Save(r, w); err != nil {
			answerError(w, err)
			return
		}
		answerPage(w, values, n, flash)
	}
}

func gorillaCount(s *sessions.Session) int {
	n, _ := s.Values[countName].(int)
	s.Values[countName] = n + 1
	return n + 1
}

// firstFlash is the one flash of /page.
func firstFlash(flashes []any) string {
	if len(flashes) == 0 {
		return ""
	}
	text, _ := flashes[0].(string)
	return text
}
