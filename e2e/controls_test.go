package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/network"
)

// walk goes through what seed and page say, as a person does, and calls each
// after every step. It returns the routes that were pressed.
func (p *playground) walk(each func(route string)) (pressed map[string]bool) {
	p.t.Helper()
	pressed = make(map[string]bool)
	step := func(route, status, body, says string) {
		p.t.Helper()
		pressed[route] = true
		gotStatus, gotBody := p.press(route)
		gotStatus, _, _ = strings.Cut(gotStatus, " ") // HTTP/2 has no words behind it
		if want, _, _ := strings.Cut(status, " "); gotStatus != want || body != "*" && gotBody != body {
			p.t.Errorf("%s: the page shows %q %q, want %q %q", route, gotStatus, gotBody, status, body)
		}
		if said := p.text("#said"); !strings.Contains(said, says) {
			p.t.Errorf("%s: the page says %q, want something of %q", route, said, says)
		}
		if asked := p.text("#lines .out b"); asked != route {
			p.t.Errorf("%s: the page draws %q", route, asked)
		}
		each(route)
	}
	step("GET /get-cookie", "200 OK", "Username: None", "does not know a name")
	step("GET /set-cookie", "200 OK", "Cookie set", "Now press “Read the cookie”")
	step("GET /get-cookie", "200 OK", "Username: alice", "read your name from it")
	step("GET /profile", "401 Unauthorized", "Not logged in", "Log in first")
	step("POST /visits", "200 OK", "Visit 1", "You were a stranger")
	step("POST /visits", "200 OK", "Visit 2", "counted one more")
	step("POST /cart", "200 OK", `["tea"]`, "no item is lost")
	p.fill("item", "green & <b>tea")
	step("POST /cart", "200 OK", `["tea","green \u0026 \u003cb\u003etea"]`, "no item is lost")
	step("GET /cart", "200 OK", "*", "looked into the cart")
	step("POST /dashboard", "200 OK", "Widget: clock", "pocket")
	step("GET /dashboard", "200 OK", "Widget: clock", "looked into your coat")
	was := p.jar()[sidName].Value
	step("POST /login", "200 OK", "Logged in", "exchanged for a new one")
	if now := p.jar()[sidName].Value; now == was || now == "" {
		p.t.Error("the ticket is the same after the login")
	}
	step("GET /profile", "200 OK", "User 123", "your name is on it")
	step("GET /sessions", "200 OK", "*", "all your sessions")
	step("POST /sessions/label", "200 OK", "Label: kitchen tablet", "label of your coat")
	step("POST /sessions/revoke", "400 Bad Request", "*", "could not use")
	p.fill("handle", "AAAAAAAAAAAA")
	step("POST /sessions/revoke", "404 Not Found", "No such session", "no session with that handle")
	step("POST /sessions/revoke-others", "200 OK", "Revoked 0", "Only this one goes on")
	step("GET /preferences", "200 OK", "Theme: default", "")
	step("POST /preferences", "200 OK", "Theme: dark", "signed the note")
	step("GET /preferences", "200 OK", "Theme: dark", "checked the signature")
	step("GET /visitor", "200 OK", "Welcome, new visitor", "added one")
	step("GET /visitor", "200 OK", "Welcome back, visit 2", "added one")
	step("GET /token", "401 Unauthorized", "Token missing or expired", "no pass")
	step("POST /token", "200 OK", "Token issued", "In one minute it is gone")
	step("GET /token", "200 OK", "Token valid", "still good")
	step("POST /one-time", "200 OK", "*", "Use the code")
	if code := p.text("#body"); eval[string](p.tab, "document.querySelector('[name=code]').value") != code || len(code) != 26 {
		p.t.Errorf("the code %q is not in its field", code)
	}
	step("POST /one-time/redeem", "200 OK", "Accepted", "now it is gone")
	step("POST /one-time/redeem", "403 Forbidden", "Refused", "works once")
	step("POST /logout", "200 OK", "Logged out", "gone for good")
	step("GET /login", "200 OK", "Logged in", "knows who you are")
	step("GET /logout", "200 OK", "Logged out", "a button only")
	return pressed
}

