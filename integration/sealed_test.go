//go:build linux

package integration_test

import (
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sealedstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
)

// TestSealed: a store around which sealedstore is put keeps the contract like
// itself.
func TestSealed(t *testing.T) {
	t.Parallel()
	for _, inner := range []struct {
		name   string
		stores func(t *testing.T) func(*testing.T) store.Store
	}{
		{"SQLite", func(*testing.T) func(*testing.T) store.Store { return newSQLite }},
		{"PostgreSQL", newPostgresStores},
		{"MariaDB", func(t *testing.T) func(*testing.T) store.Store {
			return newMariaDBStores(t, "interpolateParams=true")
		}},
		{"Redis", func(*testing.T) func(*testing.T) store.Store {
			return func(t *testing.T) store.Store {
				return openRedis(t, at(servers.SharedRedis(t).Addr()), redisstore.Config{})
			}
		}},
		{"Redis Cluster", func(*testing.T) func(*testing.T) store.Store {
			return func(t *testing.T) store.Store {
				return openRedis(t, at(servers.SharedRedisCluster(t).Addrs()...), redisstore.Config{})
			}
		}},
	} {
		t.Run(inner.name, func(t *testing.T) {
			t.Parallel()
			open, keys := inner.stores(t), newKeys(t)
			storetest.Run(t, func(t *testing.T) store.Store {
				st, err := sealedstore.New(open(t), keys)
				if err != nil {
					t.Fatal(err)
				}
				return st
			})
		})
	}
}
