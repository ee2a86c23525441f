//go:build linux

package integration_test

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// A rollout is two instances behind a balancer that change their secrets one
// after the other, and the people whose requests reach now this one, now that.
type rollout struct {
	program *servers.Coatcheck
	store   string
	sites   [2]*servers.Serve
	people  []*visitor
}

// deploy restarts one instance with these secrets, the first of which signs.
func (r *rollout) deploy(t *testing.T, i int, secrets ...string) {
	t.Helper()
	if r.sites[i] != nil {
		if err := r.sites[i].Quit(); err != nil {
			t.Fatal(err)
		}
	}
	r.program.Env = []string{"SECRET_KEY=" + secrets[0], "SECRET_KEY_FALLBACKS=" + strings.Join(secrets[1:], ",")}
	r.sites[i] = r.program.Serve(t, "--store", r.store)
}

// arrive logs somebody in at an instance, with a signed cookie beside.
func (r *rollout) arrive(t *testing.T, i int) {
	t.Helper()
	v := newVisitor(newClient(t, 2))
	v.must(t, r.sites[i], "POST", "/login", http.StatusOK, "Logged in", "user", "ann")
	v.must(t, r.sites[i], "POST", "/preferences", http.StatusOK, "", "theme", "dark")
	r.people = append(r.people, v)
}

// all asks both instances, twice, for everybody: nobody is logged out, and no
// cookie is refused.
func (r *rollout) all(t *testing.T) {
	t.Helper()
	for range 2 {
		for _, site := range r.sites {
			for _, v := range r.people {
				v.must(t, site, "GET", "/profile", http.StatusOK, "User ann")
				v.must(t, site, "GET", "/preferences", http.StatusOK, "Theme: dark")
			}
		}
	}
}

// G8: rotating secrets logs nobody out, in the three steps that the guide and
// keygen tell, rolled out one instance after the other.
func TestServeRotation(t *testing.T) {
	t.Parallel()
	before, next := rand.Text()+rand.Text(), rand.Text()+rand.Text()
	r := &rollout{program: servers.NewCoatcheck(t)}
	r.store = sqliteURL(t, r.program)
	step := func(secrets ...string) {
		t.Helper()
		for i := range r.sites {
			r.deploy(t, i, secrets...)
			if r.sites[1] == nil {
				continue
			}
			r.arrive(t, 0)
			r.arrive(t, 1)
			r.all(t)
		}
	}
	step(before)
	step(before, next) // 1. the new one as a fallback, everywhere
	step(next, before) // 2. the new one first, everywhere
	// 3. When what the old one signed is over: here at once, so those people go.
	r.people = nil
	r.arrive(t, 0)
	r.arrive(t, 1)
	step(next)
}

// Why it takes the first step: an instance that signs with a secret that another
// does not know yet makes sessions that are nobody's there.
func TestServeRotationWithoutFirstStep(t *testing.T) {
	t.Parallel()
	before, next := rand.Text()+rand.Text(), rand.Text()+rand.Text()
	r := &rollout{program: servers.NewCoatcheck(t)}
	r.store = sqliteURL(t, r.program)
	r.deploy(t, 0, next, before)
	r.deploy(t, 1, before)
	r.arrive(t, 0)
	r.people[0].must(t, r.sites[1], "GET", "/profile", http.StatusUnauthorized, "Not logged in")
}
