package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// serveBearer is an application for clients that bring a token. To requests with
// cors in their query it allows by CORS what a page of another origin needs.
func serveBearer(t *testing.T) *site {
	t.Helper()
	s := &site{t: t}
	s.start()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	if s.m, err = coatcheck.NewBearer(memstore.New(memstore.Config{}), keys, coatcheck.Config{}); err != nil {
		t.Fatal(err)
	}
	app := s.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := r.Context().Value(visitKey{}).(*visit)
		v.handled = true
		session := s.m.From(r.Context())
		switch r.URL.Path {
		case "/login":
			session.Login("alice")
		case "/count":
			hits.Update(session, func(n int) int { return n + 1 })
		}
		v.user = session.User()
		fmt.Fprint(w, session.User())
	}))
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "cors") {
			w.Header().Set("Access-Control-Allow-Origin", s.evil)
			w.Header().Set("Access-Control-Allow-Headers", "Authorization")
			w.Header().Set("Access-Control-Expose-Headers", coatcheck.TokenHeader)
			if r.Method == http.MethodOptions {
				return
			}
		}
		app.ServeHTTP(w, r)
	})
	s.handler.Store(&h)
	return s
}

// sends posts from the page's script and tells what it could read: status, user and
// whether there was a token; or "" where it may not read, or send.
func (b *tab) sends(url, options string) string {
	b.t.Helper()
	return eval[string](b, "fetch("+quote(url)+", {method: 'POST', "+options+"}).then(async r => r.type == 'opaque' ? '' : r.status + ' ' + await r.text() + ' ' + r.headers.has('"+coatcheck.TokenHeader+"'), () => '')")
}

// docs/guide/native-clients.md: "A browser does not add such a header by itself, so
// no other site can cause a request that has it, except a page that you allow to by
// CORS and that knows the token." As browsers do it, with the token known to all.
func TestBearerFromPages(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serveBearer(t)
		b := e.newTab(t)
		b.open(s.app + "/blank")
		token := eval[string](b, "fetch('/login', {method: 'POST'}).then(r => r.headers.get('"+coatcheck.TokenHeader+"'))")
		if len(token) != 52 || len(b.cookies(s.app)) != 0 {
			t.Fatalf("a token of %d characters and %d cookies", len(token), len(b.cookies(s.app)))
		}
		with := "headers: {Authorization: 'Bearer " + token + "'}"
		if got := b.sends(s.app+"/count?own", with); got != "200 alice false" {
			t.Errorf("our own page with the token: %q", got)
		}
		b.open(s.app + "/look")
		if v := s.await("/look", 1)[0]; v.user != "" || v.header.Get("Authorization") != "" {
			t.Errorf("by itself the browser sends %v", v)
		}

		b.open(s.page(s.evil, ""))
		for _, c := range []struct{ query, options, want string }{
			{"preflight", with, ""},
			{"simple", "mode: 'no-cors', " + with, ""},
			{"plain", "mode: 'no-cors', credentials: 'include'", ""},
			{"cors", with, "200 alice false"},
			{"cors-without", "", "403 Forbidden false"},
		} {
			if got := b.sends(s.app+"/count?"+c.query, c.options); got != c.want {
				t.Errorf("another site's page, %s: got %q, want %q", c.query, got, c.want)
			}
		}
		b.post(s, s.evil, s.app+"/count?form")
		handled := ""
		for _, v := range s.await("/count", 8) {
			brought := v.header.Get("Authorization") != ""
			switch {
			case v.method == http.MethodOptions:
			case v.handled:
				handled += v.uri + " "
			case v.status != http.StatusForbidden || brought:
				t.Errorf("got %v, with a token: %t; want 403 without one", v, brought)
			}
		}
		if handled != "/count?own /count?cors " {
			t.Errorf("handled: %s; want our own page's and the one that CORS allows", handled)
		}
	})
}
