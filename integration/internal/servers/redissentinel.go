//go:build linux

package servers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A RedisSentinel is a master with two replicas and three sentinels.
type RedisSentinel struct{ Nodes, Sentinels []*Redis }

// RedisMasterSet is the name of the set.
const RedisMasterSet = "sessions"

// NewRedisSentinel starts them for one test.
func NewRedisSentinel(t testing.TB, settings ...string) *RedisSentinel {
	t.Helper()
	program := redisProgram(t)
	s, err := startRedisSentinel(program, settings...)
	return own(t, s, err)
}

func startRedisSentinel(program string, settings ...string) (s *RedisSentinel, err error) {
	s = &RedisSentinel{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.remove())
		}
	}()
	for i := range 3 {
		own := settings
		if i > 0 {
			own = append([]string{"replicaof 127.0.0.1 " + strconv.Itoa(s.Nodes[0].Port)}, settings...)
		}
		node, err := startRedis(program, own...)
		if err != nil {
			return s, err
		}
		s.Nodes = append(s.Nodes, node)
	}
	for range 3 {
		node, err := startRedis(program,
			"sentinel monitor "+RedisMasterSet+" 127.0.0.1 "+strconv.Itoa(s.Nodes[0].Port)+" 2",
			"sentinel down-after-milliseconds "+RedisMasterSet+" 1000",
			"sentinel failover-timeout "+RedisMasterSet+" 5000")
		if err != nil {
			return s, err
		}
		s.Sentinels = append(s.Sentinels, node)
	}
	return s, Until(s.whole)
}

func (s *RedisSentinel) whole() error {
	for _, sentinel := range s.Sentinels {
		text, err := sentinel.Do("SENTINEL", "CKQUORUM", RedisMasterSet)
		if err == nil && !strings.HasPrefix(text, "OK 3") {
			err = errors.New("sentinels: " + text)
		}
		if err != nil {
			return err
		}
		if replicas := sentinel.Info("master0"); !strings.Contains(replicas, "slaves=2") {
			return errors.New("sentinel knows " + replicas)
		}
	}
	return nil
}

// AwaitFailover waits until the sentinels name another master than Nodes[0],
// and returns it.
func (s *RedisSentinel) AwaitFailover(t testing.TB) *Redis {
	t.Helper()
	var master *Redis
	if err := Until(func() error {
		text, err := s.Sentinels[0].Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", RedisMasterSet)
		if err != nil {
			return err
		}
		for _, node := range s.Nodes[1:] {
			if strings.HasSuffix(text, "\n"+strconv.Itoa(node.Port)) && node.Info("role") == "master" {
				master = node
				return nil
			}
		}
		return errors.New("master is still " + text)
	}); err != nil {
		t.Fatal(err)
	}
	return master
}

// Addrs are the addresses of the sentinels.
func (s *RedisSentinel) Addrs() (all []string) {
	for _, sentinel := range s.Sentinels {
		all = append(all, sentinel.Addr())
	}
	return all
}

func (s *RedisSentinel) remove() (err error) {
	for _, node := range append(s.Sentinels, s.Nodes...) {
		err = errors.Join(err, node.remove())
	}
	return err
}

// Master is the node that the sentinels name.
func (s *RedisSentinel) Master() (*Redis, error) {
	text, err := s.Sentinels[0].Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", RedisMasterSet)
	if err != nil {
		return nil, err
	}
	for _, node := range s.Nodes {
		if strings.HasSuffix(text, "\n"+strconv.Itoa(node.Port)) {
			return node, nil
		}
	}
	return nil, errors.New("master is " + text)
}

// AwaitMaster waits until the sentinels name another master than that one, and
// it serves.
func (s *RedisSentinel) AwaitMaster(than *Redis) error {
	return Until(func() error {
		master, err := s.Master()
		if err == nil && (master == than || master.Info("role") != "master") {
			err = errors.New("there is no other master yet")
		}
		return err
	})
}

// AwaitWhole waits until the master has two replicas that have its data, and all
// sentinels agree.
func (s *RedisSentinel) AwaitWhole() error {
	return Until(func() error {
		master, err := s.Master()
		if err == nil && (master.Info("connected_slaves") != "2" || !strings.Contains(master.Info("slave0"), "state=online") ||
			!strings.Contains(master.Info("slave1"), "state=online")) {
			err = errors.New("a replica has no link to its master")
		}
		if err != nil {
			return err
		}
		return s.whole()
	})
}

// Rejoin starts a node that was killed as a replica of the present master. As it
// was, it would come back without its data as a master for as long as it takes the
// sentinels to notice.
func (s *RedisSentinel) Rejoin(node *Redis) error {
	master, err := s.Master()
	if err != nil {
		return err
	}
	conf, err := os.OpenFile(filepath.Join(node.Dir, "redis.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conf, "\nreplicaof 127.0.0.1 %d\n", master.Port)
	return errors.Join(err, conf.Close(), node.Start())
}
