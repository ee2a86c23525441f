package coatcheck_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// A page on which users see where they are logged in, and end what is not
// theirs: ASVS 7.5.2.
func ExampleManager_Sessions() {
	sessions := newSessions(coatcheck.Config{})
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

	phone, laptop := newBrowser(sessions.Handler(mux)), newBrowser(sessions.Handler(mux))
	phone.do("POST", "/login", "User-Agent", "Mozilla/5.0 (Android 16; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0")
	laptop.do("POST", "/login", "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	fmt.Print(phone.do("GET", "/devices").Body)

	list, _ := sessions.Sessions(context.Background(), "123")
	fmt.Print(phone.do("POST", "/end?handle="+list[0].Handle).Body)
	fmt.Println(laptop.do("GET", "/devices").Code)
	// Output:
	// Firefox on Linux false
	// Firefox on Android true
	// true <nil>
	// 401
}
