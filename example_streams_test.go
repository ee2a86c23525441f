package coatcheck_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// An event stream ends with its session.
func ExampleSession_Ended() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	opened := make(chan bool)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })
	mux.Handle("GET /events", sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintln(w, "data: hello")
		http.NewResponseController(w).Flush()
		close(opened)
		select {
		case <-s.Ended(): // logout, revocation, expiry, or a new token
			fmt.Fprintln(w, "event: bye")
		case <-r.Context().Done():
		}
	})))

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	b.Send("POST", "/login")
	go func() {
		<-opened
		sessions.RevokeAll(context.Background(), "123")
	}()
	fmt.Print(b.Send("GET", "/events").Body)
	// Output:
	// data: hello
	// event: bye
}
