//go:build linux

package servers

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/internal/freeport"
)

// A RedisCluster has three masters, Nodes[:3], each with a replica, Nodes[3:].
type RedisCluster struct{ Nodes []*Redis }

const slots = 16384

// NewRedisCluster starts a Cluster for one test.
func NewRedisCluster(t testing.TB, settings ...string) *RedisCluster {
	t.Helper()
	program := redisProgram(t)
	c, err := startRedisCluster(program, settings...)
	return own(t, c, err)
}

// SharedRedisCluster returns the Cluster that all tests share.
func SharedRedisCluster(t testing.TB) *RedisCluster {
	t.Helper()
	program := redisProgram(t)
	return share(t, "redis cluster", func() (*RedisCluster, error) { return startRedisCluster(program) })
}

func startRedisCluster(program string, settings ...string) (c *RedisCluster, err error) {
	c = &RedisCluster{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.remove())
		}
	}()
	bus := make([]int, 6)
	for i := range bus {
		if bus[i], err = freeport.Reserve(); err != nil {
			return c, err
		}
		// The default bus port, 10,000 above, may be none.
		node, err := startRedis(program, append([]string{"cluster-enabled yes", "cluster-port " + strconv.Itoa(bus[i]),
			"cluster-node-timeout 2000", "cluster-require-full-coverage no", "cluster-replica-validity-factor 0"}, settings...)...)
		if err != nil {
			return c, err
		}
		c.Nodes = append(c.Nodes, node)
	}
	for i, node := range c.Nodes[:3] {
		args := []string{"CLUSTER", "ADDSLOTS"}
		for slot := slots * i / 3; slot < slots*(i+1)/3; slot++ {
			args = append(args, strconv.Itoa(slot))
		}
		if _, err := node.Do(args...); err != nil {
			return c, err
		}
		if _, err := node.Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return c, err
		}
	}
	for i, node := range c.Nodes[1:] {
		if _, err := c.Nodes[0].Do("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(node.Port), strconv.Itoa(bus[i+1])); err != nil {
			return c, err
		}
	}
	for i, node := range c.Nodes[3:] {
		id, err := c.Nodes[i].Do("CLUSTER", "MYID")
		if err == nil {
			err = Until(func() error { _, err := node.Do("CLUSTER", "REPLICATE", id); return err })
		}
		if err != nil {
			return c, err
		}
	}
	return c, Until(c.whole)
}

// whole returns nil when every node knows all slots and every master's replica
// has its data.
func (c *RedisCluster) whole() error {
	for i, node := range c.Nodes {
		state, err := node.Do("CLUSTER", "INFO")
		if err != nil {
			return err
		}
		if !strings.Contains(state, "cluster_state:ok") || !strings.Contains(state, "cluster_known_nodes:6") {
			return errors.New("cluster is not up:\n" + state)
		}
		if i >= 3 && node.Info("master_link_status") != "up" {
			return errors.New("a replica has no link to its master")
		}
	}
	return nil
}

// Addrs are the addresses of all nodes.
func (c *RedisCluster) Addrs() (all []string) {
	for _, node := range c.Nodes {
		all = append(all, node.Addr())
	}
	return all
}

// AwaitFailover waits until the replica of a master that was harmed serves in
// its place.
func (c *RedisCluster) AwaitFailover(t testing.TB, master int) {
	t.Helper()
	replica := c.Nodes[master+3]
	if err := Until(func() error {
		if role := replica.Info("role"); role != "master" {
			return errors.New("the replica is " + role)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func (c *RedisCluster) remove() (err error) {
	for _, node := range c.Nodes {
		err = errors.Join(err, node.remove())
	}
	return err
}

// MasterOf is the node that serves the slots which Nodes[n] had first.
func (c *RedisCluster) MasterOf(n int) (*Redis, error) {
	for _, node := range []*Redis{c.Nodes[n], c.Nodes[n+3]} {
		if node.Info("role") == "master" {
			return node, nil
		}
	}
	return nil, errors.New("neither is a master")
}

// AwaitOther waits until the other node serves in a master's place.
func (c *RedisCluster) AwaitOther(than *Redis) error {
	n := slices.Index(c.Nodes, than)
	return Until(func() error {
		if role := c.Nodes[(n+3)%6].Info("role"); role != "master" {
			return errors.New("the replica is " + role)
		}
		return nil
	})
}

// AwaitWhole waits until every master has a replica with its data.
func (c *RedisCluster) AwaitWhole() error {
	return Until(func() error {
		for n := range 3 {
			master, err := c.MasterOf(n)
			if err == nil && !strings.Contains(master.Info("slave0"), "state=online") {
				err = errors.New("a master has no replica")
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
