package e2e_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
)

// landing lets visitors from other sites into the pages below /in/.
var landing = coatcheck.Config{Landing: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/in/") }}

// A way is one on which a page of another site leads to url; it returns the tab
// that arrives. lost says that a #fragment does not.
type way struct {
	name string
	lost bool
	go_  func(s *site, b *tab, url string) *tab
}

var ways = []way{
	{"link", false, func(s *site, b *tab, url string) *tab {
		b.open(s.page(s.evil, `<a id=go href="`+url+`">go</a>`))
		b.click("#go")
		return b
	}},
	{"link in a new tab", false, func(s *site, b *tab, url string) *tab {
		b.open(s.page(s.evil, `<a id=go target=_blank rel=noopener href="`+url+`">go</a>`))
		return b.opened(func() { b.click("#go") })
	}},
	{"window.open", false, func(s *site, b *tab, url string) *tab {
		b.open(s.page(s.evil, `<button id=go onclick="window.open('`+url+`')">go</button>`))
		return b.opened(func() { b.click("#go") })
	}},
	{"location.replace", false, func(s *site, b *tab, url string) *tab {
		b.open(s.page(s.evil, ""))
		eval[bool](b, "location.replace("+quote(url)+"), true")
		return b
	}},
	{"GET form", false, func(s *site, b *tab, url string) *tab {
		b.open(s.page(s.evil, `<form id=go action="`+url+`"><input type=hidden name=a value=b></form>`))
		eval[bool](b, "document.querySelector('#go').submit(), true")
		return b
	}},
	{"redirects", false, func(s *site, b *tab, url string) *tab {
		b.open(s.page(s.evil, `<a id=go href="`+redirect(s.evil, redirect(s.sub, redirect(s.evil, url)))+`">go</a>`))
		b.click("#go")
		return b
	}},
	{"meta refresh", false, func(s *site, b *tab, url string) *tab {
		b.open(s.page(s.evil, ""))
		eval[bool](b, `document.head.innerHTML = '<meta http-equiv=refresh content="0;url=`+url+`">', true`)
		return b
	}},
	{"full Referer", false, func(s *site, b *tab, url string) *tab {
		b.open(s.page(s.evil, `<a id=go referrerpolicy=unsafe-url href="`+url+`">go</a>`))
		b.click("#go")
		return b
	}},
	{"scripts off", true, func(s *site, b *tab, url string) *tab {
		b.open(s.page(s.evil, `<a id=go href="`+url+`">go</a>`))
		b.scripts(false)
		b.click("#go")
		return b
	}},
}

// ways are those that a browser can be led on. To switch scripts off in a tab is
// Chromium's alone; for the others there is TestWithoutScripts.
func (e *engine) ways() []way {
	list := slices.Clone(ways)
	if e != chromiumEngine {
		list = slices.DeleteFunc(list, func(w way) bool { return w.name == "scripts off" })
	}
	return list
}

func redirect(origin, to string) string {
	return origin + "/redirect?to=" + strings.NewReplacer("%", "%25", "&", "%26", "#", "%23", "?", "%3F", "=", "%3D").Replace(to)
}

// states are what a browser may have when its user comes from another site.
var states = []struct {
	name     string
	requests int    // for a page with landing
	user     string // who is shown in the end
	prepare  func(s *site, b *tab)
}{
	{"logged in", 3, "alice", func(s *site, b *tab) { b.login(s) }},
	{"ended by the server", 3, "", func(s *site, b *tab) {
		b.login(s)
		if n, err := s.m.RevokeAll(context.Background(), "alice"); n == 0 || err != nil {
			b.t.Fatalf("RevokeAll: %d, %v", n, err)
		}
	}},
	{"session cookie evicted, marker left", 3, "", func(s *site, b *tab) { b.login(s); b.drop(s.app, sidName) }},
	{"marker evicted, session cookie left", 1, "", func(s *site, b *tab) { b.login(s); b.drop(s.app, markName) }},
	{"first visit ever", 1, "", func(*site, *tab) {}},
}

// G7: a held-back top-level GET navigation with the marker is answered, before
// the handler, by a tiny page that leads on from our own origin.
// No loop under any combination. And a first visit meets no such page.
func TestLanding(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		for _, state := range states {
			t.Run(state.name, func(t *testing.T) {
				t.Parallel()
				for i, way := range e.ways() {
					if i > 0 && e != chromiumEngine && state.requests != 3 {
						break // the rest is the browser's, which shows itself to who is logged in
					}
					t.Run(way.name, func(t *testing.T) {
						s := serve(t, landing)
						b := e.newTab(t)
						state.prepare(s, b)
						before := b.cookies(s.app)
						url := s.app + "/in/page?a=b"
						end := url + "#part"
						arrived := way.go_(s, b, end)
						if way.lost && state.requests > 1 {
							end = url
						}
						arrived.shows(end, state.user)
						arrived.open(s.app + "/look") // whatever would come on its own has come
						visits := s.seen("app.test", "/in/page")
						if len(visits) != state.requests {
							t.Fatalf("%d requests, want %d:\n%s", len(visits), state.requests, s.dump())
						}
						first, last := visits[0], visits[len(visits)-1]
						if first.cookie(sidName) != "" || first.header.Get("Sec-Fetch-Site") != "cross-site" {
							t.Fatalf("not held back, so this test proves nothing: %v", first)
						}
						if first.handled != (state.requests == 1) || !last.handled || last.user != state.user {
							t.Errorf("got\n%v\n%v", first, last)
						}
						if state.requests > 1 {
							if state.user == "alice" {
								e.saw(t, "a link from another site to a page in `Config.Landing`", "arrives as the user, in three requests")
							}
							if site := last.header.Get("Sec-Fetch-Site"); site != "same-origin" {
								t.Errorf("the page comes again with Sec-Fetch-Site %q, want same-origin", site)
							}
						}
						same(t, before, b.cookies(s.app))
					})
				}
			})
		}
	})
}

