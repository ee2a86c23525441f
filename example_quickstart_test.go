package coatcheck_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// newSessions makes the manager of an example. A program takes its keys from
// cookie.KeysFromEnv.
func newSessions(cfg coatcheck.Config) *coatcheck.Manager {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, cfg)
	if err != nil {
		log.Fatal(err)
	}
	return sessions
}

// Log in, be recognised, log out.
func Example() {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // KeysFromEnv in a program
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		s.Login("123") // after the password was checked
		fmt.Fprintln(w, "Logged in")
	})
	mux.HandleFunc("GET /profile", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		if s.User() == "" {
			http.Error(w, "Not logged in", http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, "User", s.User())
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Logout()
		fmt.Fprintln(w, "Logged out")
	})

	b := newBrowser(sessions.Handler(mux)) // keeps cookies, as browsers do
	fmt.Print(b.do("GET", "/profile").Body)
	fmt.Print(b.do("POST", "/login").Body)
	fmt.Print(b.do("GET", "/profile").Body)
	fmt.Print(b.do("POST", "/logout").Body)
	fmt.Print(b.do("GET", "/profile").Body)
	// Output:
	// Not logged in
	// Logged in
	// User 123
	// Logged out
	// Not logged in
}
