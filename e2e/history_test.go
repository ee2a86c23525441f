package e2e_test

import (
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
)

// comesBack goes to a page, on to another, and back, and reports what is shown
// and whether the browser had kept the page as it stood.
func (b *tab) comesBack(s *site, path string, meanwhile func()) (html string, restored bool) {
	b.t.Helper()
	b.open(s.app + path)
	eval[bool](b, "window.kept = true")
	b.open(s.app + "/blank?menu")
	meanwhile()
	eval[bool](b, "setTimeout(() => history.back()), true")
	b.until("location.pathname == '" + path + "' && document.readyState == 'complete'")
	return eval[string](b, "document.documentElement.outerHTML"), eval[bool](b, "window.kept === true")
}

// G12, and the back/forward cache: a page that looks at no session comes back as
// it stood, which shows that this browser has such a cache. One of a session
// does so only while nothing has changed, and after a logout never: nor by
// going forward.
func TestBackForwardCache(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		b.open(s.app + "/blank?control") // a document that can be kept
		_, restored := b.comesBack(s, "/static", func() {})
		e.saw(t, "a page that looks at no session, on Back", shownAgain(restored))
		if !restored {
			t.Skip("this browser keeps no pages: nothing to show")
		}
		b.login(s)
		html, restored := b.comesBack(s, "/private", func() {})
		e.saw(t, "a page of a session, on Back while logged in", shownAgain(restored))
		if !strings.Contains(html, "alice") {
			t.Errorf("back while logged in shows %.300q", html)
		}
		html, restored = b.comesBack(s, "/private", func() { b.fetched("POST", s.app+"/logout") })
		if restored || strings.Contains(html, "alice") {
			t.Errorf("back after logout: kept %t, shows %.300q", restored, html)
		}

		b.login(s)
		b.open(s.app + "/blank?first")
		b.open(s.app + "/private")
		b.shows(s.app+"/private", "alice")
		eval[bool](b, "setTimeout(() => history.back()), true")
		b.until("location.search == '?first' && document.readyState == 'complete'")
		b.fetched("POST", s.app+"/logout")
		eval[bool](b, "setTimeout(() => history.forward()), true")
		b.until("location.pathname == '/private' && document.readyState == 'complete'")
		if html := eval[string](b, "document.documentElement.outerHTML"); strings.Contains(html, "alice") {
			t.Errorf("forward after logout shows %.300q", html)
		}
	})
}

// G3, off: an application that binds who it is by Set has kept the token that
// somebody planted, and the copy opens what the victim became.
func TestTipFixationOff(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		_, _, attacker := s.copycat("/set", nil)
		b := e.newTab(t)
		b.plant(s, sidName, attacker[sidName])
		b.open(s.app + "/become")
		thief := e.newTab(t)
		thief.plant(s, sidName, attacker[sidName])
		thief.open(s.app + "/look")
		if got := eval[string](thief, "document.querySelector('#app').dataset.role"); got != "admin" {
			t.Errorf("the attacker's role is %q, want admin: what the guide warns of is no longer so", got)
		}
	})
}