// G7: Landing nil = nowhere. Any first write on a held-back request is
// `ErrHeldBack`: nothing stored, ended or cleared, 409; for a GET navigation the
// default answer is a small page with a link to the same URL, which the visitor
// follows from our own origin.
func TestHeldBack(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		for _, way := range e.ways() {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, coatcheck.Config{})
				b := e.newTab(t)
				b.login(s)
				before := b.cookies(s.app)

				url := s.app + "/look?a=b" // reads only: anonymous, at once
				way.go_(s, b, url).shows(url, "")
				same(t, before, b.cookies(s.app))
				b.scripts(true)

				url = s.app + "/count?a=b"
				arrived := way.go_(s, b, url)
				arrived.until("document.readyState == 'complete' && document.querySelector('a[href=\"/count?a=b\"]')")
				visits := s.await("/count", 1)
				if v := visits[0]; len(visits) != 1 || v.status != http.StatusConflict || len(v.sets) > 0 {
					t.Errorf("got %v and %q, want 409 and no cookie", v, v.sets)
				}
				same(t, before, b.cookies(s.app))
				arrived.click("a")
				arrived.shows(url, "alice")
				if visits = s.seen("app.test", "/count"); len(visits) != 2 {
					t.Errorf("%d requests, want 2:\n%s", len(visits), s.dump())
				}
				if got := eval[string](arrived, "document.querySelector('#app').dataset.hits"); got != "1" || s.live() != 1 {
					t.Errorf("%s hits and %d sessions, want 1 and 1", got, s.live())
				}
				same(t, before, b.cookies(s.app))
			})
		}
	})
}

// same reports a change of our cookies in the jar, but for the note that a session
// is over.
func same(t *testing.T, before, after jar) {
	t.Helper()
	after = maps.Clone(after)
	delete(after, sidName+"-over")
	if len(before) != len(after) {
		t.Errorf("the jar had %d cookies and has %d", len(before), len(after))
	}
	for name, was := range before {
		if is, ok := after[name]; !ok || is != was {
			t.Errorf("%s has changed", name)
		}
	}
}

// G7: A SameSite=Lax marker tells a first visit from a held-back one: a
// cross-site top-level GET without marker may start a session. From then on the
// marker comes.
func TestFirstVisit(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		for visit, want := range []int{200, 409} {
			b.open(s.page(s.evil, `<a id=go href="`+s.app+`/count">go</a>`))
			b.click("#go")
			b.until("location.href == '" + s.app + "/count' && document.readyState == 'complete'")
			visits := s.await("/count", visit+1)
			if v := visits[visit]; v.status != want || (v.cookie(markName) != "") != (visit == 1) {
				t.Errorf("visit %d: got %v, want %d", visit+1, v, want)
			}
		}
		b.click("a")
		b.until("document.querySelector('#app')?.dataset.hits == '2'")
	})
}

