package coatcheck_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck"
)

// "Keep me logged in" on this device.
func ExampleSession_Remember() {
	b := newBrowser(newSessions(coatcheck.Config{}).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		s.Login("123")
		if r.FormValue("remember") == "on" {
			s.Remember(30 * 24 * time.Hour)
		}
	})))
	for _, url := range []string{"/login", "/login?remember=on"} {
		fmt.Println(time.Duration(b.do("POST", url).Result().Cookies()[0].MaxAge) * time.Second)
	}
	// Output:
	// 12h0m0s
	// 720h0m0s
}
