//go:build linux

package gorilla_test

import (
	"testing"

	"github.com/coatcheck/coatcheck/bridge/gorilla"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/moving"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/visit"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// TestMove takes over the sessions of applications on gorilla/sessions.
func TestMove(t *testing.T) {
	from := map[string][]string{"redistore": {"--from", "gorilla"}, "redistore JSON": {"--from", "gorilla-json"}}
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			source := w.source(t, gorilla.KeyPair{Hash: hash1, Block: block1})
			s := moving.System{Source: source, Open: moving.Visits(t, visit.New(t, w.app(t, hash1, block1), source), "user"), Users: []string{"alice", "bob"}}
			s.Live(t)
			if args := from[w.name]; args != nil {
				servers.SharedRedis(t).Must(t, "FLUSHDB") // both write under one prefix
				s.Bulk(t, moving.Tool{Store: "redis://" + servers.SharedRedis(t).Addr(), Args: append(args, "--user-key", "user")})
			}
		})
	}
}
