package coatcheck_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

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

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux)) // keeps cookies, as browsers do
	fmt.Print(b.Send("GET", "/profile").Body)
	fmt.Print(b.Send("POST", "/login").Body)
	fmt.Print(b.Send("GET", "/profile").Body)
	fmt.Print(b.Send("POST", "/logout").Body)
	fmt.Print(b.Send("GET", "/profile").Body)
	// Output:
	// Not logged in
	// Logged in
	// User 123
	// Logged out
	// Not logged in
}
