// Command dbsc is an application whose sessions are bound to a key of the browser's
// device, so that a copy of the cookies opens nothing after minutes. It serves
// HTTPS, and says how to start a Chromium that binds.
package main

import (
	"context"
	"flag"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/memstore"
)

func main() {
	addr := flag.String("addr", "localhost:8443", "where to serve")
	maxAge := flag.Duration("max-age", 0, "life of the bound cookie; 0 is the default of 10 minutes, 20s shows what happens")
	certFile := flag.String("cert", "", "a certificate that browsers trust; without it one is made, for localhost")
	keyFile := flag.String("key", "", "and its key")
	flag.Parse()

	keys, err := cookie.KeysFromEnv() // SECRET_KEY; make one with: go run ./cmd/coatcheck keygen
	if err != nil {
		log.Fatal(err)
	}
	mail := func(user, text string) { log.Printf("mail to %s: %s", user, text) }
	app, err := build(context.Background(), keys, dbsc.Config{MaxAge: *maxAge}, mail)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: *addr, Handler: app, ReadHeaderTimeout: 5 * time.Second}
	if *certFile == "" {
		if err := throwAway(server); err != nil {
			log.Fatal(err)
		}
	}
	log.Printf("serving on https://%s", *addr)
	log.Fatal(server.ListenAndServeTLS(*certFile, *keyFile))
}

// build makes the application. Until ctx ends it answers copies: everything of that
// user ends, and mail is told.
func build(ctx context.Context, keys *cookie.Keys, cfg dbsc.Config, mail func(user, text string)) (http.Handler, error) {
	copied := make(chan string, 16)
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{Events: func(e coatcheck.Event) {
		log.Printf("%s: %s", e.Kind, e.Reason)
		if e.Kind == coatcheck.Copied {
			select {
			case copied <- e.User: // another goroutine: Events must not block
			default: // there are enough
			}
		}
	}})
	if err != nil {
		return nil, err
	}
	cfg.Require = func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/admin/") }
	bound, err := dbsc.New(sessions, cfg)
	if err != nil {
		return nil, err
	}
	go answer(ctx, sessions, copied, mail)

	mux := http.NewServeMux()
	mux.Handle("/dbsc/", bound)
	mux.HandleFunc("GET /{$}", home)
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login("123") // after the password was checked
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Logout()
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	says := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	}
	mux.Handle("GET /account", sessions.RequireLogin(says("Your account")))
	mux.Handle("GET /admin/", sessions.RequireLogin(says("For administrators, whose session is bound")))
	mux.Handle("POST /transfer", bound.RequireProof(says("Transferred")))
	return sessions.Handler(mux), nil
}

// answer ends everything of a user whose cookie was copied. That hits the owner,
// too, who logs in again.
func answer(ctx context.Context, sessions *coatcheck.Manager, copied <-chan string, mail func(user, text string)) {
	for {
		select {
		case user := <-copied:
			if _, err := sessions.RevokeAll(ctx, user); err != nil {
				log.Print(err)
				continue
			}
			mail(user, "Somebody has a copy of your cookies. You are logged out everywhere.")
		case <-ctx.Done():
			return
		}
	}
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<title>Bound sessions</title>
{{if .User}}<p>User {{.User}},
{{if .Bound}}bound by {{.Binding.Algorithm}} since {{.Binding.Since.Format "15:04:05"}}, last proven {{.Binding.Refreshed.Format "15:04:05"}}{{else}}not bound: reload the page, or the browser cannot{{end}}
<p><a href="/account">account</a> <a href="/admin/">administration</a>
<form method="post" action="/transfer"><button>transfer</button></form>
<form method="post" action="/logout"><button>log out</button></form>
{{else}}<form method="post" action="/login"><button>log in</button></form>{{end}}
`))

func home(w http.ResponseWriter, r *http.Request) {
	s := coatcheck.From(r.Context())
	b, ok := s.Binding()
	if err := page.Execute(w, map[string]any{"User": s.User(), "Bound": ok, "Binding": b}); err != nil {
		log.Print(err)
	}
}
