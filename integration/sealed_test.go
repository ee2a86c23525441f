//go:build linux

package integration_test

import (
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sealedstore"
	"github.com/coatcheck/coatcheck/storetest"
)

// TestSealed: a store around which sealedstore is put keeps the contract like
// itself.
func TestSealed(t *testing.T) {
	t.Parallel()
	for _, inner := range []struct {
		name   string
		stores func(t *testing.T) func(*testing.T) coatcheck.Store
	}{
		{"SQLite", func(*testing.T) func(*testing.T) coatcheck.Store { return newSQLite }},
		{"PostgreSQL", newPostgresStores},
		{"MariaDB", func(t *testing.T) func(*testing.T) coatcheck.Store {
			return newMariaDBStores(t, "interpolateParams=true")
		}},
		{"Redis", func(*testing.T) func(*testing.T) coatcheck.Store {
			return func(t *testing.T) coatcheck.Store {
				return openRedis(t, at(servers.SharedRedis(t).Addr()), redisstore.Config{})
			}
		}},
		{"Redis Cluster", func(*testing.T) func(*testing.T) coatcheck.Store {
			return func(t *testing.T) coatcheck.Store {
				return openRedis(t, at(servers.SharedRedisCluster(t).Addrs()...), redisstore.Config{})
			}
		}},
	} {
		t.Run(inner.name, func(t *testing.T) {
			t.Parallel()
			open, keys := inner.stores(t), newKeys(t)
			storetest.Run(t, func(t *testing.T) coatcheck.Store {
				store, err := sealedstore.New(open(t), keys)
				if err != nil {
					t.Fatal(err)
				}
				return store
			})
		})
	}
}
