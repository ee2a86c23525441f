package cookie_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

// A Raw is for values that are protected in a way of their own.
func ExampleRaw() {
	c, err := cookie.NewRaw("__Host-ticket", cookie.Policy{})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := http.Header{}
	fmt.Println(c.Write(h, "no spaces", time.Minute))
	fmt.Println(c.Write(h, "AbC-123", time.Minute))
	line, _, _ := strings.Cut(h.Get("Set-Cookie"), "; Expires=") // Max-Age as a date
	fmt.Println(line)

	value, err := c.Read(http.Header{"Cookie": {"theme=dark; __Host-ticket=AbC-123"}})
	fmt.Println(value, err)
	// Output:
	// cookie: the value of "__Host-ticket" has at byte 2 what no cookie can carry; want printable ASCII without space and ",;\
	// <nil>
	// __Host-ticket=AbC-123; Max-Age=60; Path=/; Secure; HttpOnly; SameSite=Strict
	// AbC-123 <nil>
}
