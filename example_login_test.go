package coatcheck_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// RequireLogin in front of every route that only users may use. It loads the
// session first, so that the handler cannot act while the store is away.
func ExampleManager_RequireLogin() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	mux := http.NewServeMux()
	mux.Handle("GET /account", sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "The account of ", coatcheck.From(r.Context()).User())
	})))
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	w := b.Send("GET", "/account")
	fmt.Println(w.Code, w.Body)
	b.Send("POST", "/login")
	w = b.Send("GET", "/account")
	fmt.Println(w.Code, w.Body)
	// Output:
	// 401 Not logged in
	// 200 The account of 123
}

// Before a password or an address is changed the user proves again who they
// are: ASVS 7.5.1.
func ExampleManager_RequireFresh() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	fresh := sessions.RequireFresh(5 * time.Minute)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })
	mux.HandleFunc("POST /password-again", func(_ http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Reauthenticate() // after the password was checked
	})
	mux.Handle("POST /change", fresh(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Changed")
	})))

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	fmt.Println(b.Send("POST", "/change").Code)
	b.Send("POST", "/login")
	fmt.Print(b.Send("POST", "/change").Body) // five minutes later: 401
	b.Send("POST", "/password-again")
	fmt.Print(b.Send("POST", "/change").Body)
	// Output:
	// 401
	// Changed
	// Changed
}

// "Keep me logged in" on this device.
func ExampleSession_Remember() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	b := coatchecktest.NewHandlerBrowser(sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		s.Login("123")
		switch r.FormValue("remember") {
		case "on":
			s.Remember(14 * 24 * time.Hour) // from now on
		case "while-used":
			s.RememberSliding(14 * 24 * time.Hour) // as long as they come every two weeks, up to Config.MaxRemember
		}
	})))
	for _, url := range []string{"/login", "/login?remember=on", "/login?remember=while-used"} {
		fmt.Println(time.Duration(b.Send("POST", url).Result().Cookies()[0].MaxAge) * time.Second)
	}
	// Output:
	// 12h0m0s
	// 336h0m0s
	// 720h0m0s
}

// A page on which users see where they are logged in, and end what is not
// theirs: ASVS 7.5.2.
func ExampleManager_Sessions() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })
	mux.Handle("GET /devices", sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, err := sessions.Sessions(r.Context(), coatcheck.From(r.Context()).User())
		if err != nil {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		for _, session := range list { // the newest first
			fmt.Fprintln(w, session.Device, session.Current)
		}
	})))
	mux.Handle("POST /end", sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := coatcheck.From(r.Context()).User()
		found, err := sessions.Revoke(r.Context(), user, r.FormValue("handle")) // of this user's only
		fmt.Fprintln(w, found, err)
	})))

	phone, laptop := coatchecktest.NewHandlerBrowser(sessions.Handler(mux)), coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	phone.Send("POST", "/login", "User-Agent", "Mozilla/5.0 (Android 16; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0")
	laptop.Send("POST", "/login", "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	fmt.Print(phone.Send("GET", "/devices").Body)

	list, _ := sessions.Sessions(context.Background(), "123")
	fmt.Print(phone.Send("POST", "/end?handle="+list[0].Handle).Body)
	fmt.Println(laptop.Send("GET", "/devices").Code)
	// Output:
	// Firefox on Linux false
	// Firefox on Android true
	// true <nil>
	// 401
}

// Whoever changes a password ends all other sessions: ASVS 7.4.3.
func ExampleManager_RevokeOthers() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })
	mux.Handle("POST /password", sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Reauthenticate() // after the old password was checked
		n, err := sessions.RevokeOthers(r.Context())
		fmt.Fprintln(w, n, err)
	})))
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %q\n", coatcheck.From(r.Context()).User())
	})

	own, stolen := coatchecktest.NewHandlerBrowser(sessions.Handler(mux)), coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	own.Send("POST", "/login")
	stolen.Send("POST", "/login")
	fmt.Print(own.Send("POST", "/password").Body)
	fmt.Print(own.Send("GET", "/").Body)
	fmt.Print(stolen.Send("GET", "/").Body)
	// Output:
	// 1 <nil>
	// user "123"
	// user ""
}

// An OpenID provider names each of its logins by a sid, and days later ends what
// began with it (back-channel logout), whatever its token is by then.
func ExampleManager_RevokeLabel() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /callback", func(_ http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		s.Login("123")                         // claims.Subject
		s.SetLabel("oidc", r.FormValue("sid")) // claims.SID
		s.SetLabel("device", "kitchen tablet") // or what the user calls it
	})
	mux.HandleFunc("POST /renew", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Renew() })
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %q\n", coatcheck.From(r.Context()).User())
	})

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	b.Send("POST", "/callback?sid=e3b0c442")
	b.Send("POST", "/renew")

	list, _ := sessions.Sessions(context.Background(), "123")
	fmt.Println(list[0].Labels["device"])

	// From the logout token, once it is verified.
	n, err := sessions.RevokeLabel(context.Background(), "123", "oidc", "e3b0c442")
	fmt.Println(n, err)
	fmt.Print(b.Send("GET", "/").Body)
	// Output:
	// kitchen tablet
	// 1 <nil>
	// user ""
}

