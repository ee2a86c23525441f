//go:build linux

package integration_test

import (
	"crypto/rand"
	"testing"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
)

// openRedis connects to servers. A test's keys have a prefix of its own.
func openRedis(t testing.TB, option rueidis.ClientOption, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	if cfg.Prefix == "" {
		cfg.Prefix = rand.Text() + ":"
	}
	if option.ReadBufferEachConn == 0 { // many stores at once
		option.ReadBufferEachConn, option.WriteBufferEachConn = 1<<15, 1<<15
	}
	s, err := redisstore.New(t.Context(), option, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func at(addrs ...string) rueidis.ClientOption { return rueidis.ClientOption{InitAddress: addrs} }

// redisKinds are the ways to run the contract.
var redisKinds = []struct {
	name string
	open func(t *testing.T) store.Store
}{
	{"standalone", func(t *testing.T) store.Store {
		return openRedis(t, at(servers.SharedRedis(t).Addr()), redisstore.Config{})
	}},
	{"cached", func(t *testing.T) store.Store {
		return openRedis(t, at(servers.SharedRedis(t).Addr()), redisstore.Config{ClientCache: 60e9})
	}},
	{"cluster", func(t *testing.T) store.Store {
		return openRedis(t, at(servers.SharedRedisCluster(t).Addrs()...), redisstore.Config{})
	}},
	{"cluster cached", func(t *testing.T) store.Store {
		return openRedis(t, at(servers.SharedRedisCluster(t).Addrs()...), redisstore.Config{ClientCache: 60e9})
	}},
	{"cluster with replicas", func(t *testing.T) store.Store {
		return openRedis(t, at(servers.SharedRedisCluster(t).Addrs()...), redisstore.Config{WaitReplicas: 1})
	}},
}

func TestRedis(t *testing.T) {
	for _, kind := range redisKinds {
		t.Run(kind.name, func(t *testing.T) { storetest.Run(t, kind.open) })
	}
}

func TestRedisCheck(t *testing.T) {
	for _, kind := range redisKinds {
		t.Run(kind.name, func(t *testing.T) {
			if err := storetest.Check(t.Context(), kind.open(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRedisRace is the proof of "1,000 interleavings": the rules on concurrent
// calls and on forced orders, over and over.
func TestRedisRace(t *testing.T) {
	for _, kind := range redisKinds {
		rounds := 1000
		if kind.name != "standalone" && kind.name != "cluster" {
			rounds = 100
		}
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			storetest.Race(t, kind.open, rounds)
		})
	}
}
