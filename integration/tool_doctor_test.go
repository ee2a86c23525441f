//go:build linux

package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// A finding is one line of coatcheck doctor.
type finding struct{ What, Says, Do, Level string }

// A patient is a store, and what is done to its engine.
type patient struct {
	program *servers.Coatcheck
	url     string
}

// sees runs doctor, wants it to end with the status, and returns what is wrong.
// args stand behind the store.
func (p *patient) sees(t *testing.T, status int, args ...string) (wrong []finding) {
	t.Helper()
	text := run(t, p.program, status, "[{", append([]string{"doctor", "--json", "--store", p.url}, args...)...)
	var all []finding
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("doctor --json: %v in %s", err, text)
	}
	for _, f := range all {
		if f.Level == "wrong" {
			wrong = append(wrong, f)
		}
	}
	return wrong
}

// healthy: nothing is wrong, in a report for people, and the rules are kept.
func (p *patient) healthy(t *testing.T) {
	t.Helper()
	out := run(t, p.program, 0, "the store keeps every rule\n", "doctor", "--store", p.url)
	for _, want := range []string{" version ", " clock ", " latency ", " is wrong.\n"} {
		if !strings.Contains(strings.ReplaceAll(out, "127.0.0.1", " version "), want) {
			t.Errorf("doctor: no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "WRONG") {
		t.Errorf("doctor: something is wrong:\n%s", out)
	}
}

// ill wants exactly these things wrong, each a name and a word of what it says.
func (p *patient) ill(t *testing.T, want ...[2]string) []finding {
	t.Helper()
	wrong := p.sees(t, 1, "--quick")
	ok := len(wrong) == len(want)
	for _, w := range want {
		ok = ok && slices.ContainsFunc(wrong, func(f finding) bool {
			return strings.HasPrefix(f.What, w[0]) && strings.Contains(f.Says, w[1]) && f.Do != ""
		})
	}
	if !ok {
		t.Errorf("doctor finds %+v; want %q", wrong, want)
	}
	return wrong
}

// heal does what the report says where that is SQL.
func heal(t *testing.T, wrong []finding, exec func(query string)) {
	t.Helper()
	for _, f := range wrong {
		query, _, _ := strings.Cut(strings.TrimPrefix(f.Do, "give the application the address of the primary, or: "), "; and the same")
		for q := range strings.SplitSeq(query, ";") {
			if q = strings.TrimSpace(q); strings.HasPrefix(q, "ALTER ") || strings.HasPrefix(q, "SELECT ") || strings.HasPrefix(q, "SET GLOBAL ") {
				exec(q)
			}
		}
	}
}

// TestToolDoctor: on each engine, as it comes and with each bad setting, and
// what the report says to do makes it well.
func TestToolDoctor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		test func(*testing.T, *servers.Coatcheck)
	}{
		{"SQLite", doctorSQLite}, {"PostgreSQL", doctorPostgres}, {"MariaDB", doctorMariaDB}, {"MySQL", doctorMySQL},
		{"Redis", doctorRedis}, {"Valkey", doctorValkey}, {"Redis Sentinel", doctorSentinel}, {"Redis Cluster", doctorCluster}, {"away", doctorAway},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, newProgram(t))
		})
	}
}

