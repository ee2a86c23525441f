package coatcheck_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// OnError sends people to the login, or to their password again, and from there
// back to where they were. It ends in AnswerError, which knows the rest: what is
// said to scripts, Retry-After, and the page for visitors from another site.
func ExampleConfig_onError() {
	// pageOf is a URL to return to: a POST has none, but the page with its form does.
	pageOf := func(r *http.Request) string {
		if r.Method == http.MethodGet {
			return r.URL.RequestURI()
		}
		u, err := url.Parse(r.Referer())
		if err != nil || u.Host != r.Host {
			return "/"
		}
		return coatcheck.SafeReturn(u.RequestURI())
	}
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		login := "/login"
		if errors.Is(err, coatcheck.ErrNotFresh) { // logged in, but not recently enough for RequireFresh
			login = "/password"
		}
		if errors.Is(err, coatcheck.ErrLoginRequired) && strings.HasPrefix(r.Header.Get("Accept"), "text/html") {
			http.Redirect(w, r, login+"?next="+url.QueryEscape(pageOf(r)), http.StatusSeeOther)
			return
		}
		coatcheck.AnswerError(w, r, err)
	}})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login("123") // after checking the password
		http.Redirect(w, r, coatcheck.SafeReturn(r.FormValue("next")), http.StatusSeeOther)
	})
	mux.Handle("/account", sessions.RequireLogin(http.NotFoundHandler()))
	mux.Handle("POST /account/delete", sessions.RequireFresh(time.Nanosecond)(http.NotFoundHandler()))

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	show := func(method, path string, headers ...string) {
		w := b.Send(method, "https://app.example"+path, headers...)
		fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Header().Get("Location"))))
	}
	show("GET", "/account?tab=2", "Accept", "text/html")
	show("GET", "/account", "Accept", "application/json") // a script wants the status
	show("POST", "/login?next=%2Faccount%3Ftab%3D2")
	show("POST", "/account/delete", "Accept", "text/html", "Referer", "https://app.example/account?tab=2")
	// Output:
	// 303 /login?next=%2Faccount%3Ftab%3D2
	// 401
	// 303 /account?tab=2
	// 303 /password?next=%2Faccount%3Ftab%3D2
}

// Everything that happens to sessions, in the log of the application, with the
// id that middleware outside of Handler gave the request. The handle names a
// session in it; no token, id or value is ever there.
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
	type requestKey struct{} // of the id in a request's context
	n := 0
	number := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n++
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, fmt.Sprint("r", n))))
		})
	}
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{Events: func(e coatcheck.Event) {
		coatcheck.LogEvents(logger.With("request", e.Context.Value(requestKey{})))(e)
	}})
	b := coatchecktest.NewHandlerBrowser(number(sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch s := coatcheck.From(r.Context()); r.URL.Path {
		case "/login":
			s.Login("123")
		case "/logout":
			s.Logout()
		default:
			s.User()
		}
	}))))
	b.Send("POST", "https://app.example/login")
	b.Send("POST", "https://app.example/logout")
	b.Send("GET", "/", "Cookie", "__Host-Http-sid=forged")
	// Output:
	// level=INFO msg=session request=r1 event=login session=VrX0yFH1mZqW user=123
	// level=INFO msg=session request=r2 event=logout session=VrX0yFH1mZqW user=123
	// level=WARN msg=session request=r3 event=refused reason="session cookie: malformed"
}

// Two kinds of sessions side by side: customers and staff, each with a cookie
// and lifetimes of its own.
func ExampleManager_From() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	customers, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	staff, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{Name: "__Host-Http-staff"})
	b := coatchecktest.NewHandlerBrowser(customers.Handler(staff.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/staff/login" {
			staff.From(r.Context()).Login("clerk")
		}
		fmt.Fprintf(w, "customer %q, staff %q\n", customers.From(r.Context()).User(), staff.From(r.Context()).User())
	}))))
	fmt.Print(b.Send("POST", "/staff/login").Body)
	fmt.Print(b.Send("GET", "/").Body)
	// Output:
	// customer "", staff "clerk"
	// customer "", staff "clerk"
}

// An application that has a native client, or a library that knows User-Agents
// better, names the devices in its lists itself.
func ExampleConfig_device() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{
		Device: func(r *http.Request) string {
			if version, ok := strings.CutPrefix(r.UserAgent(), "ExampleBank/"); ok {
				return "our app, version " + version
			}
			return "a browser" // here: what the library says
		},
	})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	b.Send("POST", "/login", "User-Agent", "ExampleBank/4.2")
	list, err := sessions.Sessions(context.Background(), "123")
	fmt.Println(list[0].Device, err)
	// Output: our app, version 4.2 <nil>
}

// ASVS 7.1.1–7.1.3: the policy in force can be written down.
func ExampleManager_Describe() {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // KeysFromEnv in a program
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{MaxPerUser: 5})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(sessions.Describe())
	// Output:
	// cookie             __Host-Http-sid
	// attributes         Path=/; HttpOnly; Secure; SameSite=Strict
	// user               idle 30m0s, lifetime 12h0m0s, remembered at most 720h0m0s
	// anonymous          idle 30m0s, lifetime 4h0m0s
	// sessions per user  5, another login ends the oldest
	// kept               in the store, by a hash of the token
	// after logout       the browser clears caches and storage of the site
	// from other sites   anonymous, and nothing is written
	// known as           what Host says
	// client address     of the connection
}