// Every button does what seed and page say, shows the lines that travelled, and
// tells no script a cookie that is HttpOnly.
func TestPageEveryButton(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		p := play(t, coatcheckServe(t, e), e.newTab(t))
		p.size(1440, 900, "light")
		secrets := make(map[string]string) // value to name, of all cookies there ever were
		pressed := p.walk(func(route string) {
			p.showsJar()
			for name, c := range p.jar() {
				if len(c.Value) > 16 {
					secrets[c.Value] = name
				}
			}
			all := eval[string](p.tab, "document.documentElement.outerHTML + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie")
			for value, name := range secrets {
				for i := 6; i+8 <= len(value); i++ {
					if strings.Contains(all, value[i:i+8]) {
						t.Fatalf("%s: a script of the page can read a part of %s", route, name)
					}
				}
			}
		})
		if len(secrets) < 7 {
			t.Errorf("%d cookies that scripts must not read, want more", len(secrets))
		}
		for _, route := range eval[[]string](p.tab, "[...document.querySelectorAll('#steps form')].map(f => f.method.toUpperCase() + ' ' + new URL(f.action).pathname)") {
			if !pressed[route] {
				t.Errorf("nobody pressed the button for %s", route)
			}
		}
	})
}

// showsJar compares what the page shows with what the browser really holds.
func (p *playground) showsJar() {
	p.t.Helper()
	jar := p.jar()
	shown := eval[map[string]string](p.tab, "Object.fromEntries([...document.querySelectorAll('#jar .ticket[data-key]')].map(e => [e.dataset.key, e.textContent]))")
	if len(shown) != len(jar) {
		p.t.Errorf("the page shows %d cookies, the browser holds %d", len(shown), len(jar))
	}
	for name, c := range jar {
		text := shown[name]
		wants := []string{"Path=/", "SameSite=" + string(c.SameSite), "Max-Age="}
		if c.HTTPOnly {
			wants = append(wants, "HttpOnly")
		}
		if c.Secure {
			wants = append(wants, "Secure")
		}
		if text == "" {
			p.t.Errorf("the page does not show %s", name)
		}
		for _, want := range wants {
			if !strings.Contains(text, want) {
				p.t.Errorf("of %s the page does not show %s", name, want)
			}
		}
	}
}

// Whoever has only a keyboard gets everywhere and sees where they are.
func TestPageByKeyboard(t *testing.T) {
	t.Parallel()
	e := chromiumEngine
	p := play(t, coatcheckServe(t, e), e.newTab(t))
	p.size(1440, 900, "light")
	const focused = `(e => e.matches("section") && e.id || e.matches("summary") && e.firstChild.data || e.getAttribute("aria-label") || e.textContent.trim() || e.name)(document.activeElement)`
	tabTo := func(what string) {
		t.Helper()
		for range 100 {
			p.key("\t")
			if got := eval[string](p.tab, focused); got == what {
				if !eval[bool](p.tab, "getComputedStyle(document.activeElement).outlineStyle != 'none' && document.activeElement.matches(':focus-visible')") {
					t.Errorf("nobody sees that %q has the focus", what)
				}
				if !eval[bool](p.tab, `(r => document.activeElement.contains(document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2)))(document.activeElement.getBoundingClientRect())`) {
					t.Errorf("%q has the focus and is covered", what)
				}
				return
			}
		}
		t.Fatalf("the tab key does not lead to %q", what)
	}
	tabTo("Skip to the steps")
	p.key("\r")
	tabTo("Set a cookie")
	p.key("\r")
	if _, body := p.answered(); body != "Cookie set" {
		t.Errorf("Enter on the first button: %q", body)
	}
	if got := eval[string](p.tab, focused); got != "Set a cookie" {
		t.Errorf("after the answer the focus is on %q, want it to stay", got)
	}
	tabTo("Read the cookie")
	p.key(" ")
	if _, body := p.answered(); body != "Username: alice" {
		t.Errorf("the space bar on the second button: %q", body)
	}
	tabTo("user")
	p.key("456\r") // the field's text is selected
	if _, body := p.answered(); body != "Logged in" || p.text("#coat .user") != "456" {
		t.Errorf("a login by keyboard: %q as %q", body, p.text("#coat .user"))
	}
	tabTo("browser") // a side that scrolls
	tabTo("Its 6 rules")
	p.key("\r")
	p.until("document.querySelector('#jar details').open")
	handle := p.text("#coat code")
	tabTo("End Chrome on Linux, " + handle + ", this browser")
	p.key("\r")
	if _, body := p.answered(); body != "Revoked" {
		t.Errorf("End by keyboard: %q", body)
	}
	if got := eval[string](p.tab, "document.activeElement.id"); got != "server" {
		t.Errorf("the focus was on a button that is gone; now it is on %q, want the part that it was in", got)
	}
}

