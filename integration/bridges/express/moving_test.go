//go:build linux

package express_test

import (
	"testing"

	"github.com/coatcheck/coatcheck/integration/bridges/internal/moving"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/visit"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// TestMove takes over the sessions of a real Express application.
func TestMove(t *testing.T) {
	stored, inCookie := app(t)
	users := []string{"alice", "bob"}
	s := newSource(t, 0, "one")
	all := moving.System{Source: s, Open: moving.Visits(t, visit.New(t, stored, s), "user"), Users: users}
	t.Run("express-session", all.Live)
	t.Run("import", func(t *testing.T) {
		all.Bulk(t, moving.Tool{Secret: "one", Store: "redis://" + servers.SharedRedis(t).Addr(), Args: []string{"--from", "express"}})
	})
	c := newCookieSource(t, "k1")
	t.Run("cookie-session", moving.System{Source: c, Open: moving.Visits(t, visit.New(t, inCookie, c), "user"), Users: users}.Live)
}
