// Command gorillamux uses coatcheck with the router gorilla/mux: the
// router is a handler, and is wrapped as one.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/gorilla/handlers"
	"github.com/gorilla/mux"
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
	r := mux.NewRouter()
	r.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login("123") // after the password was checked
		fmt.Fprint(w, "Logged in")
	}).Methods("POST")
	r.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Logout()
		fmt.Fprint(w, "Logged out")
	}).Methods("POST")
	r.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		s.Login("somebody else")
		visits.Set(s, 100)
		panic("a fault of the program")
	}).Methods("POST")
	members := r.NewRoute().Subrouter()
	members.Use(sessions.RequireLogin)
	members.HandleFunc("/profile", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		n := visits.Update(s, func(n int) int { return n + 1 })
		fmt.Fprintf(w, "User %s, visit %d", s.User(), n)
	}).Methods("GET")
	// Recovering outside of Handler, nothing is kept of what a handler changed
	// before a panic. Inside, coatcheck.DropOnPanic would have to be around it.
	return handlers.RecoveryHandler()(sessions.Handler(r))
}
