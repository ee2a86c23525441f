package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
)

// claim makes a worker answer for its pages at once, and tell which requests it
// has had.
const claim = `self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', e => e.waitUntil(Promise.all([self.clients.claim(), self.registration.navigationPreload.disable()])));
const tell = r => fetch('/blank?worker=' + encodeURIComponent(r.mode + ' ' + new URL(r.url).pathname));
`

// workers are service workers as applications have them: one passes requests on,
// one lets the browser ask while it starts, one makes requests of its own, as a
// cache that fills itself does.
var workers = map[string]string{
	"pass": claim + `self.addEventListener('fetch', e => e.respondWith(tell(e.request).then(() => fetch(e.request))))`,
	"preload": strings.Replace(claim, "disable", "enable", 1) +
		`self.addEventListener('fetch', e => e.respondWith(tell(e.request).then(() => e.preloadResponse).then(r => r || fetch(e.request))))`,
	"own": claim + `self.addEventListener('fetch', e => e.respondWith(tell(e.request).then(() =>
		e.request.mode == 'navigate' ? fetch(e.request.url, {credentials: 'include'}) : fetch(e.request))))`,
}

// work registers a service worker and waits until it answers for the tab.
func (b *tab) work(s *site, kind string) {
	b.t.Helper()
	b.open(s.app + "/blank?menu")
	eval[bool](b, `navigator.serviceWorker.register('/worker.js?kind=`+kind+`').then(() => navigator.serviceWorker.ready).then(() => new Promise(done =>
		navigator.serviceWorker.controller ? done(true) : navigator.serviceWorker.addEventListener('controllerchange', () => done(true))))`)
}

// worked ends the test where the worker has not had a request.
func (s *site) worked(mode, path string) {
	s.t.Helper()
	want := "worker=" + mode + strings.NewReplacer("/", "%2F").Replace("%20"+path)
	if !slices.ContainsFunc(s.seen("app.test", "/blank"), func(v visit) bool { return strings.HasSuffix(v.uri, want) }) {
		s.t.Fatalf("%s %s did not go through the worker: this test proves nothing\n%s", mode, path, s.dump())
	}
}

// throughWorker is what a request from another site says of its site when a
// service worker has passed it on.
func throughWorker(e *engine) string {
	if e == firefoxEngine {
		return "same-origin" // its Referer tells
	}
	return "cross-site"
}

// says is whether a request that a service worker has passed on says so of its site.
// WebKitGTK under load has also said "same-origin", of a request from which it kept
// the Strict cookie back as it must: what it says is its own affair, the cookie is not.
func (e *engine) says(v visit) bool {
	said := v.header.Get("Sec-Fetch-Site")
	return said == throughWorker(e) || e == webkitEngine && said == "same-origin"
}

// askedAtMost is how often a browser asks for a page to which it goes once:
// WebKitGTK with a preload may ask by itself as well.
func askedAtMost(e *engine, kind string) int {
	if e == webkitEngine && kind == "preload" {
		return 2
	}
	return 1
}

// G7 and G1, through a service worker that passes on what it gets: our own
// pages' requests work, and a link from another site lands, or is held back with
// a page that leads on, as without a worker.
func TestServiceWorker(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		for _, kind := range []string{"pass", "preload"} {
			for _, state := range states {
				t.Run(kind+", "+state.name, func(t *testing.T) {
					t.Parallel()
					s := serve(t, landing)
					b := e.newTab(t)
					b.work(s, kind)
					state.prepare(s, b)
					before := b.cookies(s.app)
					b.open(s.app + "/blank?menu")
					url := s.app + "/in/page?a=b#part"
					b.open(s.page(s.evil, `<a id=go href="`+url+`">go</a>`))
					b.click("#go")
					b.shows(url, state.user)
					b.open(s.app + "/look")
					s.worked("navigate", "/in/page")
					visits := s.seen("app.test", "/in/page")
					most := state.requests * askedAtMost(e, kind)
					if first := visits[0]; len(visits) < state.requests || len(visits) > most || first.cookie(sidName) != "" || !e.says(first) {
						t.Errorf("%d requests, want %d, the first held back:\n%s", len(visits), state.requests, s.dump())
					} else if kind == "pass" && first.header.Get("Sec-Fetch-Site") == throughWorker(e) {
						e.saw(t, "a navigation that a service worker passes on", "says `"+first.header.Get("Sec-Fetch-Site")+"`")
					}
					same(t, before, b.cookies(s.app))
				})
			}
			t.Run(kind+", no landing", func(t *testing.T) {
				t.Parallel()
				s := serve(t, coatcheck.Config{})
				b := e.newTab(t)
				b.login(s)
				b.work(s, kind)
				before := b.cookies(s.app)
				if status := b.fetched("POST", s.app+"/count"); status != http.StatusOK {
					t.Errorf("a fetch of our own page: got %d", status)
				}
				s.worked("cors", "/count")
				for path, count := range map[string]int{"/count": 1, "/logout": 0} {
					b.open(s.page(s.evil, `<a id=go href="`+s.app+path+`">go</a>`))
					b.click("#go")
					b.until("document.readyState == 'complete' && document.querySelector('a[href=\"" + path + "\"]')?.innerText == 'Continue'")
					s.worked("navigate", path)
					visits := s.await(path, count+1)
					if v := visits[count]; v.status != http.StatusConflict || len(v.sets) > 0 || v.clears != "" {
						t.Errorf("%s: got %v, want 409", path, v)
					}
					same(t, before, b.cookies(s.app))
				}
				b.follows(s, "/look?read")
				b.shows(s.app+"/look?read", "")
				b.follows(s, "/count")
				b.leadsOn("/count")
				b.click("a")
				hits := "Number(document.querySelector('#app')?.dataset.hits)"
				b.until(fmt.Sprintf("%s >= 2 && %s <= %d", hits, hits, 1+askedAtMost(e, kind)))
			})
		}
	})
}

// A limit, which the guide names: a worker that makes requests of its own turns
// every link to the site into a request of the site. SameSite=Strict and the
// held-back answer see nothing of where it came from.
func TestServiceWorkerOfItsOwn(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		b.login(s)
		b.work(s, "own")
		b.open(s.page(s.evil, `<a id=go href="`+s.app+`/count">go</a>`))
		b.click("#go")
		b.shows(s.app+"/count", "alice")
		s.worked("navigate", "/count")
		visits := s.await("/count", 1) // in WebKitGTK the browser asks by itself as well, in vain
		if v := visits[len(visits)-1]; v.header.Get("Sec-Fetch-Site") != "same-origin" || v.cookie(sidName) == "" {
			t.Errorf("got %v: what the guide says is no longer so", v)
		}
	})
}

// G7: No loop, by every way through a service worker.
func TestServiceWorkerWays(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		for _, way := range e.ways() {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, landing)
				b := e.newTab(t)
				b.login(s)
				b.work(s, "pass")
				before := b.cookies(s.app)
				end := s.app + "/in/page?a=b#part"
				arrived := way.go_(s, b, end)
				if way.lost {
					end = s.app + "/in/page?a=b"
				}
				arrived.shows(end, "alice")
				arrived.open(s.app + "/look")
				s.worked("navigate", "/in/page")
				if visits := s.seen("app.test", "/in/page"); len(visits) != 3 {
					t.Errorf("%d requests, want 3:\n%s", len(visits), s.dump())
				}
				same(t, before, b.cookies(s.app))
			})
		}
	})
}
