//go:build linux

package integration_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// A fault is what happens while people use the site. It returns when all is
// there again.
type fault struct {
	name string
	do   func() error
}

// faultPlaces are stores on servers of their own that keep what they have
// acknowledged, with what can happen to them.
var faultPlaces = []struct {
	name string
	open func(t *testing.T, program *servers.Coatcheck) (url string, faults []fault)
}{
	{"SQLite", func(t *testing.T, program *servers.Coatcheck) (string, []fault) { return sqliteURL(t, program), nil }},
	{"PostgreSQL", func(t *testing.T, _ *servers.Coatcheck) (string, []fault) {
		server := servers.NewPostgres(t)
		dsn := server.DSN(server.NewDatabase(t))
		db := openSQL(t, "pgx", dsn)
		return dsn, append([]fault{{"dropped connections", func() error { return killPostgres(t.Context(), db) }}, {"restart", server.Restart}}, harm(server.Process)...)
	}},
	{"MariaDB", func(t *testing.T, _ *servers.Coatcheck) (string, []fault) {
		server := servers.NewMariaDB(t)
		name := server.NewDatabase(t)
		db := openSQL(t, "mysql", server.DSN(name))
		return server.URL(name), append([]fault{{"dropped connections", func() error { return killMariaDB(t.Context(), db) }}}, harm(server.Process)...)
	}},
	{"Redis", func(t *testing.T, _ *servers.Coatcheck) (string, []fault) {
		server := servers.NewRedis(t, durable...)
		drop := func() error { _, err := server.Do("CLIENT", "KILL", "TYPE", "normal"); return err }
		return "redis://" + server.Addr(), append([]fault{{"dropped connections", drop}}, harm(server.Process)...)
	}},
	{"Redis Cluster", func(t *testing.T, _ *servers.Coatcheck) (string, []fault) {
		cluster := servers.NewRedisCluster(t, durable...)
		return clusterURL(cluster), []fault{
			{"a master is killed and comes back as a replica", func() error {
				cluster.Nodes[0].Kill()
				cluster.AwaitFailover(t, 0)
				return cluster.Nodes[0].Start()
			}},
			{"another hangs for 5 s, and its replica takes over", func() error {
				err := hang(cluster.Nodes[1].Process)
				cluster.AwaitFailover(t, 1)
				return err
			}},
		}
	}},
}

// harm is what can happen to any server.
func harm(p *servers.Process) []fault {
	return []fault{
		{"hangs for 5 s", func() error { return hang(p) }},
		{"kill -9", func() error { return crash(p) }},
	}
}

// TestServeFaults: people are answered rightly or with 503 while their store
// fails, or coatcheck serve itself does, and everything is there afterwards; but
// a replica that takes over in a Cluster may lack the last writes, for serve waits
// for no replicas. The service recovers by itself, and leaves no goroutine and no
// connection behind. A real Prometheus asks it all the time, and what it has counted
// is what people were answered.
func TestServeFaults(t *testing.T) {
	t.Parallel()
	for _, place := range faultPlaces {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
			program := newProgram(t)
			url, faults := place.open(t, program)
			metrics := servers.FreeAddr(t)
			site := program.Serve(t, "--store", url, "--metrics", metrics)
			scraped := newScraped(t, metrics)
			p := newPeople(t, site, strings.Contains(url, "cluster"))
			p.await(t, 300)
			before := site.Descriptors()
			faults = append(faults, fault{"kill -9 of serve", func() error { return scraped.crash(t, p) }})
			for _, fault := range faults {
				answered, unavailable := p.answered.Load(), p.unavailable.Load()
				if err := fault.do(); err != nil {
					t.Fatalf("%s: %v", fault.name, err)
				}
				t.Logf("%s: %d answers meanwhile, %d times 503", fault.name, p.answered.Load()-answered, p.unavailable.Load()-unavailable)
				p.await(t, 300)
			}
			p.finish(t)
			scraped.agree(t, p)
			noLeaks(t, p, before)
		})
	}
}

const (
	// spare is what a pool may have opened since: 16 connections to a server, or
	// to a SQLite file with its log.
	spare = 2 * 16

	// restless is how many goroutines the connections of 16 people and of a
	// pool of 16 may have, and a few more.
	restless = 4*16 + 36
)

// noLeaks ends the server, which tells what it had open.
func noLeaks(t *testing.T, p *people, before int) {
	t.Helper()
	if err := servers.Until(func() error {
		if now := p.site.Descriptors(); now > before+spare {
			return fmt.Errorf("%d files and connections are open; want about %d as before the faults", now, before)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	now := p.site.Descriptors()
	goroutines := p.site.Goroutines()
	if goroutines == 0 || goroutines > restless {
		t.Errorf("%d goroutines are left; want at most %d", goroutines, restless)
	}
	t.Logf("%d files and connections open before the faults, %d after; %d goroutines", before, now, goroutines)
}
