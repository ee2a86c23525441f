// Command events streams the time to logged-in users by server-sent events, and
// closes the stream as soon as the session ends: by a logout in another tab, by
// a revocation, or by expiry.
package main

import (
	"fmt"
	"log"
	"net/http"
	"time"

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
	log.Fatal(http.ListenAndServe("localhost:8080", routes(sessions)))
}

func routes(sessions *coatcheck.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login("123") // after the password was checked
		fmt.Fprint(w, "Logged in")
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Logout()
		fmt.Fprint(w, "Logged out")
	})
	mux.Handle("GET /events", sessions.RequireLogin(http.HandlerFunc(events)))
	return sessions.Handler(mux)
}

func events(w http.ResponseWriter, r *http.Request) {
	s := coatcheck.From(r.Context())
	ended := s.Ended() // before the first byte: it looks at the session
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would pass the stream on when it ends
	send := func(event, data string) {
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, data)
		http.NewResponseController(w).Flush()
	}
	send("hello", s.User())
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			send("bye", "the session has ended")
			return
		case <-r.Context().Done(): // the tab is closed
			return
		case now := <-tick.C:
			send("time", now.Format(time.TimeOnly))
		}
	}
}
