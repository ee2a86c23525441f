package e2e_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/coatcheck/coatcheck"
)

// key presses keys, as a keyboard does.
func (p *playground) key(keys string) {
	p.t.Helper()
	p.does(chromedp.KeyEvent(keys))
}

func (p *playground) does(action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.cdp(), patience)
	defer cancel()
	if err := chromedp.Do(ctx, action); err != nil {
		p.t.Fatal(err)
	}
}

const (
	hasEnded = `!document.querySelector("#ended").hidden && document.querySelector("#ended").textContent.includes("has ended")`
	noCoat   = `document.querySelector("#coat").dataset.handle === ""`
)

func moments(kind string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#timeline b")].some(b => b.textContent === %q)`, kind)
}

// The timeline is live, follows a login, and ends with the logout.
func TestPageTimeline(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		p := play(t, coatcheckServe(t, e), e.newTab(t))
		p.press("POST /visits")
		p.until(moments("created"))
		p.press("POST /login")
		p.until(moments("login"))
		p.press("POST /logout")
		p.until(moments("logout"))
		p.until(`document.querySelector("#timeline li:last-child").matches(".over")`)
		p.until(noCoat)
		if got := eval[string](p.tab, `[...document.querySelectorAll("#timeline li:not(.over) b")].map(b => b.textContent).join(" ")`); got != "created login logout" {
			t.Errorf("the timeline tells of %q", got)
		}
		if !eval[bool](p.tab, `document.querySelector("#ended").hidden`) {
			t.Error("who pressed “Log out” is told twice that the session has ended")
		}
	})
}

// Two tabs of one browser have one session: what one does, the other shows.
func TestPageInTwoTabs(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		url := coatcheckServe(t, e)
		one := play(t, url, e.newTab(t))
		two := play(t, url, one.another())
		handle := func() string { return one.text("#coat code") }
		one.press("POST /login")
		two.press("GET /profile") // now it has the session, and listens
		if got := two.text("#body"); got != "User 123" {
			t.Fatalf("the other tab: %q", got)
		}
		two.until(moments("login"))
		one.press("POST /login") // a new ticket: the other tab's stream ends, and begins anew
		two.until(`document.querySelector("#coat").dataset.handle === ` + quote(handle()))
		if eval[bool](two.tab, hasEnded) {
			t.Error("after a login the other tab says that the session has ended")
		}
		one.press("POST /logout")
		two.until(hasEnded)
		two.until(noCoat)
		for name := range two.jar() {
			if !strings.HasSuffix(name, "-over") { // a tab that asked meanwhile was told
				t.Errorf("%s is left", name)
			}
		}
	})
}

// Ended from another browser, the page says so at that moment; nothing but a
// login goes on from there.
func TestPageRevokedFromAnotherBrowser(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		url := coatcheckServe(t, e)
		one, other := play(t, url, e.newTab(t)), play(t, url, e.newTab(t))
		one.press("POST /login")
		one.until(moments("login"))
		handle := one.text("#coat code")
		other.press("POST /login")
		stranger := play(t, url, e.newTab(t))
		stranger.fill("user", "456")
		stranger.press("POST /login")
		if got := stranger.text("#devices"); strings.Contains(got, handle) {
			t.Errorf("another user sees %s", handle)
		}
		status, body := other.clicked(fmt.Sprintf(`#devices li[data-key="device %s"] button`, handle))
		if status != "200 OK" || body != "Revoked" {
			t.Fatalf("End: %s %s", status, body)
		}
		one.until(hasEnded)
		one.until(moments("revoked"))
		one.until(noCoat)
		if got := one.text("#coat"); !strings.Contains(got, "No coat for that ticket.") {
			t.Errorf("the page shows %q", got)
		}
		// The page has been told, so the dead ticket is none.
		if status, _ := one.press("POST /visits"); status != "200 OK" {
			t.Errorf("a first write after the end: %s", status)
		}
		if status, _ := one.press("GET /profile"); status != "401 Unauthorized" {
			t.Errorf("a look with the dead ticket: %s", status)
		}
		one.press("POST /login")
		if !eval[bool](one.tab, `document.querySelector("#ended").hidden`) {
			t.Error("after the next login the page still says that the session has ended")
		}
		for _, p := range []*playground{other, stranger} {
			if eval[bool](p.tab, hasEnded+" || "+moments("revoked")) {
				t.Error("another session is told of an end that is not its own")
			}
		}
	})
}

// While the server is away the page says so, and when it is back everybody is
// still logged in and the timeline goes on.
func TestPageOverARestart(t *testing.T) {
	t.Parallel()
	e := chromiumEngine
	store := "sqlite:" + filepath.Join(t.TempDir(), "sessions.db")
	url, stop := runServe(t, "localhost:0", store)
	p := play(t, url, e.newTab(t))
	p.press("POST /login")
	p.press("POST /cart")
	p.streaming(1)
	stop()
	p.press("GET /cart")
	if said := p.text("#said"); !strings.Contains(said, "did not answer") {
		t.Errorf("without a server the page says %q", said)
	}
	_, stop = runServe(t, strings.TrimPrefix(url, "http://"), store)
	t.Cleanup(stop)
	if _, body := p.press("GET /profile"); body != "User 123" {
		t.Errorf("after the restart: %q", body)
	}
	if _, body := p.press("POST /cart"); body != `["tea","tea"]` {
		t.Errorf("the cart after the restart: %q", body)
	}
	p.streaming(2)
	p.press("POST /logout")
	p.until(moments("logout")) // told by the new server
}

