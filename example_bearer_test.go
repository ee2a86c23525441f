package coatcheck_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// A session for a client without cookies: the token comes and goes in headers.
func ExampleNewBearer() {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // KeysFromEnv in a program
	if err != nil {
		log.Fatal(err)
	}
	api, err := coatcheck.NewBearer(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login("123") // after checking the password
	})
	mux.Handle("GET /profile", api.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "User ", coatcheck.From(r.Context()).User())
	})))
	server := httptest.NewServer(api.Handler(mux))
	defer server.Close()

	token := "" // what the client keeps
	for _, ask := range []string{"GET /profile", "POST /login", "GET /profile"} {
		var method, path string
		fmt.Sscan(ask, &method, &path)
		r, err := http.NewRequest(method, server.URL+path, nil)
		if err != nil {
			log.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := server.Client().Do(r)
		if err != nil {
			log.Fatal(err)
		}
		res.Body.Close()
		if next := res.Header.Get(coatcheck.TokenHeader); next != "" {
			token = next
		}
		fmt.Println(ask, res.StatusCode, len(res.Cookies()), "cookies")
	}
	// Output:
	// GET /profile 401 0 cookies
	// POST /login 200 0 cookies
	// GET /profile 200 0 cookies
}
