package cookie_test

import (
	"crypto/rand"
	"fmt"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

// A sealed cookie can be neither read nor changed, and dies by itself. The
// __Host- prefix keeps other hosts of the domain from setting one.
func ExampleNewSealed() {
	type token struct {
		Account int
		Scope   string
	}
	keys, err := cookie.NewKeys(rand.Text() + rand.Text())
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens := cookie.NewSealed[token]("__Host-token", keys, cookie.Policy{MaxAge: time.Minute})

	w := httptest.NewRecorder()
	fmt.Println("set:", tokens.Set(w, token{42, "upload"}))
	c := w.Result().Cookies()[0]
	fmt.Println("readable:", strings.Contains(c.Value, "upload"))

	r := httptest.NewRequest("GET", "/token", nil)
	r.AddCookie(c)
	v, err := tokens.Get(r)
	fmt.Println(v.Account, v.Scope, err)
	// Output:
	// set: <nil>
	// readable: false
	// 42 upload <nil>
}
