package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/memstore"
)

// Two managers on one host, for customers and for staff, have bindings of their own:
// Chromium proves each to its own address, also after one answer that logged in at
// both.
func TestBoundTwoManagers(t *testing.T) {
	t.Parallel()
	for _, login := range []string{"one after the other", "in one answer"} {
		t.Run(login, func(t *testing.T) {
			t.Parallel()
			s := serveBound(t, coatcheck.Config{}, 0)
			app := *s.handler.Load()
			staff := s.withStaff(t, app)
			s.handler.Store(&staff)
			b := bindingEngine.newTab(t)
			if login == "in one answer" {
				b.open(s.app + "/both")
				s.awaitAccepted("/dbsc/register", 1)
			} else {
				s.logIn(b)
				b.open(s.app + "/staff/login")
			}
			s.awaitAccepted("/staff/dbsc/register", 1)
			b.open(s.app + "/private")
			b.open(s.app + "/staff/private")
			for _, name := range []string{boundName, "__Host-staff-bound"} {
				if b.cookies(s.app)[name].Value == "" {
					t.Errorf("no cookie %s", name)
				}
			}
			for path, name := range map[string]string{"/private": boundName, "/staff/private": "__Host-staff-bound"} {
				b.drop(s.app, name)
				if got := b.fetched("GET", s.app+path); got != 200 {
					t.Errorf("%s: %d", path, got)
				}
			}
			if one, two := len(s.accepted("/dbsc/refresh")), len(s.accepted("/staff/dbsc/refresh")); one != 1 || two != 1 {
				t.Errorf("%d refreshes and %d, want one each:\n%s", one, two, s.dump())
			}
		})
	}
}

// withStaff is the application, and below /staff/ another with sessions of its own.
func (s *boundSite) withStaff(t *testing.T, app http.Handler) http.Handler {
	t.Helper()
	keys, err := cookie.NewKeys("Zp3-nWc7RkQ5tYx9Lb2Vd8Hs4Jm6Gf1e")
	if err != nil {
		t.Fatal(err)
	}
	staff, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{Name: "__Host-Http-staff"})
	if err != nil {
		t.Fatal(err)
	}
	bound, err := dbsc.New(staff, dbsc.Config{Path: "/staff/dbsc/"})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/staff/dbsc/", bound)
	mux.HandleFunc("/staff/login", func(_ http.ResponseWriter, r *http.Request) { staff.From(r.Context()).Login("bob") })
	mux.Handle("/staff/private", staff.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, staff.From(r.Context()).User())
	})))
	mux.Handle("/both", s.m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.m.From(r.Context()).Login("alice")
		staff.From(r.Context()).Login("bob")
	})))
	inner := staff.Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/staff/") || r.URL.Path == "/both" {
			inner.ServeHTTP(w, r)
			return
		}
		app.ServeHTTP(w, r)
	})
}

// Where the feature is turned off again, the session cookie alone serves. Browsers come
// to the refresh once more, which must not be passed over: 401 ends the binding there,
// and so does 404, a mount that is gone.
func TestBoundTurnedOff(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusNotFound} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			s := serveBound(t, coatcheck.Config{}, 0)
			b := s.login()
			s.off(status)
			for n := range 3 {
				s.forget(b)
				url := fmt.Sprint(s.app, "/private?off=", n)
				b.open(url)
				b.shows(url, "alice")
			}
			if n := len(s.seen("app.test", "/dbsc/refresh")); n != 1 {
				t.Errorf("%d refreshes, want 1:\n%s", n, s.dump())
			}
		})
	}
}

// off is the application without dbsc, over the same store, which answers a refresh
// with that status.
func (s *boundSite) off(status int) {
	s.t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		s.t.Fatal(err)
	}
	if s.m, err = coatcheck.New(s.store, keys, s.cfg); err != nil {
		s.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/dbsc/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	mux.Handle("/", s.application())
	app := s.m.Handler(mux)
	s.handler.Store(&app)
}
