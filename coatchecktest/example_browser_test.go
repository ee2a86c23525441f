package coatchecktest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// A test against a live server, which logs in through the application's form. The
// cookies are Secure, the server speaks plain HTTP.
func ExampleBrowser() {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		panic(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) { // after the password, in real life
		coatcheck.From(r.Context()).Login(r.FormValue("user"))
		http.Redirect(w, r, "/profile", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /profile", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "Hello ", coatcheck.From(r.Context()).User())
	})
	server := httptest.NewServer(sessions.Handler(mux))
	defer server.Close()

	alice := coatchecktest.NewBrowser(server)
	res, err := alice.PostForm("/login", url.Values{"user": {"alice"}})
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	fmt.Println(res.Request.URL.Path, string(text), err)
	// Output: /profile Hello alice <nil>
}

// A browser that is logged in already, and has something in its cart.
func ExampleBrowser_Session() {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		panic(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		panic(err)
	}
	cart := coatcheck.NewKey[[]string]("cart")
	app := sessions.Handler(sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		coatcheck.Append(s, cart, r.FormValue("item"))
		items, _ := cart.Get(s)
		fmt.Fprint(w, s.User(), " buys ", items)
	})))

	testCart := func(t testing.TB) {
		server := httptest.NewServer(app)
		defer server.Close()
		alice := coatchecktest.NewBrowser(server)
		alice.Session(t, sessions, func(s *coatcheck.Session) {
			s.Login("alice")
			cart.Set(s, []string{"tea"})
		})
		res, err := alice.PostForm("/cart", url.Values{"item": {"cups"}})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		fmt.Printf("%s\n", text)
	}
	testCart(&testing.B{}) // the testing package gives a *testing.T
	// Output: alice buys [tea cups]
}

// Stolen cookies are of no use after a logout, and the application hears of both.
func ExampleBrowser_Clone() {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		panic(err)
	}
	var events coatchecktest.Events
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{Events: events.Record})
	if err != nil {
		panic(err)
	}
	app := sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		switch r.URL.Path {
		case "/login": // after the password, in real life
			s.Login("alice")
		case "/logout":
			s.Logout()
		default:
			fmt.Fprintf(w, "Hello %q", s.User())
		}
	}))

	alice := coatchecktest.NewHandlerBrowser(app)
	alice.Send("POST", "/login")
	thief := alice.Clone()
	fmt.Println(thief.Send("GET", "/").Body)
	alice.Send("POST", "/logout")
	fmt.Println(thief.Send("GET", "/").Body)
	fmt.Println(events.Kinds())
	// Output:
	// Hello "alice"
	// Hello ""
	// [login logout]
}
