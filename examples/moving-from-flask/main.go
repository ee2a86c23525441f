// Command moving-from-flask is the day of a move: it stands before a Flask
// application, and whoever is logged in at one is at the other. Pages move over one by
// one; what has not moved is Flask's still. demo.sh shows it.
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// overHTTP is for http://localhost. Served over HTTPS it must be false.
const overHTTP = true

var cart = coatcheck.NewKey[[]string]("cart")

func main() {
	keys, err := cookie.KeysFromEnv() // SECRET_KEY: a new secret, not Flask's
	if err != nil {
		log.Fatal(err)
	}
	app, err := build(keys, os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("http://localhost:8080/")
	log.Fatal(http.ListenAndServe("localhost:8080", app))
}

// build returns the site: our pages, and Flask for all the rest.
func build(keys *cookie.Keys, env func(string) string) (http.Handler, error) {
	address, err := url.Parse(env("FLASK_URL"))
	if err != nil || address.Host == "" {
		return nil, fmt.Errorf("FLASK_URL is %q; want where Flask is, such as http://localhost:5000", env("FLASK_URL"))
	}
	until, err := time.Parse(time.DateOnly, env("MOVE_UNTIL")) // the day from which no Flask session counts here
	if err != nil {
		return nil, fmt.Errorf("MOVE_UNTIL: %w", err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{
		Cookie: cookie.Policy{AllowInsecureHTTP: overHTTP},
	})
	if err != nil {
		return nil, err
	}
	old, err := flask.New(flask.Config{
		SecretKey: env("FLASK_SECRET_KEY"),                                                    // SECRET_KEY of the Flask application
		Policy:    cookie.Policy{SameSite: http.SameSiteLaxMode, AllowInsecureHTTP: overHTTP}, // as Flask's cookie has it
	})
	if err != nil {
		return nil, err
	}
	moving, err := bridge.NewMove(sessions, old, bridge.MoveConfig{
		Until:  until,
		Values: []string{"cart"}, // what is kept beside the user
		Follow: true,             // a logout at Flask is one here
		// Both are on one machine. Take it out where they are not; see "One login and the next".
		ClocksApart: time.Second,
		Told:        func(_ *http.Request, err error) { log.Printf("a session of Flask that cannot be read: %v", err) },
	})
	if err != nil {
		return nil, err
	}
	site := http.NewServeMux()
	site.Handle("/new/", moving.Handler(pages(moving)))
	site.Handle("/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(address)
		r.SetXForwarded()
		r.Out.Host = r.In.Host
		sessions.StripCookies(r.Out)
	}})
	return site, nil
}

// pages are what has moved.
func pages(moving *bridge.Move) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /new/{$}", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		kept, _ := cart.Get(s)
		fmt.Fprintf(w, "Go: user %q, cart %q\n", s.User(), kept)
	})
	mux.HandleFunc("POST /new/login", func(w http.ResponseWriter, r *http.Request) {
		// Check the password here. The user is what Flask has in its session.
		if err := moving.Login(w, r, r.FormValue("user"), bridge.Session{}); err != nil {
			log.Print(err)
			http.Error(w, "Flask does not have the login", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "Go: logged in")
	})
	mux.HandleFunc("POST /new/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := moving.Logout(w, r); err != nil {
			log.Print(err)
			http.Error(w, "try once more", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "Go: logged out")
	})
	return mux
}