// Every control has a name, and the parts of the page are landmarks, for who
// hears the page instead of seeing it.
func TestPageAccessibilityTree(t *testing.T) {
	t.Parallel()
	e := chromiumEngine
	p := play(t, coatcheckServe(t, e), e.newTab(t))
	for _, route := range []string{"", "GET /set-cookie", "POST /login", "POST /one-time", "POST /logout"} {
		if route != "" {
			p.press(route)
		}
		seen := make(map[string]int)
		for _, n := range call(p.tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
			if n.Ignored {
				continue
			}
			role, name := axText(n.Role), axText(n.Name)
			seen[role]++
			seen[role+" "+name]++
			switch role {
			case "button", "link", "textbox", "DisclosureTriangle", "region", "navigation", "status", "heading":
				if name == "" {
					t.Errorf("after %q a %s has no name", route, role)
				}
			}
		}
		for _, want := range []string{"main", "banner", "contentinfo", "region Your browser", "region The server",
			"region The last request", "region Eight small steps", "status What just happened", "heading Cookies and sessions, to play with"} {
			if seen[want] != 1 {
				t.Errorf("after %q: %d of %q, want one", route, seen[want], want)
			}
		}
		if seen["button"] < 22 || seen["textbox"] != 7 {
			t.Errorf("after %q: %d buttons and %d fields, want 22 or more and 7", route, seen["button"], seen["textbox"])
		}
	}
	same := eval[[]string](p.tab, "[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i)")
	if len(same) > 0 {
		t.Errorf("ids that are there twice: %v", same)
	}
	if levels := eval[string](p.tab, "[...document.querySelectorAll('h1,h2,h3,h4')].map(h => h.tagName[1]).join('')"); strings.Count(levels, "1") != 1 || strings.Contains(levels, "13") {
		t.Errorf("the headings have the levels %s", levels)
	}
}

func axText(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	return strings.Trim(string(v.Value), `"`)
}

// contrasts returns the texts whose contrast is below 4.5, WCAG 2.2 §1.4.3, as
// the browser has computed their colours. A canvas makes numbers of any colour.
const contrasts = `(() => {
  const c = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const over = (below, color) => {
    c.fillStyle = "rgb(" + below + ")"; c.fillRect(0, 0, 1, 1);
    c.fillStyle = color; c.fillRect(0, 0, 1, 1);
    return [...c.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = rgb => rgb.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const behind = e => over(e ? behind(e.parentElement) : [255, 255, 255], e ? getComputedStyle(e).backgroundColor : "transparent");
  const bad = [], seen = {};
  let n = 0;
  for (const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); walk.nextNode();) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e.checkVisibility() || e.closest("svg, script, template")) continue;
    n++;
    const back = behind(e), s = getComputedStyle(e);
    let front = over(back, s.color);
    for (let p = e, o = 1; p; p = p.parentElement) {
      o = +getComputedStyle(p).opacity;
      front = front.map((v, i) => v * o + back[i] * (1 - o));
    }
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) bad.push(ratio.toFixed(2) + " " + walk.currentNode.data.trim().slice(0, 40));
  }
  return n < 60 ? ["only " + n + " texts"] : bad;
})()`

// In every window, light and dark, there is nothing to scroll sideways and
// nothing too pale to read, also with the longest values.
func TestPageInEveryWindow(t *testing.T) {
	t.Parallel()
	e := chromiumEngine
	p := play(t, coatcheckServe(t, e), e.newTab(t))
	p.size(1440, 900, "light")
	check := func(state string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{320, 360, 600, 768, 1024, 1119, 1120, 1440, 2200} {
				p.size(width, 800, scheme)
				if too := eval[string](p.tab, `(d => d.scrollWidth > d.clientWidth ? d.scrollWidth + " wide: " + [...document.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > d.clientWidth + 1).map(e => e.tagName + "." + e.className + "#" + e.id).slice(0, 5) : "")(document.scrollingElement)`); too != "" {
					t.Errorf("%s, %d pixels: %s", state, width, too)
				}
			}
			if pale := eval[[]string](p.tab, contrasts); len(pale) > 0 {
				t.Errorf("%s, %s: too little contrast: %q", state, scheme, pale)
			}
		}
		p.size(1440, 900, "light")
	}
	check("first visit")
	p.press("GET /set-cookie")
	check("a cookie")
	for name, value := range map[string]string{"item": strings.Repeat("W", 100), "widget": strings.Repeat("w", 32), "user": strings.Repeat("W", 255), "theme": strings.Repeat("W", 32)} {
		p.fill(name, value)
	}
	for _, route := range []string{"POST /login", "POST /cart", "POST /dashboard", "POST /preferences", "POST /token", "POST /one-time", "GET /visitor"} {
		if status, body := p.press(route); status != "200 OK" {
			t.Fatalf("%s: %s %s", route, status, body)
		}
	}
	call(p.tab, network.SetCookie, network.SetCookieParams{URL: p.url, Name: strings.Repeat("n", 300), Value: "x"})
	eval[bool](p.tab, "document.querySelectorAll('details').forEach(d => d.open = true), true")
	p.press("GET /sessions")
	check("all there is")
	p.press("POST /logout")
	check("after the logout")
}
