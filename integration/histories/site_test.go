//go:build linux

package histories_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// A site is some processes with one store, and what can be done to them.
type site struct {
	workers   []*servers.Worker
	client    *http.Client
	server    *servers.Process // of the store, if it is one
	forwarder *servers.Forwarder
	drop      func()                // closes the connections with the store, where there is no forwarder
	failover  func() error          // hands the store over to another server
	disk      func(full bool) error // is there room for files to grow?
	far       bool                  // the clocks are further apart than a tombstone stands
	apart     bool                  // the clocks differ
	whole     bool                  // calls of the store about several ids take effect at once
	durable   bool                  // no confirmed write can be lost; else only logins and ends are

	requests, ended, conflicts, unknown atomic.Int64
}

// url of a process, or of a manager where all are in one.
func (s *site) url(process int) string {
	if len(s.workers) == 1 {
		return fmt.Sprintf("http://127.0.0.1:%d", s.workers[0].Ports[process])
	}
	return fmt.Sprintf("http://127.0.0.1:%d", s.workers[process].Port)
}

func (s *site) processes() int { return max(len(s.workers), len(s.workers[0].Ports)) }

// An engine is a kind of store. Clocks are how far each process's is ahead.
type engine struct {
	name  string
	start func(t testing.TB, clocks []int, flags ...string) *site
}

// together and the others say how far apart clocks are, in seconds.
var (
	together = []int{0, 0, 0}
	near     = []int{0, 2, -2}
	far      = []int{0, 90, -90}
)

var engines = []engine{
	{"memory", startMemory},
	{"SQLite", startSQLite},
	{"PostgreSQL", startPostgres},
	{"MariaDB", startMariaDB},
	{"Redis", startRedis},
	{"Redis Sentinel", startSentinel},
	{"Redis Cluster", startCluster},
}

// newSite starts a worker for each clock.
func newSite(t testing.TB, url string, clocks []int, flags ...string) *site {
	s := &site{whole: true, durable: true}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	s.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	env := []string{"SECRET_KEY=" + rand.Text() + rand.Text()}
	for _, ahead := range clocks {
		s.workers = append(s.workers, servers.NewWorker(t, env, 1, append([]string{"-store", url, "-clock", fmt.Sprint(ahead)}, flags...)...))
		s.far = s.far || ahead >= 30 || ahead <= -30
		s.apart = s.apart || ahead != 0
	}
	return s
}

// startMemory starts one process with as many managers: they share its store.
func startMemory(t testing.TB, clocks []int, flags ...string) *site {
	s := newSite(t, "memory:", nil)
	env := []string{"SECRET_KEY=" + rand.Text() + rand.Text()}
	s.workers = []*servers.Worker{servers.NewWorker(t, env, len(clocks), flags...)}
	return s
}

func startSQLite(t testing.TB, clocks []int, flags ...string) *site {
	file := filepath.Join(servers.NewFolder(t), "sessions.db")
	s := newSite(t, "sqlite:"+file, clocks, flags...)
	s.disk = func(full bool) error {
		for _, w := range s.workers {
			if err := w.LimitFiles(full); err != nil {
				return err
			}
		}
		return nil
	}
	return s
}

func startPostgres(t testing.TB, clocks []int, flags ...string) *site {
	server := servers.NewPostgres(t, "-c", "fsync=off") // it is killed, not its machine
	name := server.NewDatabase(t)
	f := servers.NewForwarder(t, server.Port)
	url := strings.Replace(server.DSN(name), fmt.Sprint(server.Port), fmt.Sprint(f.Port), 1)
	s := newSite(t, url, clocks, flags...)
	s.server, s.forwarder, s.disk = server.Process, f, server.LimitFiles
	return s
}

func startMariaDB(t testing.TB, clocks []int, flags ...string) *site {
	server := servers.NewMariaDB(t, "--innodb-flush-log-at-trx-commit=2") // the same
	name := server.NewDatabase(t)
	f := servers.NewForwarder(t, server.Port)
	url := "mysql:" + strings.Replace(server.DSN(name, "interpolateParams=true"), fmt.Sprint(server.Port), fmt.Sprint(f.Port), 1)
	s := newSite(t, url, clocks, flags...)
	s.server, s.forwarder = server.Process, f
	return s
}

// keeping is a Redis that has written what it acknowledges.
var keeping = []string{"appendonly yes", "appendfsync always"}

func startRedis(t testing.TB, clocks []int, flags ...string) *site {
	server := servers.NewRedis(t, keeping...)
	f := servers.NewForwarder(t, server.Port)
	s := newSite(t, fmt.Sprintf("redis://127.0.0.1:%d", f.Port), clocks, flags...)
	s.server, s.forwarder = server.Process, f
	s.whole = false // User reads the list and then the records
	return s
}

func startSentinel(t testing.TB, clocks []int, flags ...string) *site {
	set := servers.NewRedisSentinel(t)
	s := newSite(t, "redis+sentinel://"+strings.Join(set.Addrs(), ",")+"/"+servers.RedisMasterSet, clocks, append(flags, "-wait", "2")...) // Sentinel may choose either
	s.durable, s.whole = false, false                                                                                                      // of changes of values a failover may lose the last
	s.drop = dropRedis(set.Nodes)
	s.failover = func() error {
		master, err := set.Master()
		if err != nil {
			return err
		}
		master.Kill()
		return errors.Join(patiently(func() error { return set.AwaitMaster(master) }), set.Rejoin(master), patiently(set.AwaitWhole))
	}
	return s
}

func startCluster(t testing.TB, clocks []int, flags ...string) *site {
	cluster := servers.NewRedisCluster(t)
	s := newSite(t, "redis+cluster://"+strings.Join(cluster.Addrs(), ","), clocks, append(flags, "-wait", "1")...)
	s.durable, s.whole = false, false
	s.drop = dropRedis(cluster.Nodes)
	n := 0
	s.failover = func() error {
		master, err := cluster.MasterOf(n % 3)
		if n++; err != nil {
			return err
		}
		master.Kill()
		return errors.Join(patiently(func() error { return cluster.AwaitOther(master) }), master.Start(), patiently(cluster.AwaitWhole))
	}
	return s
}

// patiently waits longer than servers.Until does: the machine may be busy.
func patiently(until func() error) (err error) {
	for range 10 {
		if err = until(); err == nil {
			return nil
		}
	}
	return err
}

func dropRedis(nodes []*servers.Redis) func() {
	return func() {
		for _, node := range nodes {
			_, _ = node.Do("CLIENT", "KILL", "TYPE", "normal")
		}
	}
}