func doctorSQLite(t *testing.T, program *servers.Coatcheck) {
	p := patient{program, sqliteURL(t, program)}
	run(t, program, 0, "up to date", "store", "migrate", "--store", p.url)
	p.healthy(t)
	file := strings.TrimPrefix(p.url, "sqlite:")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	db := openSQLite(t, file)
	if _, err := db.ExecContext(t.Context(), "PRAGMA journal_mode = DELETE"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	p.ill(t, [2]string{"journal_mode", "delete"}, [2]string{"file", "others may read"})
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	db = openSQLite(t, file)
	if _, err := db.ExecContext(t.Context(), "PRAGMA journal_mode = WAL"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if wrong := p.sees(t, 1, "--quick", "--prefix", "other_"); len(wrong) != 3 || !strings.Contains(wrong[0].Says, "other_sessions is missing") {
		t.Errorf("under another prefix: got %+v", wrong)
	}
	p.sees(t, 0, "--quick")
}

func doctorPostgres(t *testing.T, program *servers.Coatcheck) {
	server := servers.NewPostgres(t)
	dsn := server.DSN(server.NewDatabase(t))
	p := patient{program, dsn}
	run(t, program, 0, "up to date", "store", "migrate", "--store", p.url)
	p.healthy(t)
	db := openSQL(t, "pgx", dsn)
	exec := func(query string) {
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), query); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	for _, query := range []string{
		"ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "ALTER SYSTEM SET synchronous_commit = off",
		"ALTER SYSTEM SET autovacuum = off", "ALTER TABLE coatcheck_sessions SET UNLOGGED", "SELECT pg_reload_conf()",
	} {
		exec(query)
	}
	heal(t, p.ill(t, [2]string{"fsync", "off"}, [2]string{"full_page_writes", "off"}, [2]string{"synchronous_commit", "sessions that had ended are alive again"},
		[2]string{"autovacuum", "off"}, [2]string{"table", "unlogged"}), exec)
	p.sees(t, 0, "--quick")
	p.url = dsn + "&default_transaction_isolation=serializable"
	p.ill(t, [2]string{"isolation", "serializable"})
	p.url = dsn + "&default_transaction_read_only=on"
	p.ill(t, [2]string{"role", "takes no changes"})
}

func doctorMariaDB(t *testing.T, program *servers.Coatcheck) {
	doctorMySQLs(t, program, servers.NewMariaDB(t), "MariaDB 1", "tx_isolation")
}

func doctorMySQL(t *testing.T, program *servers.Coatcheck) {
	doctorMySQLs(t, program, servers.NewMySQL(t, "--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1"), "MySQL ", "transaction_isolation")
}

func doctorMySQLs(t *testing.T, program *servers.Coatcheck, server *servers.MariaDBServer, product, isolation string) {
	name := server.NewDatabase(t)
	p := patient{program, server.URL(name)}
	run(t, program, 0, "up to date", "store", "migrate", "--store", p.url)
	p.healthy(t)
	run(t, program, 0, product, "doctor", "--quick", "--store", p.url)
	db := openSQL(t, "mysql", server.DSN(name))
	exec := func(query string) {
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), query); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	for _, query := range []string{
		"SET GLOBAL innodb_flush_log_at_trx_commit = 2", "SET GLOBAL read_only = ON", "SET GLOBAL " + isolation + " = 'SERIALIZABLE'",
		"ALTER TABLE coatcheck_users ENGINE = MyISAM",
	} {
		exec(query)
	}
	heal(t, p.ill(t, [2]string{"innodb_flush_log_at_trx_commit", "2"}, [2]string{"read_only", "ON"}, [2]string{"isolation", "SERIALIZABLE"},
		[2]string{"table", "MyISAM"}), exec)
	p.sees(t, 0, "--quick")
	p.url += "?timestamp=1000000000" // what the server then says the time is
	p.ill(t, [2]string{"clock", "behind this machine's"})
}

