package cookie_test

import (
	"crypto/rand"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

// Rotating a secret: the new one stands in front, the old one behind it. Values
// made under the old one stay good, and Refresh moves them to the new one.
func ExampleCookie_Refresh() {
	oldSecret, newSecret := rand.Text()+rand.Text(), rand.Text()+rand.Text()
	declare := func(secrets ...string) cookie.Cookie[int] {
		keys, err := cookie.NewKeys(secrets...)
		if err != nil {
			fmt.Println(err)
		}
		return cookie.NewSigned[int]("visits", keys, cookie.Policy{MaxAge: time.Hour})
	}

	w := httptest.NewRecorder()
	fmt.Println("set:", declare(oldSecret).Set(w, 7))
	r := httptest.NewRequest("GET", "/visitor", nil)
	r.AddCookie(w.Result().Cookies()[0])

	w = httptest.NewRecorder()
	n, err := declare(newSecret, oldSecret).Refresh(w, r)
	fmt.Println("both:", n, err)

	r = httptest.NewRequest("GET", "/visitor", nil)
	r.AddCookie(w.Result().Cookies()[0])
	n, err = declare(newSecret).Get(r)
	fmt.Println("the new one alone:", n, err)
	// Output:
	// set: <nil>
	// both: 7 <nil>
	// the new one alone: 7 <nil>
}
