//go:build linux

package integration_test

import (
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
)

// The unit tests of an application may use miniredis, a Redis in Go within the
// test's process: there too the store keeps its contract, and one that cannot be
// had there is refused by New (docs/guide/stores-redis.md).
func TestMiniredis(t *testing.T) {
	t.Parallel()
	t.Run("by URL", func(t *testing.T) {
		t.Parallel()
		storetest.Run(t, func(t *testing.T) store.Store {
			option, err := redisstore.ParseURL("redis://" + miniredis.RunT(t).Addr())
			if err != nil {
				t.Fatal(err)
			}
			return openRedis(t, option, redisstore.Config{})
		})
	})
	// It answers CLUSTER SLOTS, so without ForceSingleClient it is a Cluster of
	// one: the other half of the scripts.
	t.Run("as a Cluster", func(t *testing.T) {
		t.Parallel()
		storetest.Run(t, func(t *testing.T) store.Store {
			return openRedis(t, at(miniredis.RunT(t).Addr()), redisstore.Config{})
		})
	})
	t.Run("cached", func(t *testing.T) {
		t.Parallel()
		st, err := redisstore.New(t.Context(), at(miniredis.RunT(t).Addr()), redisstore.Config{ClientCache: 60e9})
		if err == nil {
			st.Close()
			t.Error("New with a ClientCache: got no error, though miniredis cannot tell of changes")
		}
	})
}
