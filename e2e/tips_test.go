package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
)

// login makes the tab alice's.
func (b *tab) login(s *site) {
	b.t.Helper()
	b.open(s.app + "/look")
	if status := b.fetched("POST", s.app+"/login"); status != http.StatusOK {
		b.t.Fatalf("login: got %d", status)
	}
}

// G6: Zero configuration: … Secure.
func TestTipSecure(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		b.login(s)
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "alice")
		b.open(s.plain + "/look")
		b.shows(s.plain+"/look", "")
		last := s.seen("app.test", "/look")
		if v := last[len(last)-1]; v.header.Get("Cookie") != "" {
			t.Errorf("over plain HTTP came %q, want no cookie", v.header.Get("Cookie"))
		}
		b.open(s.plain + "/set") // a plain page cannot even overwrite it
		b.open(s.app + "/look")
		b.shows(s.app+"/look", "alice")

		// The guide: Chromium and Firefox treat http://localhost as secure.
		b.open(s.local + "/login")
		b.open(s.local + "/look")
		b.shows(s.local+"/look", map[bool]string{true: "alice", false: ""}[e.localhost])
		e.saw(t, "a `Secure` cookie of `http://localhost`", map[bool]string{true: "is kept", false: "is not kept"}[e.localhost])
	})
}

// G6: Danger reads as danger: `AllowInsecureHTTP` (no Secure, name `sid`).
func TestTipSecureOff(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{Cookie: cookie.Policy{AllowInsecureHTTP: true}})
		b := e.newTab(t)
		b.open(s.plain + "/login")
		b.open(s.plain + "/look")
		b.shows(s.plain+"/look", "alice")
		if v := s.await("/look", 1)[0]; v.cookie("sid") == "" {
			t.Errorf("over plain HTTP came %q, want sid", v.header.Get("Cookie"))
		}
	})
}

// injected is a script that an attacker got into a page: it sends away what it
// can read.
const injected = `<script>document.body.dataset.stolen = document.cookie</script>`

// G6: Zero configuration: … HttpOnly; name `__Host-Http-sid` (…, current ones
// refuse it to scripts as well).
func TestTipHTTPOnly(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		b.login(s)
		b.open(s.app + "/look?html=" + url.QueryEscape(injected))
		if got := eval[string](b, "document.body.dataset.stolen"); got != "" {
			t.Errorf("an injected script reads %q, want nothing", got)
		}
		if got := eval[string](b, "document.cookie"); got != "" {
			t.Errorf("document.cookie is %q, want nothing", got)
		}
		if got := eval[int](b, "cookieStore.getAll().then(all => all.length)"); got != 0 {
			t.Errorf("cookieStore has %d cookies, want none", got)
		}
		was := b.cookies(s.app)[sidName].Value
		eval[string](b, "document.cookie = '"+sidName+"=evil; Secure; Path=/; Max-Age=1000'")
		if got := b.cookies(s.app)[sidName].Value; got != was {
			t.Errorf("a script changed the session cookie")
		}
		b.drop(s.app, sidName)
		eval[string](b, "document.cookie = '"+sidName+"=evil; Secure; Path=/; Max-Age=1000'")
		if _, ok := b.cookies(s.app)[sidName]; ok == e.prefixes {
			t.Errorf("a script made a session cookie: %t", ok)
		}
		eval[string](b, "document.cookie = '__Host-other=evil; Secure; Path=/; Max-Age=1000'")
		if _, ok := b.cookies(s.app)["__Host-other"]; !ok {
			t.Errorf("a script could make no cookie at all: this test proves nothing")
		}
	})
}

