package express_test

import (
	"errors"
	"fmt"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/express"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
)

// Reading who is logged in at an Express application with cookie-session and passport.
func Example() {
	old, err := express.NewCookie(express.CookieConfig{Keys: []string{"k1"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := foreigntest.Request("session", "eyJwYXNzcG9ydCI6eyJ1c2VyIjoiMTIzIn19", "session.sig", "TUlOT1RHRU5VSU5FQVRBTEwxMjM")
	s, err := old.Read(r)
	switch {
	case errors.Is(err, bridge.ErrAbsent):
		fmt.Println("nobody")
	case errors.Is(err, bridge.ErrForged):
		fmt.Println("forged, or another key:", err)
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(s.User)
	}
	// Output: forged, or another key: bridge: express.CookieConfig.Keys does not match the session
}
