package cookie_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck/cookie"
)

// A program that can tell its own values, by a signature for instance, looks at
// all of the name.
func ExampleRaw_ReadAll() {
	c, err := cookie.NewRaw("ticket", cookie.Policy{})
	if err != nil {
		panic(err)
	}
	h := http.Header{"Cookie": {`ticket=theirs; other=x; ticket=ours; ticket="quoted"`}}
	_, err = c.Read(h)
	fmt.Println(err)
	values, err := c.ReadAll(h, 4)
	fmt.Println(values, err)
	_, err = c.ReadAll(h, 2)
	fmt.Println(err)
	// Output:
	// cookie: "ticket" refused: duplicate
	// [theirs ours] <nil>
	// cookie: "ticket" refused: duplicate
}
