package e2e_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
)

// G7: a link on another site brings our Lax cookie, and not a Strict one of another system
// whose logins are followed. Nothing ends by that, and what needs a login leads on from
// our own site, where both come or there is a logout.
func TestFollowedCookieIsWithheld(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteLaxMode}})
		adopt, err := s.m.Adopting(func(r *http.Request) (coatcheck.Adoption, error) {
			if _, err := r.Cookie("old"); err != nil {
				return coatcheck.Adoption{}, nil
			}
			return coatcheck.Adoption{Identity: "old", User: "alice", Until: time.Now().Add(time.Hour)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		application := s.application()
		follows := adopt(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := r.Cookie("old")
			if r.URL.Path == "/private" && s.m.From(r.Context()).User() != "" && err != nil {
				if err := s.m.MissAdopted(r.Context()); err != nil {
					t.Error(err)
				}
			}
			application.ServeHTTP(w, r)
		}))
		s.handler.Store(&follows)
		b := e.newTab(t)
		there := func(line string) { b.open(s.app + "/raw?line=" + url.QueryEscape(line)) }
		there("old=1; Path=/; Secure; SameSite=Strict")
		b.open(s.app + "/private")
		b.shows(s.app+"/private", "alice")
		for n := 1; n <= 2; n++ {
			b.open(s.page(s.evil, `<a id=go href="`+s.app+`/private">go</a>`))
			seen := len(s.seen("app.test", "/private"))
			b.click("#go")
			b.leadsOn("/private")
			v := s.await("/private", seen+1)[seen]
			if v.cookie(sidName) == "" || v.cookie("old") != "" || v.status != http.StatusConflict || s.live() != 1 {
				t.Errorf("round %d: the link brings %q and %q: %d, and %d sessions live", n, v.cookie(sidName), v.cookie("old"), v.status, s.live())
			}
			b.click("a")
			v = s.await("/private", seen+2)[seen+1]
			if n == 1 {
				if v.cookie("old") == "" || v.status != http.StatusOK || v.user != "alice" || s.live() != 1 {
					t.Errorf("what follows: %v, and %d sessions live", v, s.live())
				}
				there("old=; Path=/; Secure; Max-Age=0") // a logout over there
			} else if v.status == http.StatusOK || s.live() != 0 {
				t.Errorf("what follows a logout over there: %v, and %d sessions live", v, s.live())
			}
		}
	})
}
