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
		switch r.FormValue("remember") {
		case "on":
			s.Remember(14 * 24 * time.Hour) // from now on
		case "while-used":
			s.RememberSliding(14 * 24 * time.Hour) // as long as they come every two weeks, up to Config.MaxRemember
		}
	})))
	for _, url := range []string{"/login", "/login?remember=on", "/login?remember=while-used"} {
		fmt.Println(time.Duration(b.do("POST", url).Result().Cookies()[0].MaxAge) * time.Second)
	}
	// Output:
	// 12h0m0s
	// 336h0m0s
	// 720h0m0s
}
