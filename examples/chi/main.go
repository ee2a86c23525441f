// Command chi uses coatcheck with the router chi: its middleware
// has the same form.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

var visits = coatcheck.NewKey[int]("visits")

func main() {
	keys, err := cookie.KeysFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", routes(sessions)))
}

func routes(sessions *coatcheck.Manager) http.Handler {
	r := chi.NewRouter()
	// What a handler changed before a panic that Recoverer answers is not kept.
	r.Use(middleware.Logger, sessions.Handler, middleware.Recoverer, coatcheck.DropOnPanic)
	r.Post("/login", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login("123") // after the password was checked
		fmt.Fprint(w, "Logged in")
	})
	r.Post("/logout", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Logout()
		fmt.Fprint(w, "Logged out")
	})
	r.With(sessions.RequireLogin).Get("/profile", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		n := visits.Update(s, func(n int) int { return n + 1 })
		fmt.Fprintf(w, "User %s, visit %d", s.User(), n)
	})
	r.Post("/broken", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		s.Login("somebody else")
		visits.Set(s, 100)
		panic("a fault of the program")
	})
	return r
}
