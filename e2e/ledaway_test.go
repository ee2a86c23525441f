package e2e_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/coatcheck/coatcheck"
)

// G7: where our own page leads away and a redirect leads back, Chromium says
// cross-site and brings the Strict cookie: it is ours, and counts. Where it is
// withheld nothing is overwritten.
func TestOurPageLeadsAwayAndBack(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		b.login(s)
		before := b.cookies(s.app)
		b.open(s.app + "/look?html=" + url.QueryEscape(`<a id=go href="`+redirect(s.evil, s.app+"/count")+`">go</a>`))
		b.click("#go")
		v := s.await("/count", 1)[0]
		t.Logf("%s: %s", e.name, says(v))
		if site := v.header.Get("Sec-Fetch-Site"); site != "cross-site" {
			t.Errorf("the browser says %q", site)
		}
		if v.cookie(sidName) == "" {
			b.leadsOn("/count")
			same(t, before, b.cookies(s.app))
			b.click("a")
		} else if v.status != http.StatusOK || v.user != "alice" {
			t.Errorf("got %v, want alice: the cookie is ours", v)
		}
		b.shows(s.app+"/count", "alice")
	})
}

// G7: a cookie of our name that a sibling host plants comes where the Strict one
// is withheld: it changes nothing, and the page leads on.
func TestPlantedBesideAWithheldOne(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		const name = "sid9" // no prefix keeps a sibling from planting it
		s := serve(t, coatcheck.Config{Name: name})
		b := e.newTab(t)
		b.login(s)
		b.open(s.page(s.sub, `<script>document.cookie = "`+name+`=planted; Domain=app.test; Path=/; Secure; SameSite=Lax"</script>`))
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "alice")
		for _, path := range []string{"/count", "/logout"} {
			b.open(s.page(s.evil, `<a id=go href="`+s.app+path+`">go</a>`))
			n := len(s.seen("app.test", path))
			b.click("#go")
			b.leadsOn(path)
			if v := s.await(path, n+1)[n]; v.cookie(name) != "planted" || v.status != http.StatusConflict || len(v.sets) > 0 {
				t.Errorf("got %v with %q, want the planted cookie alone, and 409 without cookies", v, v.sets)
			}
		}
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "alice")
	})
}
