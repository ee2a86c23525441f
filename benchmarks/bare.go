package benchmarks

import (
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// Bare is net/http without sessions.
var Bare = Library{Name: "bare", New: func(b Backend) (App, error) {
	if b.Kind != Memory {
		return unsupported(b)
	}
	return web{Handler: bareRoutes()}, nil
}}

func bareRoutes() routes {
	return routes{
		"/untouched": untouched, "/read": untouched, "/count": untouched, "/set": untouched,
		"/login": untouched, "/fill": untouched, "/fill4k": untouched,
	}.pages()
}

// Fair is net/http without sessions in the place of coatcheck: its requests
// bring the same cookies, and its answers have the same three headers. What
// coatcheck costs over it is what a session costs; what Fair costs over Bare
// every application pays that has a cookie and says what it answers.
var Fair = Library{Name: "fair", New: func(b Backend) (App, error) {
	app, err := newCoatcheck(b, coatcheck.Config{})
	if err != nil || b.Kind != Memory {
		return unsupported(b)
	}
	bare := bareRoutes()
	return web{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fill" { // whose cookies all the others bring
			app.(web).ServeHTTP(w, r)
			return
		}
		w.Header().Set("Vary", "Cookie")
		w.Header().Set("Cache-Control", "no-store")
		bare.ServeHTTP(w, r)
	})}, nil
}}
