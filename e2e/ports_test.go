package e2e_test

import (
	"testing"

	"github.com/coatcheck/coatcheck"
)

// Cookies go by host and not by port: two programs on one host need two names.
func TestTwoProgramsOnOneHost(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		for _, c := range []struct {
			other string // Config.Name of the second
			user  string // whom the first then finds
		}{{"", ""}, {"__Host-Http-other", "alice"}} {
			one, two := serve(t, coatcheck.Config{}), serve(t, coatcheck.Config{Name: c.other})
			b := e.newTab(t)
			b.login(one)
			b.login(two)
			b.open(two.app + "/look")
			b.shows(two.app+"/look", "alice")
			b.open(one.app + "/look")
			b.shows(one.app+"/look", c.user)
		}
	})
}
