package promises_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// G7: a payment provider, or a bank for 3-D Secure, sends the customer back by a
// cross-site POST. The path that the application lets through serves it without the
// session, which cannot be changed there; the page that it leads to is a landing,
// where it is the customer again. The guide shows it.
func TestPaymentReturn(t *testing.T) {
	t.Parallel()
	through := http.NewCrossOriginProtection()
	through.AddInsecureBypassPattern("POST /payment/return")
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{
		CrossOrigin: through,
		Landing:     func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/orders/") },
	})
	b := newBrowser(m.Handler(paths{
		"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login("ann") },
		"/payment/return": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "keep" {
				s.Flash("Thank you.")
			}
			http.Redirect(w, r, "/orders/7", http.StatusSeeOther)
		},
		"/orders/7": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, s.User()) },
		"/other":    func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {},
	}))
	wants(t, b.Send("POST", "/login"), 200, "")
	strict := b.Cookies()[sidName]
	b.SetCookie(sidName, "") // the browser keeps it back
	bank := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Origin", "https://bank.example"}
	wants(t, b.Send("POST", "/other", bank...), 403, "")
	wants(t, b.Send("POST", "/payment/return?keep", bank...), 409, "")
	wants(t, b.Send("POST", "/payment/return", bank...), 303, "")
	w := b.Send("GET", "/orders/7", bank[:6]...)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "/orders/7?coatcheck-landing") {
		t.Errorf("the landing is %d %q", w.Code, w.Body)
	}
	b.SetCookie(sidName, strict) // from our own page it comes
	own := []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	wants(t, b.Send("GET", "/orders/7?coatcheck-landing", own...), 303, "")
	wants(t, b.Send("GET", "/orders/7", own...), 200, "ann")
}