// With Config.MaxPerUser and Refuse somebody who lost a device, or only a browser's
// cookies, cannot log in until the sessions there run out. The way out, after the
// password was right: list them, and end them if asked to.
func ExampleManager_RevokeAll_tooMany() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{MaxPerUser: 1, AtLimit: coatcheck.Refuse})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		const user = "123" // after checking the password, each time
		s := coatcheck.From(r.Context())
		if r.FormValue("others") == "end" {
			if _, err := sessions.RevokeAll(r.Context(), user); err != nil {
				http.Error(w, "Please try again.", http.StatusServiceUnavailable)
				return
			}
		} else if list, err := sessions.Sessions(r.Context(), user); err == nil && len(list) >= 1 && s.User() != user {
			fmt.Fprintf(w, "Logged in on %d other device. End that session and log in?", len(list))
			return
		}
		s.Login(user) // ErrTooMany still answers for whoever comes between
		fmt.Fprint(w, "Logged in.")
	})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %q", coatcheck.From(r.Context()).User())
	})
	handler := sessions.Handler(mux)
	lost, here := coatchecktest.NewHandlerBrowser(handler), coatchecktest.NewHandlerBrowser(handler)
	fmt.Println(lost.Send("POST", "/login").Body)
	fmt.Println(here.Send("POST", "/login").Body)
	fmt.Println(here.Send("POST", "/login?others=end").Body)
	fmt.Println(lost.Send("GET", "/me").Body, here.Send("GET", "/me").Body)
	// Output:
	// Logged in.
	// Logged in on 1 other device. End that session and log in?
	// Logged in.
	// user "" user "123"
}

// On the way back from an OpenID provider the browser keeps the session cookie to
// itself. That the state is not there says nothing, until the visitor has followed
// the link to the same page. Config.Landing spares them that.
func ExampleSession_Withheld() {
	state := coatcheck.NewKey[string]("state")
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) {
		state.Set(coatcheck.From(r.Context()), "4711") // and a redirect to the provider
	})
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		v, ok := state.Pop(s)
		switch {
		case ok && v == r.FormValue("state"):
			s.Login("123")
			fmt.Fprint(w, "Logged in")
		case s.Withheld():
			coatcheck.AnswerError(w, r, coatcheck.ErrHeldBack)
		default:
			http.Error(w, "Not begun in this browser", http.StatusForbidden)
		}
	})

	site := sessions.Handler(mux)
	b := coatchecktest.NewHandlerBrowser(site)
	marker := ""
	for _, c := range b.Send("POST", "/login").Result().Cookies() {
		if c.Name == "__Host-Http-sid-lax" { // all that a browser sends from elsewhere
			marker = c.Name + "=" + c.Value
		}
	}
	from := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	fmt.Println(coatchecktest.NewHandlerBrowser(site).Send("GET", "/callback?state=4711", append(from, "Cookie", marker)...).Code)
	fmt.Println(coatchecktest.NewHandlerBrowser(site).Send("GET", "/callback?state=4711", from...).Body)
	fmt.Println(b.Send("GET", "/callback?state=4711").Body)
	// Output:
	// 409
	// Not begun in this browser
	//
	// Logged in
}

// A session for a client without cookies: the token comes and goes in headers.
func ExampleNewBearer() {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // KeysFromEnv in a program
	if err != nil {
		log.Fatal(err)
	}
	api, err := coatcheck.NewBearer(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login("123") // after checking the password
	})
	mux.Handle("GET /profile", api.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "User ", coatcheck.From(r.Context()).User())
	})))
	server := httptest.NewServer(api.Handler(mux))
	defer server.Close()

	token := "" // what the client keeps
	for _, ask := range []string{"GET /profile", "POST /login", "GET /profile"} {
		var method, path string
		fmt.Sscan(ask, &method, &path)
		r, err := http.NewRequest(method, server.URL+path, nil)
		if err != nil {
			log.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := server.Client().Do(r)
		if err != nil {
			log.Fatal(err)
		}
		res.Body.Close()
		if next := res.Header.Get(coatcheck.TokenHeader); next != "" {
			token = next
		}
		fmt.Println(ask, res.StatusCode, len(res.Cookies()), "cookies")
	}
	// Output:
	// GET /profile 401 0 cookies
	// POST /login 200 0 cookies
	// GET /profile 200 0 cookies
}
