package coatcheck_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// With Config.MaxPerUser and Refuse somebody who lost a device, or only a browser's
// cookies, cannot log in until the sessions there run out. The way out, after the
// password was right: list them, and end them if asked to.
func ExampleManager_RevokeAll_tooMany() {
	sessions := newSessions(coatcheck.Config{MaxPerUser: 1, AtLimit: coatcheck.Refuse})
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
	lost, here := newBrowser(handler), newBrowser(handler)
	fmt.Println(lost.do("POST", "/login").Body)
	fmt.Println(here.do("POST", "/login").Body)
	fmt.Println(here.do("POST", "/login?others=end").Body)
	fmt.Println(lost.do("GET", "/me").Body, here.do("GET", "/me").Body)
	// Output:
	// Logged in.
	// Logged in on 1 other device. End that session and log in?
	// Logged in.
	// user "" user "123"
}
