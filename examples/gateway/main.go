// Command gateway lets logged-in users through to another server, which knows
// nothing of sessions: it gets the user's name in a header, and never a session
// cookie, which would open the session to whoever reads that server's logs.
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

func main() {
	keys, err := cookie.KeysFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		log.Fatal(err)
	}
	upstream := &url.URL{Scheme: "http", Host: "localhost:9090"}
	log.Fatal(http.ListenAndServe("localhost:8080", routes(sessions, upstream)))
}

func routes(sessions *coatcheck.Manager, upstream *url.URL) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login("123") // after the password was checked
		fmt.Fprint(w, "Logged in")
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Logout()
		fmt.Fprint(w, "Logged out")
	})
	mux.Handle("/", sessions.RequireLogin(proxy(sessions, upstream)))
	return sessions.Handler(mux)
}

// proxy passes requests on. A Set-Cookie line of the session's name that the
// upstream answers with is dropped by the manager's Handler.
func proxy(sessions *coatcheck.Manager, upstream *url.URL) http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(upstream)
		r.SetXForwarded()
		sessions.StripCookies(r.Out)
		r.Out.Header.Set("X-User", coatcheck.From(r.In.Context()).User()) // in place of what the client sent
	}}
}
