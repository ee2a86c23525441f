package e2e_test

import (
	"strings"
	"testing"
)

// The pictures of the page: in e2e/screenshots, or with -update those that the
// README shows.
func TestPictures(t *testing.T) {
	t.Parallel()
	e := chromiumEngine
	url := coatcheckServe(t, e)
	for _, window := range []struct {
		name          string
		width, height int64
		shown         string // the states that the README shows
	}{{"wide", 1280, 820, "first login"}, {"middle", 900, 1000, ""}, {"narrow", 360, 780, ""}} {
		for _, scheme := range []string{"light", "dark"} {
			p := play(t, url, e.newTab(t))
			p.size(window.width, window.height, scheme)
			shot := func(state string) {
				t.Helper()
				p.shot(window.name+"-"+state+"-"+scheme, strings.Contains(window.shown, state))
			}
			shot("first")
			p.press("GET /set-cookie")
			shot("cookie")
			p.press("POST /visits")
			p.press("POST /cart")
			shot("cart")
			p.press("POST /login")
			p.until(moments("login"))
			shot("login")
			p.press("POST /token")
			p.press("POST /one-time")
			shot("code")
			p.press("POST /logout")
			p.until(moments("logout"))
			shot("logout")
		}
	}
}
