package coatcheck_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// An OpenID provider names each of its logins by a sid, and days later ends what
// began with it (back-channel logout), whatever its token is by then.
func ExampleManager_RevokeLabel() {
	sessions := newSessions(coatcheck.Config{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /callback", func(_ http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		s.Login("123")                         // claims.Subject
		s.SetLabel("oidc", r.FormValue("sid")) // claims.SID
		s.SetLabel("device", "kitchen tablet") // or what the user calls it
	})
	mux.HandleFunc("POST /renew", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Renew() })
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %q\n", coatcheck.From(r.Context()).User())
	})

	b := newBrowser(sessions.Handler(mux))
	b.do("POST", "/callback?sid=e3b0c442")
	b.do("POST", "/renew")

	list, _ := sessions.Sessions(context.Background(), "123")
	fmt.Println(list[0].Labels["device"])

	// From the logout token, once it is verified.
	n, err := sessions.RevokeLabel(context.Background(), "123", "oidc", "e3b0c442")
	fmt.Println(n, err)
	fmt.Print(b.do("GET", "/").Body)
	// Output:
	// kitchen tablet
	// 1 <nil>
	// user ""
}
