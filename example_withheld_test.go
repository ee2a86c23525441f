package coatcheck_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// On the way back from an OpenID provider the browser keeps the session cookie to
// itself. That the state is not there says nothing, until the visitor has followed
// the link to the same page. Config.Landing spares them that.
func ExampleSession_Withheld() {
	state := coatcheck.NewKey[string]("state")
	sessions := newSessions(coatcheck.Config{})
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

	b := newBrowser(sessions.Handler(mux))
	b.do("POST", "/login")
	withheld := newBrowser(b.h)
	withheld.jar["__Host-Http-sid-lax"] = b.jar["__Host-Http-sid-lax"] // all that a browser sends from there
	from := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	fmt.Println(withheld.do("GET", "/callback?state=4711", from...).Code)
	fmt.Println(newBrowser(b.h).do("GET", "/callback?state=4711", from...).Body)
	fmt.Println(b.do("GET", "/callback?state=4711").Body)
	// Output:
	// 409
	// Not begun in this browser
	//
	// Logged in
}