// G6: Danger reads as danger: … `AllowScripts`.
func TestTipHTTPOnlyOff(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{Cookie: cookie.Policy{AllowScripts: true}})
		b := e.newTab(t)
		b.login(s)
		b.open(s.app + "/look?html=" + url.QueryEscape(injected))
		stolen := eval[string](b, "document.body.dataset.stolen")
		if !strings.Contains(stolen, "__Host-sid=") {
			t.Fatalf("an injected script reads %q, want __Host-sid", stolen)
		}
		_, rest, _ := strings.Cut(stolen, "__Host-sid=")
		token, _, _ := strings.Cut(rest, ";")
		if _, user, _ := s.copycat("/look", map[string]string{"__Host-sid": token}); user != "alice" {
			t.Errorf("the thief is %q, want alice", user)
		}
	})
}

// crossSite makes the five requests of a page of another site and returns which
// of them brought the cookie.
func crossSite(t *testing.T, s *site, b *tab, name string) map[string]bool {
	t.Helper()
	at := s.app + "/blank?"
	came := func(kind string) bool {
		t.Helper()
		for _, v := range s.await("/blank", 1) {
			if v.uri == "/blank?"+kind {
				return v.cookie(name) != ""
			}
		}
		t.Fatalf("%s: no request", kind)
		return false
	}
	b.open(s.page(s.evil, "<p>"))
	b.tries("GET", at+"fetch")
	eval[bool](b, "new Promise(done => { const i = new Image; i.onload = i.onerror = () => done(true); i.src = '"+at+"image' })")
	eval[bool](b, "new Promise(done => { const f = document.createElement('iframe'); f.onload = () => done(true); f.src = '"+at+"iframe'; document.body.append(f) })")
	b.open(s.page(s.evil, "<a id=go href='"+at+"link'>go</a>"))
	b.click("#go")
	b.until("location.href == '" + at + "link'")
	b.open(s.page(s.evil, "<form id=go method=post action='"+at+"form'></form>"))
	eval[bool](b, "document.querySelector('#go').submit(), true")
	b.until("location.href == '" + at + "form' && document.readyState == 'complete'")
	got := make(map[string]bool)
	for _, kind := range []string{"fetch", "image", "iframe", "link", "form"} {
		got[kind] = came(kind)
	}
	return got
}

// cameWith is which of the five came with the cookie.
func cameWith(got map[string]bool) string {
	var list []string
	for _, kind := range []string{"link", "form", "fetch", "image", "iframe"} {
		if got[kind] {
			list = append(list, kind)
		}
	}
	switch len(list) {
	case 0:
		return "none"
	case len(got):
		return "all"
	}
	return "the " + strings.Join(list, ", ")
}

// G6: Zero configuration: … SameSite=Strict. What Lax and None would let
// through is what the default stops.
func TestTipSameSite(t *testing.T) {
	enginesInTurn(t, func(t *testing.T, e *engine) {
		open := http.NewCrossOriginProtection() // or the form would be refused before anybody looks at its cookies
		open.AddInsecureBypassPattern("/")
		for _, c := range []struct {
			name      string
			mode      http.SameSite
			link      bool
			form, all bool
		}{
			{"Strict", 0, false, false, false},
			{"Lax", http.SameSiteLaxMode, true, false, false},
			{"None", http.SameSiteNoneMode, true, true, true},
		} {
			t.Run(c.name, func(t *testing.T) {
				s := serve(t, coatcheck.Config{CrossOrigin: open, Cookie: cookie.Policy{SameSite: c.mode}})
				b := e.lenientTab(t)
				b.login(s)
				got := crossSite(t, s, b, sidName)
				e.saw(t, map[string]string{
					"Strict": "of a link, form, fetch, image and frame of another site, with a `Strict` cookie come",
					"Lax":    "with a `Lax` one", "None": "with `SameSite=None`",
				}[c.name], cameWith(got))
				for kind, want := range map[string]bool{"link": c.link, "form": c.form, "fetch": c.all, "image": c.all, "iframe": c.all} {
					if got[kind] != want {
						t.Errorf("%s from another site: session cookie %t, want %t", kind, got[kind], want)
					}
				}
				b.open(s.app + "/look") // and all the time
				b.shows(s.app+"/look", "alice")
			})
		}
	})
}
