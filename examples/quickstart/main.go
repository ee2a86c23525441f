// Command quickstart is the program of the README.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

var visits = coatcheck.NewKey[int]("visits")

func main() {
	keys, err := cookie.KeysFromEnv() // SECRET_KEY; make one with: go run ./cmd/coatcheck keygen
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("GET /profile", profile)
	mux.HandleFunc("POST /logout", logout)
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(mux)))
}

func login(w http.ResponseWriter, r *http.Request) {
	// Check the password here.
	coatcheck.From(r.Context()).Login("123") // new token, always; the old one is dead
	fmt.Fprint(w, "Logged in")
}

func profile(w http.ResponseWriter, r *http.Request) {
	s := coatcheck.From(r.Context())
	if s.User() == "" {
		http.Error(w, "Not logged in", http.StatusUnauthorized)
		return
	}
	n := visits.Update(s, func(n int) int { return n + 1 }) // exact under any concurrency
	fmt.Fprintf(w, "User %s, visit %d", s.User(), n)
}

func logout(w http.ResponseWriter, r *http.Request) {
	coatcheck.From(r.Context()).Logout()
	fmt.Fprint(w, "Logged out")
}
