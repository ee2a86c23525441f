package cookie_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck/cookie"
)

// What browsers would refuse or ignore is an error when the program starts.
func ExamplePolicy() {
	for _, c := range []cookie.Cookie[string]{
		cookie.New[string]("__Host-id", cookie.Policy{Domain: "example.com"}),
		cookie.New[string]("id", cookie.Policy{SameSite: http.SameSiteNoneMode, AllowInsecureHTTP: true}),
		cookie.New[string]("id", cookie.Policy{Path: "app"}),
		cookie.New[string]("id", cookie.Policy{SameSite: http.SameSiteLaxMode}),
	} {
		fmt.Println(c.Err())
	}
	// Output:
	// cookie: Policy.Domain is "example.com" with the name "__Host-id"; browsers want none with __Host-
	// cookie: Policy.SameSite of "id" is None with AllowInsecureHTTP; browsers want Secure with it
	// cookie: Policy.Path is "app"; want one that begins with /
	// <nil>
}
