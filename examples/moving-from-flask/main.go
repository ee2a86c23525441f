// Command moving-from-flask is the day of a move: a Flask application and a Go
// program share one host, and whoever is logged in at one is at the other. What is
// under /old/ is Flask's still, everything else is ours. demo.sh shows it.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

var cart = coatcheck.NewKey[[]string]("cart")

func main() {
	keys, err := cookie.KeysFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	old, stop, err := startFlask("app.py", os.Getenv("FLASK_SECRET_KEY"))
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	// Plain HTTP is for localhost only, where this example runs.
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{
		Cookie: cookie.Policy{AllowInsecureHTTP: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	app, err := build(sessions, old, os.Getenv("FLASK_SECRET_KEY"))
	if err != nil {
		log.Fatal(err)
	}
	log.Print("http://localhost:8080/ is ours, http://localhost:8080/old/ is Flask's")
	log.Print(http.ListenAndServe("localhost:8080", app))
}

// build returns the reverse proxy: Flask under /old/, and the Go program.
func build(sessions *coatcheck.Manager, old *url.URL, secret string) (http.Handler, error) {
	source, err := flask.New(flask.Config{
		SecretKey: secret,
		Policy:    cookie.Policy{AllowInsecureHTTP: true, SameSite: http.SameSiteLaxMode},
	})
	if err != nil {
		return nil, err
	}
	move, err := bridge.NewMove(sessions, source, bridge.MoveConfig{
		Until:  time.Now().AddDate(0, 3, 0), // a fixed day, in your program
		Values: []string{"cart"},
		Follow: true, // a logout at Flask is one here
		Told:   func(_ *http.Request, err error) { log.Printf("a session of Flask that cannot be read: %v", err) },
	})
	if err != nil {
		return nil, err
	}
	both := http.NewServeMux()
	both.Handle("/old/", httputil.NewSingleHostReverseProxy(old))
	both.Handle("/", move.Handler(routes(move)))
	return both, nil
}

// routes is the Go program.
func routes(move *bridge.Move) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		kept, _ := cart.Get(s)
		user := s.User()
		if user == "" {
			user = "nobody"
		}
		fmt.Fprintf(w, "Go: %s, cart %q\n", user, kept)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if err := move.Login(w, r, r.FormValue("user"), bridge.Session{}); err != nil {
			log.Print(err)
			http.Error(w, "Flask does not have the login", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "Go: logged in")
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := move.Logout(w, r); err != nil {
			log.Print(err)
			http.Error(w, "try once more", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "Go: logged out")
	})
	return mux
}

// startFlask runs the old application and returns where it is.
func startFlask(file, secret string) (where *url.URL, stop func(), err error) {
	cmd := exec.Command("/usr/bin/python3", file)
	cmd.Env = append(os.Environ(), "FLASK_SECRET_KEY="+secret)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("the Flask application did not start: %w", err)
	}
	where, err = url.Parse("http://127.0.0.1:" + strings.TrimSpace(port))
	return where, stop, err
}