// G7, with a session that ended by idleness while its cookies stay.
func TestLandingExpired(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		cfg := landing
		cfg.Idle = time.Second
		s := serve(t, cfg)
		b := e.newTab(t)
		b.login(s)
		for end := time.Now().Add(patience); s.live() > 0 && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
		for range 2 { // also a second time
			url := s.app + "/in/page#part"
			b.open(s.page(s.evil, `<a id=go href="`+url+`">go</a>`))
			b.click("#go")
			b.shows(url, "")
		}
		if n := len(s.seen("app.test", "/in/page")); n != 6 {
			t.Errorf("%d requests, want 6:\n%s", n, s.dump())
		}
		if s.events.Count(coatcheck.Expired) == 0 {
			t.Error("no event says that the session expired: this test proves nothing")
		}
	})
}

// G7: the landing page adds nothing to the history, and back and forward find
// what they should.
func TestLandingBackAndForward(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, landing)
		b := e.newTab(t)
		b.login(s)
		before := b.cookies(s.app)
		elsewhere := s.page(s.evil, `<a id=go href="`+s.app+`/in/page">go</a>`)
		b.open(elsewhere)
		length := eval[int](b, "history.length")
		b.click("#go")
		b.shows(s.app+"/in/page", "alice")
		if got := eval[int](b, "history.length"); got != length+1 {
			t.Errorf("history of %d, want %d", got, length+1)
		}
		for range 2 {
			eval[bool](b, "setTimeout(() => history.back()), true")
			b.until("location.href == " + quote(elsewhere) + " && document.readyState == 'complete'")
			eval[bool](b, "setTimeout(() => history.forward()), true")
			b.shows(s.app+"/in/page", "alice")
		}
		b.open(s.app + "/look")
		visits := s.seen("app.test", "/in/page")
		for _, v := range visits {
			t.Logf("seen: %v", v)
		}
		if len(visits) > 9 { // at most three for each arrival
			t.Errorf("%d requests, want at most 9", len(visits))
		}
		same(t, before, b.cookies(s.app))
	})
}

// G7: only a top-level navigation lands. In a frame of another site the
// application is anonymous and can change nothing.
func TestFrame(t *testing.T) {
	enginesInTurn(t, func(t *testing.T, e *engine) {
		s := serve(t, landing)
		b := e.lenientTab(t) // the frame's third-party cookies are withheld by SameSite alone
		b.login(s)
		before := b.cookies(s.app)
		for path, want := range map[string]int{"/in/page": 200, "/count": 409, "/logout": 200} {
			b.open(s.page(s.evil, ""))
			eval[bool](b, "new Promise(done => { const f = document.createElement('iframe'); f.onload = () => done(true); f.src = '"+s.app+path+"'; document.body.append(f) })")
			visits := s.await(path, 1)
			if v := visits[0]; len(visits) != 1 || v.status != want || !v.handled || v.user != "" || len(v.sets) > 0 || v.clears != "" {
				t.Errorf("%s: %d requests, got %v, want %d as nobody", path, len(visits), v, want)
			}
			same(t, before, b.cookies(s.app))
		}
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "alice")
	})
}

// G14: a request with `Sec-Purpose: prefetch` that would change the session is
// answered 503 and stores nothing. G7: nor does a prefetch land.
func TestPrefetchFromAnotherSite(t *testing.T) {
	t.Parallel()
	e := chromiumEngine
	s := serve(t, landing)
	b := e.newTab(t)
	b.login(s)
	before := b.cookies(s.app)
	for path, want := range map[string]int{"/count": 503, "/in/page": 200} {
		b.open(s.page(s.evil, `<link rel=prefetch href="`+s.app+path+`"><a id=go href="`+s.app+path+`">go</a>`))
		v := s.await(path, 1)[0]
		if !strings.Contains(v.header.Get("Sec-Purpose"), "prefetch") {
			t.Fatalf("no prefetch: this test proves nothing: %v", v)
		}
		if v.status != want || len(v.sets) > 0 || !v.handled {
			t.Errorf("prefetch: got %v, want %d", v, want)
		}
		same(t, before, b.cookies(s.app))
	}
	url := s.app + "/in/page"
	b.open(s.page(s.evil, `<link rel=prefetch href="`+url+`"><a id=go href="`+url+`">go</a>`))
	b.click("#go")
	b.shows(url, "alice")
}

