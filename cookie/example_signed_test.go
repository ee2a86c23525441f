package cookie_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

// A signed cookie can be read by the browser's owner, not changed. A program
// takes its keys from KeysFromEnv.
func ExampleNewSigned() {
	keys, err := cookie.NewKeys(rand.Text() + rand.Text())
	if err != nil {
		fmt.Println(err)
		return
	}
	theme := cookie.NewSigned[string]("theme", keys, cookie.Policy{MaxAge: 365 * 24 * time.Hour})

	w := httptest.NewRecorder()
	fmt.Println("set:", theme.Set(w, "dark"))
	c := w.Result().Cookies()[0]

	r := httptest.NewRequest("GET", "/preferences", nil)
	r.AddCookie(c)
	value, err := theme.Get(r)
	fmt.Println("as it came:", value, err)

	r.Header.Del("Cookie")
	r.AddCookie(&http.Cookie{Name: "theme", Value: "B" + c.Value[1:]})
	_, err = theme.Get(r)
	fmt.Println("changed by hand:", errors.Is(err, cookie.ErrForged))
	// Output:
	// set: <nil>
	// as it came: dark <nil>
	// changed by hand: true
}
