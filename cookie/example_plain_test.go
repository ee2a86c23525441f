package cookie_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

var userName = cookie.New[string]("username", cookie.Policy{MaxAge: time.Hour})

func setName(w http.ResponseWriter, r *http.Request) {
	if err := userName.Set(w, "alice"); err != nil {
		http.Error(w, "No cookie today", http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, "Cookie set")
}

func showName(w http.ResponseWriter, r *http.Request) {
	name, err := userName.Get(r)
	if errors.Is(err, cookie.ErrAbsent) {
		name = "None"
	}
	fmt.Fprint(w, "Username: ", name)
}

// A plain cookie: set on one request, read on the next.
func ExampleNew() {
	w := httptest.NewRecorder()
	setName(w, httptest.NewRequest("GET", "/set-cookie", nil))
	line, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), "; Expires=") // Max-Age as a date
	fmt.Println(line)

	r := httptest.NewRequest("GET", "/get-cookie", nil)
	r.AddCookie(w.Result().Cookies()[0])
	w = httptest.NewRecorder()
	showName(w, r)
	fmt.Println(w.Body)
	// Output:
	// username=alice; Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Strict
	// Username: alice
}
