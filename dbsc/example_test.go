package dbsc_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/memstore"
)

// One line and a mount.
func Example() {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // in a program KeysFromEnv
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		log.Fatal(err)
	}
	bound, err := dbsc.New(sessions, dbsc.Config{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/dbsc/", bound)
	mux.HandleFunc("GET /profile", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		if b, ok := s.Binding(); ok {
			fmt.Fprintf(w, "%s, bound by %s since %v", s.User(), b.Algorithm, b.Since)
		}
	})
	_ = sessions.Handler(mux) // http.ListenAndServeTLS serves it
}

// A copy of a bound session's cookies came from elsewhere: everything of the user
// ends, and a mail says so. Events must not block, so another goroutine does it.
func Example_copied() {
	copied := make(chan string, 16)
	cfg := coatcheck.Config{Events: func(e coatcheck.Event) {
		if e.Kind == coatcheck.Copied {
			select {
			case copied <- e.User:
			default: // there are enough
			}
		}
	}}
	revoke := func(ctx context.Context, sessions *coatcheck.Manager, mail func(user, text string)) {
		for user := range copied {
			if _, err := sessions.RevokeAll(ctx, user); err == nil {
				mail(user, "Somebody has a copy of your cookies. You are logged out everywhere.")
			}
		}
	}
	_, _ = cfg, revoke
}
