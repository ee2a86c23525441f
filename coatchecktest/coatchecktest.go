// Package coatchecktest helps applications to test handlers that use sessions.
// Against a live server, or a handler alone, a Browser keeps cookies and may be
// logged in already:
//
//	server := httptest.NewServer(app)
//	defer server.Close()
//	alice := coatchecktest.NewBrowser(server)
//	alice.Session(t, sessions, func(s *coatcheck.Session) { s.Login("alice") })
//	res, err := alice.Get("/profile")
//
// Request makes a single request that is already logged in:
//
//	r := httptest.NewRequest("GET", "/profile", nil)
//	r = coatchecktest.Request(t, sessions, r, func(s *coatcheck.Session) { s.Login("alice") })
//	app.ServeHTTP(w, r)
//
// The sessions are real ones, made through the application's own Manager: there
// is no way around it that a program could use by mistake.
package coatchecktest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coatcheck/coatcheck"
)

// Request returns a copy of r that carries the cookies of a session in which f
// has run, or its bearer token if sessions is one of coatcheck.NewBearer: f may log in, set values, or look at what an earlier request left.
// The session is the one whose cookies r carries already, or else a new one. It
// is in the store of sessions, like any other.
//
// The test ends if the session cannot be stored, with the reason; f must not end
// it itself by t.FailNow.
func Request(t testing.TB, sessions *coatcheck.Manager, r *http.Request, f func(*coatcheck.Session)) *http.Request {
	t.Helper()
	// A request of its own: that of the test may be one that must change
	// nothing, such as HEAD, or come from another site.
	visit := httptest.NewRequestWithContext(r.Context(), http.MethodPost, "/", nil)
	visit.Host, visit.RemoteAddr = r.Host, r.RemoteAddr
	for _, name := range []string{"Cookie", "User-Agent", "Authorization"} {
		visit.Header[name] = r.Header[name]
	}
	answer := run(t, sessions, visit, f)
	r = r.Clone(r.Context())
	for _, c := range answer.Cookies() {
		setCookie(r, c)
	}
	if token := answer.Header.Get(coatcheck.TokenHeader); token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// run serves a visit on which f runs, and returns its answer.
func run(t testing.TB, sessions *coatcheck.Manager, visit *http.Request, f func(*coatcheck.Session)) *http.Response {
	t.Helper()
	var err error
	w := httptest.NewRecorder()
	sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		f(s)
		err = s.Commit()
	})).ServeHTTP(w, visit)
	if err != nil {
		t.Fatalf("coatchecktest: %v", err)
	}
	return w.Result()
}

// setCookie does to the cookies of r what a browser does with a Set-Cookie.
func setCookie(r *http.Request, set *http.Cookie) {
	old := r.Cookies()
	r.Header.Del("Cookie")
	for _, c := range old {
		if c.Name != set.Name {
			r.AddCookie(c)
		}
	}
	if set.MaxAge >= 0 {
		r.AddCookie(&http.Cookie{Name: set.Name, Value: set.Value})
	}
}
