//go:build linux

package rails_test

import (
	"net/url"
	"testing"

	"github.com/coatcheck/coatcheck/integration/bridges/internal/moving"
	"github.com/coatcheck/coatcheck/integration/internal/framework"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// moved takes the sessions of the application over.
func (w *world) moved(t *testing.T) {
	open := func() moving.Browser { return &person{framework.NewBrowser(), t, w} }
	s := moving.System{Source: w.source, Open: open, Users: []string{"7", "42"}}
	s.Live(t)
	if w.config.Redis != nil && w.config.EncryptedPassword == nil { // whose function the tool does not have
		args := []string{"--from", "rails", "--user-key", "user_id", "--from-prefix", w.config.RedisPrefix}
		s.Bulk(t, moving.Tool{Store: "redis://" + servers.SharedRedis(t).Addr(), Args: args})
	}
}

// A person is at the application.
type person struct {
	*framework.Browser
	t *testing.T
	w *world
}

func (p *person) Login(user string) {
	p.t.Helper()
	p.w.visit(p.t, p.Browser, "login", url.Values{"id": {user}, "values": {`{"cart": ["tea"]}`}})
}

func (p *person) Logout() { p.t.Helper(); p.w.visit(p.t, p.Browser, "logout", nil) }

func (p *person) User() string { p.t.Helper(); return p.w.visit(p.t, p.Browser, "who", nil).User }