// The same within the application: what was prefetched in vain is asked for
// again when the user goes there.
func TestPrefetchFromOwnPages(t *testing.T) {
	t.Parallel()
	e := chromiumEngine
	s := serve(t, coatcheck.Config{})
	b := e.newTab(t)
	b.login(s)
	b.open(s.app + "/look")
	eval[bool](b, `document.body.insertAdjacentHTML('beforeend', '<a id=go href="/count">go</a>'),
		(rules => { rules.type = 'speculationrules'; rules.text = '{"prefetch":[{"source":"list","urls":["/count"],"eagerness":"immediate"}]}'; document.body.append(rules) })(document.createElement('script')), true`)
	v := s.await("/count", 1)[0]
	if !strings.Contains(v.header.Get("Sec-Purpose"), "prefetch") || v.cookie(sidName) == "" {
		t.Fatalf("no prefetch with the session: this test proves nothing: %v", v)
	}
	if v.status != http.StatusServiceUnavailable {
		t.Errorf("prefetch: got %v, want 503", v)
	}
	b.click("#go")
	b.until("document.querySelector('#app')?.dataset.hits == '1'")
}

// G7, where the answer is a file: the landing page stays, and leads on no more.
func TestLandingDownload(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, landing)
		b := e.newTab(t)
		b.downloadTo()
		b.login(s)
		b.open(s.page(s.evil, `<a id=go href="`+s.app+`/in/file">go</a>`))
		b.click("#go")
		s.await("/in/file", 3)
		other := b.another()
		other.open(s.app + "/look")
		other.shows(s.app+"/look", "alice")
		if visits := s.seen("app.test", "/in/file"); len(visits) != 3 || visits[0].handled || visits[1].handled || visits[2].user != "alice" {
			t.Errorf("got %v, want the page, the redirect and the file for alice", visits)
		}
		b.until("document.querySelector('a')?.innerText == 'Continue'") // not a blank tab
	})
}

// G7: `Logout` where the marker is there, is `ErrHeldBack`: nothing ended. So a
// link, an image or a frame elsewhere logs nobody out, even if the application
// lets a GET do it.
func TestLogoutLink(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, landing)
		b := e.newTab(t)
		b.login(s)
		before := b.cookies(s.app)
		b.open(s.page(s.evil, `<a id=go href="`+s.app+`/logout">go</a>`))
		b.tries("GET", s.app+"/logout?fetch") // without the marker, so it leaves nothing
		b.click("#go")
		b.until("location.href == '" + s.app + "/logout' && document.readyState == 'complete'")
		for i, want := range []int{200, 409} {
			if v := s.await("/logout", 2)[i]; v.status != want || len(v.sets) > 0 || v.clears != "" {
				t.Errorf("got %v, want %d and no cookie", v, want)
			}
		}
		same(t, before, b.cookies(s.app))
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "alice")
		if s.live() != 1 {
			t.Errorf("alice has %d sessions, want 1", s.live())
		}
	})
}

// post submits a form of another site.
func (b *tab) post(s *site, origin, url string) {
	b.t.Helper()
	b.open(s.page(origin, `<form id=go method=post action="`+url+`"></form>`))
	eval[bool](b, "document.querySelector('#go').submit(), true")
	b.until("location.href == " + quote(url) + " && document.readyState == 'complete'")
}

// G7: On a held-back request only `Login` may set a session cookie, also where
// Config.CrossOrigin trusts the other site's forms.
func TestTrustedForm(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		partner := http.NewCrossOriginProtection()
		s := serve(t, coatcheck.Config{CrossOrigin: partner})
		if err := partner.AddTrustedOrigin(s.evil); err != nil {
			t.Fatal(err)
		}
		b := e.newTab(t)
		b.login(s)
		before := b.cookies(s.app)
		// A POST brings no Lax marker either: there logout ends and clears nothing.
		for path, want := range map[string]int{"/count": 409, "/set": 409, "/logout": 200} {
			b.post(s, s.evil, s.app+path)
			if v := s.await(path, 1)[0]; v.status != want || !v.handled || v.cookie(sidName) != "" || len(v.sets) > 0 || v.clears != "" {
				t.Errorf("%s: got %v, want %d", path, v, want)
			}
			same(t, before, b.cookies(s.app))
		}
		b.post(s, s.evil, s.app+"/login") // as the callback of an identity provider does
		if v := s.await("/login", 2)[1]; v.status != 200 || len(v.sets) != 2 {
			t.Errorf("login: got %v and %q, want 200 and two cookies", v, v.sets)
		}
		if b.cookies(s.app)[sidName].Value == before[sidName].Value {
			t.Error("login: the session cookie is the old one")
		}
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "alice")
	})
}
