package coatcheck_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/coatcheck/coatcheck"
)

// An application that has a native client, or a library that knows User-Agents
// better, names the devices in its lists itself.
func ExampleConfig_device() {
	sessions := newSessions(coatcheck.Config{
		Device: func(r *http.Request) string {
			if version, ok := strings.CutPrefix(r.UserAgent(), "ExampleBank/"); ok {
				return "our app, version " + version
			}
			return "a browser" // here: what the library says
		},
	})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })

	b := newBrowser(sessions.Handler(mux))
	b.do("POST", "/login", "User-Agent", "ExampleBank/4.2")
	list, err := sessions.Sessions(context.Background(), "123")
	fmt.Println(list[0].Device, err)
	// Output: our app, version 4.2 <nil>
}
