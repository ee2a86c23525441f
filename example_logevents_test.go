package coatcheck_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/coatcheck/coatcheck"
)

// Everything that happens to sessions, in the log of the application, with the
// id that middleware outside of Handler gave the request. The handle names a
// session in it; no token, id or value is ever there.
func ExampleLogEvents() {
	logger := slog.New(withRequest{slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case slog.TimeKey: // each run has another
				return slog.Attr{}
			case "session":
				return slog.String("session", "VrX0yFH1mZqW")
			}
			return a
		},
	})})
	sessions := newSessions(coatcheck.Config{Events: coatcheck.LogEvents(logger)})
	b := newBrowser(number(sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch s := coatcheck.From(r.Context()); r.URL.Path {
		case "/login":
			s.Login("123")
		case "/logout":
			s.Logout()
		default:
			s.User()
		}
	}))))
	b.do("POST", "https://app.example/login")
	b.do("POST", "https://app.example/logout")
	b.jar[sidName] = "forged"
	b.do("GET", "/")
	// Output:
	// level=INFO msg=session event=login session=VrX0yFH1mZqW user=123 request=r1
	// level=INFO msg=session event=logout session=VrX0yFH1mZqW user=123 request=r2
	// level=WARN msg=session event=refused reason="session cookie: malformed" request=r3
}

type requestKey struct{}

// number gives each request an id.
func number(next http.Handler) http.Handler {
	n := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, fmt.Sprint("r", n))))
	})
}

// withRequest adds the request's id to each line that is logged with a request's
// context.
type withRequest struct{ slog.Handler }

func (h withRequest) Handle(ctx context.Context, rec slog.Record) error {
	if id, ok := ctx.Value(requestKey{}).(string); ok {
		rec.AddAttrs(slog.String("request", id))
	}
	return h.Handler.Handle(ctx, rec)
}
