//go:build linux

package php_test

import (
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/bridge/php"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/moving"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

var users = []string{"alice", "bob"}

// TestMove takes over the sessions of PHP, of each handler, in Redis and in files.
func TestMove(t *testing.T) {
	for _, redis := range []bool{false, true} {
		for _, handler := range handlers {
			name := strings.ReplaceAll(handler.String(), "_", "-")
			t.Run(map[bool]string{false: "files/", true: "redis/"}[redis]+name, func(t *testing.T) {
				v, dir := native(t, handler, redis)
				s := moving.System{Source: v.Source, Open: moving.Visits(t, v, "user"), Users: users}
				s.Live(t)
				tool := moving.Tool{Store: "file:" + dir, Folder: dir, Args: []string{"--from", name, "--user-key", "user"}}
				if redis {
					servers.SharedRedis(t).Must(t, "FLUSHDB") // all handlers write under one prefix
					tool.Store, tool.Folder = "redis://"+servers.SharedRedis(t).Addr(), ""
				}
				s.Bulk(t, tool)
			})
		}
	}
}

// TestMoveLaravel does so with those of Laravel, in all stores.
func TestMoveLaravel(t *testing.T) {
	for name, open := range drivers {
		for _, from := range []string{"laravel", "laravel-encrypted"} {
			if from == "laravel" == (name == "MariaDB" || name == "file") {
				continue // once is enough for what is the same in all
			}
			t.Run(name+"/"+from, func(t *testing.T) {
				d := open(t)
				if name == "redis" {
					servers.SharedRedis(t).Must(t, "FLUSHDB")
				}
				v := laravelWith(t, name, d, php.AES256CBC, from == "laravel-encrypted", key1, appKey(key1))
				s := moving.System{Source: v.Source.(flat).Source, Open: moving.Visits(t, v, "user"), Users: users}
				s.Live(t)
				d.tool.Secret, d.tool.Args = appKey(key1), append(d.tool.Args, "--from", from)
				s.Bulk(t, d.tool)
			})
		}
	}
}