// Without scripts a button shows the answer, and the page, on going back, what
// is held now.
func TestPageWithoutScripts(t *testing.T) {
	t.Parallel()
	e := chromiumEngine
	p := play(t, coatcheckServe(t, e), e.newTab(t))
	call(p.tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	p.open(p.url + "/")
	for route, body := range map[string]string{"GET /set-cookie": "Cookie set", "POST /cart": `["tea"]`, "POST /login": "Logged in"} {
		p.click(button(route))
		p.until("document.body.textContent === " + quote(body))
		// By its address and not with the button of the window: Chromium may
		// bring back the page as it was, which nothing then mends.
		p.open(p.url + "/")
		p.showsJar()
	}
	if got := p.text("#coat"); !strings.Contains(got, "123") || !strings.Contains(got, "tea") {
		t.Errorf("the page shows %q, want the user and the cart", got)
	}
	if got := p.text("noscript"); !strings.Contains(got, "Without scripts") {
		t.Errorf("who has no scripts is told %q", got)
	}
}

// Who comes by a link from another site is not shown as a stranger for long:
// the page asks again from its own origin, where the ticket comes along (G7).
func TestPageByLinkFromElsewhere(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		p := play(t, coatcheckServe(t, e), e.newTab(t))
		p.press("POST /login")
		handle := p.text("#coat code")
		elsewhere := serve(t, coatcheck.Config{})
		b := p.another()
		b.open(elsewhere.page(elsewhere.evil, `<a id=go href="`+p.url+`/">go</a>`))
		b.click("#go")
		b.until(`document.querySelector("#coat")?.dataset.handle === ` + quote(handle))
		if said := eval[string](b, `document.querySelector("#said").textContent`); !strings.Contains(said, "from another site") {
			t.Errorf("the page says %q, want why the ticket did not come", said)
		}
	})
}

// A browser that keeps no Secure cookie of http://localhost is not told that it
// has; the page says so, why, and what helps. With others nothing is said.
func TestPageWhereNoCookieIsKept(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		url, stop := runServe(t, "localhost:0", "memory:")
		t.Cleanup(stop)
		p := play(t, url, e.newTab(t))
		for _, route := range []string{"GET /set-cookie", "POST /login", "POST /visits", "POST /token"} {
			if status, _ := p.press(route); status != "200 OK" {
				t.Errorf("%s: %s", route, status)
			}
			said := p.text("#said")
			if e.localhost == (strings.Contains(said, "has not kept it") && strings.Contains(said, "coatcheck serve --tls")) {
				t.Errorf("%s: the page says %q", route, said)
			}
			if !e.localhost && (strings.Contains(said, "kept the note") || strings.Contains(said, "gave your browser")) {
				t.Errorf("%s: the page says %q, and nothing came back", route, said)
			}
		}
		if n := len(p.jar()); (n > 0) != e.localhost {
			t.Errorf("%d cookies in the jar", n)
		}
	})
}

// A tab that nobody looks at lets its stream go. Looked at again, after a logout
// elsewhere, it says that the session has ended; after a new login it does not.
func TestPageHiddenMeanwhile(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		url := coatcheckServe(t, e)
		one := play(t, url, e.newTab(t))
		two := play(t, url, one.another())
		hide := func(hidden string) {
			eval[bool](two.tab, "Object.defineProperty(document, 'hidden', {get: () => "+hidden+", configurable: true}), document.dispatchEvent(new Event('visibilitychange')), true")
		}
		one.press("POST /login")
		two.press("GET /profile") // now it has the session
		hide("true")
		one.press("POST /login")
		hide("false")
		two.until(`document.querySelector("#coat").dataset.handle === ` + quote(one.text("#coat code")))
		if eval[bool](two.tab, hasEnded) {
			t.Error("after a new login the page that was hidden says that the session has ended")
		}
		hide("true")
		one.press("POST /logout")
		hide("false")
		two.until(noCoat)
		two.until(hasEnded)
	})
}

// The policy holds: what somebody smuggles into the page does not run, and the
// test above would have seen the complaint.
func TestPagePolicyHolds(t *testing.T) {
	t.Parallel()
	e := chromiumEngine
	p := play(t, coatcheckServe(t, e), e.newTab(t))
	eval[bool](p.tab, `(() => {
		const s = document.createElement("script");
		s.textContent = "window.smuggled = true";
		document.body.append(s);
		document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.smuggled = true' style='color:red'>");
		return true;
	})()`)
	p.until("document.images.length === 1 && document.images[0].complete")
	if eval[bool](p.tab, "window.smuggled === true") {
		t.Error("a smuggled script ran")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.complains) < 2 {
		t.Errorf("the browser complained of %q, want the script and the style", p.complains)
	}
	p.complains = nil
}
