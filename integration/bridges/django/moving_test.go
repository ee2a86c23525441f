//go:build linux

package django_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/coatcheck/coatcheck/integration/bridges/internal/moving"
	"github.com/coatcheck/coatcheck/integration/internal/framework"
)

// moved takes the sessions of the application over.
func (w *world) moved(t *testing.T) {
	s := moving.System{Source: w.source, Users: []string{w.user(t, "moving1"), w.user(t, "moving2")}}
	s.Open = func() moving.Browser { return &person{framework.NewBrowser(), t, w, s.Users} }
	s.Live(t)
	if w.imported != nil {
		w.imported.Over = w.over(t)
		s.Bulk(t, *w.imported)
	}
}

// over are browsers whose sessions are there still, and log nobody in: the password is
// another since, or the user may not log in any more.
func (w *world) over(t *testing.T) (list []moving.Browser) {
	for path, name := range map[string]string{"password": "moving3", "deactivate": "moving4"} {
		w.user(t, name)
		p := &person{Browser: framework.NewBrowser(), t: t, w: w}
		w.login(t, p.Browser, name, nil)
		if p.User() == "" {
			t.Errorf("%s is not logged in there", name)
		}
		w.visit(t, framework.NewBrowser(), path, url.Values{"name": {name}, "password": {"another"}})
		list = append(list, p)
	}
	return list
}

// A person is at the application, under a name for each user.
type person struct {
	*framework.Browser
	t     *testing.T
	w     *world
	users []string
}

func (p *person) Login(user string) {
	p.t.Helper()
	name := []string{"moving1", "moving2"}[slices.Index(p.users, user)]
	p.w.login(p.t, p.Browser, name, url.Values{"values": {`{"cart": ["tea"]}`}})
}

func (p *person) Logout() { p.t.Helper(); p.w.visit(p.t, p.Browser, "logout", nil) }

func (p *person) User() string { p.t.Helper(); return p.w.visit(p.t, p.Browser, "who", nil).User }
