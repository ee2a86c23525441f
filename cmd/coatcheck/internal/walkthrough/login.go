package walkthrough

import (
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// defaultUser is who logs in where the form names nobody. A real application
// checks a password here; this one shows what comes after that.
const defaultUser = "123"

func (s *Site) routeLogin(mux *http.ServeMux) {
	// Both methods: links and forms. A real application takes POST only,
	// because a GET must have no effects.
	mux.HandleFunc("GET /login", s.login)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("GET /logout", s.logout)
	mux.HandleFunc("POST /logout", s.logout)
	mux.Handle("GET /profile", s.sessions.RequireLogin(http.HandlerFunc(s.profile)))
}

func (s *Site) login(w http.ResponseWriter, r *http.Request) {
	user, ok := field(w, r, "user", func(v string) bool { return v == "" || line(v, 255) })
	if !ok {
		return
	}
	if user == "" {
		user = defaultUser
	}
	coatcheck.From(r.Context()).Login(user)
	answer(w, http.StatusOK, "Logged in")
}

func (s *Site) profile(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, "User %s", coatcheck.From(r.Context()).User())
}

func (s *Site) logout(w http.ResponseWriter, r *http.Request) {
	coatcheck.From(r.Context()).Logout()
	answer(w, http.StatusOK, "Logged out")
}
