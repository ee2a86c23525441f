package console_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/console"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// An application with a console for its operators.
func Example() {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // yours: cookie.KeysFromEnv()
	if err != nil {
		panic(err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))

	var hour console.Recorder
	sessions, err := coatcheck.New(hour.Store(memstore.New(memstore.Config{})), keys,
		coatcheck.Config{Events: hour.Events(coatcheck.LogEvents(log))})
	if err != nil {
		panic(err)
	}
	page, err := console.New(sessions, console.Config{Recorder: &hour, Login: "/login",
		Authorize: func(r *http.Request) bool { return isOperator(coatcheck.From(r.Context()).User()) }})
	if err != nil {
		panic(err)
	}

	mux := http.NewServeMux()
	mux.Handle("/console/", page)
	mux.Handle("/console", page)
	app := sessions.Handler(mux)

	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", "/console/", nil))
	fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	// Output: 404 404 page not found
}

// isOperator is the application's own question.
func isOperator(user string) bool { return user == "ada" }
