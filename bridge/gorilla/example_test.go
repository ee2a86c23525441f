package gorilla_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/gorilla"
)

// An application on gorilla/sessions and a Go program share their logins.
func Example() {
	old, err := gorilla.New(gorilla.Config{
		Keys:    []gorilla.KeyPair{{Hash: []byte("the key that NewCookieStore was given")}},
		Name:    "mysession",
		UserKey: "user",
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// After a login here, log in there too.
	w := httptest.NewRecorder()
	if err := old.Issue(w, httptest.NewRequest(http.MethodPost, "/login", nil), bridge.Session{User: "123"}); err != nil {
		fmt.Println(err)
		return
	}

	// Who is logged in there?
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	s, err := old.Read(r)
	fmt.Println(s.User, err)
	// Output: 123 <nil>
}