func doctorRedis(t *testing.T, program *servers.Coatcheck) {
	server := servers.NewRedis(t, "appendonly yes", "maxmemory 256mb")
	p := patient{program, "redis://" + server.Addr()}
	p.healthy(t)
	addr := server.Addr()
	server.Must(t, "CONFIG", "SET", "appendfsync", "no")
	p.ill(t, [2]string{addr, "appendfsync is no"})
	server.Must(t, "CONFIG", "SET", "appendfsync", "everysec")
	server.Must(t, "CONFIG", "SET", "appendonly", "no")
	server.Must(t, "CONFIG", "SET", "save", "60 1")
	p.ill(t, [2]string{addr, "snapshots without an append-only file"})
	server.Must(t, "CONFIG", "SET", "save", "")
	p.sees(t, 0, "--quick")

	// Something was evicted, which stays so when the policy is mended.
	server.Must(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	server.Must(t, "SET", "filling", strings.Repeat("x", 1<<20))
	server.Must(t, "CONFIG", "SET", "maxmemory", "1mb")
	servers.Until(func() error { // the next command evicts
		if server.Info("evicted_keys") == "0" {
			_, err := server.Do("SET", "more", "x")
			return err
		}
		return nil
	})
	server.Must(t, "CONFIG", "SET", "maxmemory", "256mb")
	p.ill(t, [2]string{addr, "maxmemory-policy is allkeys-lru"}, [2]string{addr, "keys were evicted"})
	server.Must(t, "CONFIG", "SET", "maxmemory-policy", "noeviction")
	p.ill(t, [2]string{addr, "keys were evicted"})
	server.Must(t, "CONFIG", "RESETSTAT")
	p.sees(t, 0, "--quick")

	replica := servers.NewRedis(t, "replicaof 127.0.0.1 "+addr[strings.LastIndexByte(addr, ':')+1:])
	p.url = "redis://" + replica.Addr()
	if wrong := p.sees(t, 1, "--quick"); !slices.ContainsFunc(wrong, func(f finding) bool {
		return strings.Contains(f.Says, "replica") || strings.Contains(f.Says, "READONLY")
	}) {
		t.Errorf("a replica: got %+v", wrong)
	}
}

func doctorValkey(t *testing.T, program *servers.Coatcheck) {
	server := servers.NewValkey(t, "appendonly yes", "maxmemory 256mb")
	p := patient{program, "redis://" + server.Addr()}
	p.healthy(t)
	run(t, program, 0, "Valkey ", "doctor", "--quick", "--store", p.url)
	server.Must(t, "CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
	server.Must(t, "CONFIG", "SET", "appendfsync", "no")
	p.ill(t, [2]string{server.Addr(), "maxmemory-policy is volatile-ttl"}, [2]string{server.Addr(), "appendfsync is no"})
}

// doctorSentinel: the replicas are looked at, since one of them is the primary
// after a failover, and so is who decides on that.
func doctorSentinel(t *testing.T, program *servers.Coatcheck) {
	set := servers.NewRedisSentinel(t)
	p := patient{program, sentinelURL(set)}
	p.healthy(t)
	for _, want := range []string{"primary\n", "2 replicas; unless logins", "a replica of " + set.Nodes[0].Addr() + ", in step", "Sentinel: 3 usable Sentinels"} {
		run(t, program, 0, want, "doctor", "--quick", "--store", p.url)
	}
	replica := set.Nodes[1].Addr()
	set.Nodes[1].Must(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	p.ill(t, [2]string{replica, "when it takes over"})
	set.Nodes[1].Must(t, "CONFIG", "SET", "maxmemory-policy", "noeviction")
	p.sees(t, 0, "--quick")
	one := strings.Split(p.url, ",")
	run(t, program, 0, "1 Sentinel is named", "doctor", "--quick", "--store", one[0]+"/"+servers.RedisMasterSet)

	for _, sentinel := range set.Sentinels[1:] {
		sentinel.Kill()
	}
	wants := [][2]string{{set.Sentinels[0].Addr(), "could do no failover"}, {set.Sentinels[1].Addr(), "does not answer"}, {set.Sentinels[2].Addr(), "does not answer"}}
	// For as long as the others are not down for it, it believes that it could.
	if err := servers.Until(func() error {
		if text, err := set.Sentinels[0].Do("SENTINEL", "CKQUORUM", servers.RedisMasterSet); err == nil {
			return errors.New(text)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	p.ill(t, wants...)
}

func doctorCluster(t *testing.T, program *servers.Coatcheck) {
	cluster := servers.NewRedisCluster(t)
	p := patient{program, clusterURL(cluster)}
	p.healthy(t)
	run(t, program, 0, "Cluster: whole, 3 parts", "doctor", "--quick", "--store", p.url)
	run(t, program, 0, " clocks ", "doctor", "--quick", "--store", p.url)
	last := cluster.Nodes[len(cluster.Nodes)-1]
	last.Must(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	p.ill(t, [2]string{last.Addr(), "maxmemory-policy is allkeys-lru"})
	last.Must(t, "CONFIG", "SET", "maxmemory-policy", "noeviction")
	p.sees(t, 0, "--quick")
	// The replica is away, and a slot that nobody serves.
	last.Kill()
	first := cluster.Nodes[0]
	first.Must(t, "CLUSTER", "DELSLOTS", "0")
	if err := servers.Until(func() error {
		if nodes, err := first.Do("CLUSTER", "NODES"); err != nil || !strings.Contains(nodes, "slave,fail ") {
			return errors.Join(err, errors.New(nodes))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	wrong := p.sees(t, 1, "--quick")
	for addr, says := range map[string]string{first.Addr(): "16383 of 16384 slots serve", last.Addr(): "this server "} {
		if !slices.ContainsFunc(wrong, func(f finding) bool { return f.What == addr && strings.Contains(f.Says, says) && f.Do != "" }) {
			t.Errorf("doctor finds %+v; want of %s %q", wrong, addr, says)
		}
	}
}

// doctorAway: a store that is not there is one thing that is wrong, and its
// password is nobody's to see.
func doctorAway(t *testing.T, program *servers.Coatcheck) {
	p := patient{program, "postgres://bob:hunter2@127.0.0.1:1/x"}
	if wrong := p.sees(t, 1); len(wrong) != 1 || wrong[0].What != "store" || strings.Contains(wrong[0].Says, "hunter2") {
		t.Errorf("got %+v", wrong)
	}
	run(t, program, 2, "no store is given", "doctor", "--quick")
}
