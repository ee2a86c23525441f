// Command httprouter uses coatcheck with the router httprouter, which has
// no middleware: what others give to Use goes around each handler.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/julienschmidt/httprouter"
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
	router := httprouter.New()
	router.PanicHandler = func(w http.ResponseWriter, r *http.Request, fault any) {
		log.Print("panic: ", fault)
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
	}
	// What a handler changed before a panic that PanicHandler answers is not kept.
	handle := func(method, path string, h http.HandlerFunc) {
		router.Handler(method, path, coatcheck.DropOnPanic(h))
	}
	handle("POST", "/login", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login("123") // after the password was checked
		fmt.Fprint(w, "Logged in")
	})
	handle("POST", "/logout", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Logout()
		fmt.Fprint(w, "Logged out")
	})
	handle("POST", "/broken", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		s.Login("somebody else")
		visits.Set(s, 100)
		panic("a fault of the program")
	})
	router.Handler("GET", "/profile", sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		n := visits.Update(s, func(n int) int { return n + 1 })
		fmt.Fprintf(w, "User %s, visit %d", s.User(), n)
	})))
	return sessions.Handler(router)
}
