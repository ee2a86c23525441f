package e2e_test

import (
	"testing"

	"github.com/coatcheck/coatcheck"
)

// A browser that has a bound cookie proves nothing, whatever that cookie is worth. One
// of a former binding, which an answer brought late, is cleared where it proves
// nothing, and the next visit is the owner's again.
func TestBoundFormerCookie(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, 0)
	b := s.login()
	former := b.cookies(s.app)[boundName].Value
	s.logIn(b)
	b.plant(s.site, boundName, former) // in the other's place: without either the browser would prove the key
	b.fetched("GET", s.app+"/private") // served: it may have been on its way, just after the registration
	if n := len(s.accepted("/dbsc/refresh")); n != 0 {
		t.Errorf("%d refreshes while a cookie of the name is there:\n%s", n, s.dump())
	}
	if _, has := b.cookies(s.app)[boundName]; has {
		t.Errorf("the former binding's cookie is left")
	}
	b.open(s.app + "/private?again")
	b.shows(s.app+"/private?again", "alice")
	if n := len(s.accepted("/dbsc/refresh")); n != 1 {
		t.Errorf("%d refreshes, want 1:\n%s", n, s.dump())
	}
}

// A login leaves no bound cookie of the former binding, and the new one's comes after
// that: a browser without the protocol at hand is not kept from logging in.
func TestBoundCookieAfterLogin(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, 0)
	b := s.login()
	former := b.cookies(s.app)[boundName].Value
	s.logIn(b)
	if now := b.cookies(s.app)[boundName].Value; now == former || now == "" {
		t.Errorf("after a second login the bound cookie is the former one or none: %t", now == "")
	}
	b.open(s.app + "/logout")
	b.shows(s.app+"/logout", "")
	if _, has := b.cookies(s.app)[boundName]; has {
		t.Error("after a logout the bound cookie is left")
	}
}
