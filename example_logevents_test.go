package coatcheck_test

import (
	"log/slog"
	"net/http"
	"os"

	"github.com/coatcheck/coatcheck"
)

// Everything that happens to sessions, in the log of the application. The
// handle names a session in it; no token, id or value is ever there.
func ExampleLogEvents() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case slog.TimeKey: // each run has another
				return slog.Attr{}
			case "session":
				return slog.String("session", "VrX0yFH1mZqW")
			}
			return a
		},
	}))
	sessions := newSessions(coatcheck.Config{Events: coatcheck.LogEvents(logger)})
	b := newBrowser(sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch s := coatcheck.From(r.Context()); r.URL.Path {
		case "/login":
			s.Login("123")
		case "/logout":
			s.Logout()
		default:
			s.User()
		}
	})))
	b.do("POST", "https://app.example/login")
	b.do("POST", "https://app.example/logout")
	b.jar[sidName] = "forged"
	b.do("GET", "/")
	// Output:
	// level=INFO msg=session event=login session=VrX0yFH1mZqW user=123
	// level=INFO msg=session event=logout session=VrX0yFH1mZqW user=123
	// level=WARN msg=session event=refused reason="session cookie: malformed"
}
