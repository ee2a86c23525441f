package coatcheck_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
)

// OnError sends people to the login, or to their password again, and from there
// back to where they were. It ends in AnswerError, which knows the rest: what is
// said to scripts, Retry-After, and the page for visitors from another site.
func ExampleConfig_onError() {
	sessions := newSessions(coatcheck.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
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

	b := newBrowser(sessions.Handler(mux))
	show := func(method, path string, headers ...string) {
		w := b.do(method, "https://app.example"+path, headers...)
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

// pageOf is a URL to return to: a POST has none, but the page with its form does.
func pageOf(r *http.Request) string {
	if r.Method == http.MethodGet {
		return r.URL.RequestURI()
	}
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host {
		return "/"
	}
	return coatcheck.SafeReturn(u.RequestURI())
}
