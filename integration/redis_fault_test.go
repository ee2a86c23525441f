//go:build linux

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/store"
)

// durable is a server that keeps every write it acknowledged.
var durable = []string{"appendonly yes", "appendfsync always"}

// TestRedisKill: G2, G5. With appendfsync always a crash loses nothing.
func TestRedisKill(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t, durable...)
	for _, kind := range []struct {
		name string
		cfg  redisstore.Config
	}{{"plain", redisstore.Config{}}, {"cached", redisstore.Config{ClientCache: time.Minute}}} {
		t.Run(kind.name, func(t *testing.T) {
			l := newLedger(t, openRedis(t, at(server.Addr()), kind.cfg), 4)
			for range 5 {
				l.recovers(t)
				server.Kill()
				if err := server.Start(); err != nil {
					t.Fatal(err)
				}
			}
			l.recovers(t)
			l.finish(t, true)
		})
	}
}

// TestRedisHang halts the server for 5 s: calls end with their context, and
// what was on its way is applied or not, but nothing is lost.
func TestRedisHang(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t)
	st := openRedis(t, at(server.Addr()), redisstore.Config{})
	l := newLedger(t, st, 4)
	l.recovers(t)
	server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := st.Load(ctx, redisID()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Load while the server hangs: got %v, want %v", err, context.DeadlineExceeded)
	}
	time.Sleep(5 * time.Second) // what is under test: a hang of that length
	server.Cont()
	l.recovers(t)
	l.finish(t, true)
}

// TestRedisDropped cuts all connections over and over.
func TestRedisDropped(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t)
	for _, cfg := range []redisstore.Config{{}, {ClientCache: time.Minute}} {
		l := newLedger(t, openRedis(t, at(server.Addr()), cfg), 4)
		for range 20 {
			l.recovers(t)
			server.Must(t, "CLIENT", "KILL", "TYPE", "normal")
		}
		l.recovers(t)
		l.finish(t, true)
	}
}

// TestRedisClusterFailover kills a master and lets it come back as a replica.
// What waited for the replica is there: logins, renewals, ends.
func TestRedisClusterFailover(t *testing.T) {
	t.Parallel()
	cluster := servers.NewRedisCluster(t)
	st := openRedis(t, at(cluster.Addrs()...), redisstore.Config{WaitReplicas: 1})
	l := newLedger(t, st, 4)
	l.recovers(t)
	cluster.Nodes[0].Kill()
	cluster.AwaitFailover(t, 0)
	if err := cluster.Nodes[0].Start(); err != nil {
		t.Fatal(err)
	}
	l.recovers(t)
	l.finish(t, false)
}

// TestRedisSentinelFailover kills the master behind Sentinel, or asks for
// another one while it serves. When asked, Sentinel may take a replica while
// the other one confirms: only who waits for both has lost nothing.
func TestRedisSentinelFailover(t *testing.T) {
	for _, c := range []struct {
		name string
		wait int
		fail func(t *testing.T, set *servers.RedisSentinel)
	}{
		{"killed", 1, func(_ *testing.T, set *servers.RedisSentinel) { set.Nodes[0].Kill() }},
		{"asked", 2, func(t *testing.T, set *servers.RedisSentinel) {
			set.Sentinels[0].Must(t, "SENTINEL", "FAILOVER", servers.RedisMasterSet)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			set := servers.NewRedisSentinel(t)
			option := at(set.Addrs()...)
			option.Sentinel.MasterSet = servers.RedisMasterSet
			st := openRedis(t, option, redisstore.Config{WaitReplicas: c.wait})
			l := newLedger(t, st, 4)
			l.recovers(t)
			c.fail(t, set)
			set.AwaitFailover(t)
			l.recovers(t)
			l.finish(t, false)
		})
	}
}

// TestRedisReplicas: with a replica that hangs, a login is not reported as
// done, nor taken for done by a core that looks; when the replica is back, the
// look confirms it.
func TestRedisReplicas(t *testing.T) {
	t.Parallel()
	master, replica := replicated(t)
	st := openRedis(t, at(master.Addr()), redisstore.Config{WaitReplicas: 1})
	before := redisRecord("u", nil)
	if err := st.Create(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	replica.Stop()
	rec := redisRecord("u", nil)
	if err := st.Create(t.Context(), rec); err == nil {
		t.Error("Create: got no error while no replica confirms")
	}
	if _, err := st.Load(t.Context(), rec.ID); err == nil {
		t.Error("Load of what no replica has: got no error")
	}
	until := time.Now().Add(time.Minute)
	for range 2 { // a second time too, when it finds what the first has done
		if _, err := st.End(t.Context(), before.ID, until); err == nil {
			t.Error("End: got no error while no replica confirms")
		}
	}
	if _, err := st.EndUser(t.Context(), "v", until, until); err == nil {
		t.Error("EndUser: got no error while no replica confirms")
	}
	if err := st.Create(t.Context(), redisRecord("", nil)); err != nil {
		t.Errorf("Create of an anonymous session: %v", err)
	}
	replica.Cont()
	if err := servers.Until(func() error { _, err := st.Load(t.Context(), rec.ID); return err }); err != nil {
		t.Errorf("Load when the replica is back: %v", err)
	}
	if _, err := st.End(t.Context(), before.ID, until); err != nil {
		t.Errorf("End when the replica is back: %v", err)
	}
}

// replicated is a server with one replica.
func replicated(t *testing.T) (master, replica *servers.Redis) {
	t.Helper()
	master = servers.NewRedis(t, "repl-ping-replica-period 3600")
	replica = servers.NewRedis(t, "replicaof 127.0.0.1 "+portOf(master))
	if err := servers.Until(func() error {
		if replica.Info("master_link_status") != "up" {
			return errors.New("the replica has no link")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return master, replica
}

// TestRedisReplicasAnyConnection: G2, G5. WAIT tells of its own connection's
// writes, on Valkey of nothing else. What no replica has is taken for safe on no
// connection: neither by a look on one that wrote nothing, nor by a call that
// finds everything done.
func TestRedisReplicasAnyConnection(t *testing.T) {
	t.Parallel()
	master, replica := replicated(t)
	st := openRedis(t, at(master.Addr()), redisstore.Config{Prefix: "r:", WaitReplicas: 1})
	ended := redisRecord("u", nil)
	if err := st.Create(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	replica.Stop()
	until := time.Now().Add(time.Hour)
	rec := redisRecord("u", []byte("data"))
	if err := st.Create(t.Context(), rec); err == nil {
		t.Fatal("Create: got no error while no replica confirms")
	}
	if _, err := st.End(t.Context(), ended.ID, until); err == nil {
		t.Fatal("End: got no error while no replica confirms")
	}
	calls := map[string]func() error{
		"Load of what was refused": func() error { _, err := st.Load(t.Context(), rec.ID); return err },
		"Load of what was ended": func() error {
			_, err := st.Load(t.Context(), ended.ID)
			if errors.Is(err, coatcheck.ErrEnded) {
				return nil
			}
			return err
		},
		"End again":     func() error { _, err := st.End(t.Context(), ended.ID, until); return err },
		"EndUser again": func() error { _, err := st.EndUser(t.Context(), "nobody", ended.AuthTime, until); return err },
	}
	for name, call := range calls {
		for range 2 {
			// Connections that have written nothing yet.
			master.Must(t, "CLIENT", "KILL", "TYPE", "normal")
			before := nudges(master)
			err := call()
			for ; errors.Is(err, io.EOF) || isClosed(err); err = call() { // the client had not noticed
			}
			if err == nil {
				t.Errorf("%s: taken for safe, and no replica has it", name)
			}
			if nudges(master) == before { // also where the server is of those that tell of everything
				t.Errorf("%s: nothing was written before WAIT, which then tells of nothing", name)
			}
		}
	}
	replica.Cont()
	for name, call := range calls {
		if err := servers.Until(call); err != nil {
			t.Errorf("%s when the replica is back: %v", name, err)
		}
	}
	// What the writes before WAIT did to the keys: nothing.
	if got, err := st.Load(t.Context(), rec.ID); err != nil || !reflect.DeepEqual(got, rec) {
		t.Errorf("Load: got %v, %v; want it as it was created", got, err)
	}
	if list, err := st.User(t.Context(), "u"); err != nil || len(list) != 1 {
		t.Errorf("User: got %v, %v; want one", list, err)
	}
	// And what another server, which takes over, has.
	replica.Must(t, "REPLICAOF", "NO", "ONE")
	other := openRedis(t, at(replica.Addr()), redisstore.Config{Prefix: "r:"})
	if _, err := other.Load(t.Context(), rec.ID); err != nil {
		t.Errorf("Load at the replica: %v", err)
	}
	if _, err := other.Load(t.Context(), ended.ID); !errors.Is(err, coatcheck.ErrEnded) {
		t.Errorf("Load of the ended session at the replica: got %v, want %v", err, coatcheck.ErrEnded)
	}
}

// nudges is how many writes the server has had that may go before WAIT.
func nudges(server *servers.Redis) int {
	calls := commandCalls(server)
	return calls["pexpire"] + calls["hdel"] + calls["unlink"]
}

func isClosed(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "closed") || strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "broken pipe"))
}

// A replacement is a Replace in a Cluster whose keys lie on three servers: the
// old session's on the first, the new one's on the second, the user's list on
// the third.
type replacement struct {
	cluster  *servers.RedisCluster
	prefix   string
	store    *redisstore.Store
	old, rec store.Record
}

func newReplacement(t *testing.T, cluster *servers.RedisCluster, prefix string) replacement {
	t.Helper()
	option := at(cluster.Addrs()...) // whose connections outlast the hangs, however long a busy machine takes
	option.ConnWriteTimeout, option.Dialer.KeepAlive = patience, patience
	r := replacement{cluster: cluster, prefix: prefix, store: openRedis(t, option, redisstore.Config{Prefix: prefix})}
	for r.rec.User = "u"; ownerOf(t, cluster, prefix+"u{}"+r.rec.User) != 2; r.rec.User += "u" {
	}
	user := r.rec.User
	for r.old = redisRecord(user, nil); ownerOf(t, cluster, prefix+"s"+string(r.old.ID[:])) != 0; r.old.ID = redisID() {
	}
	for r.rec = redisRecord(user, nil); ownerOf(t, cluster, prefix+"s"+string(r.rec.ID[:])) != 1; r.rec.ID = redisID() {
	}
	if err := r.store.Create(t.Context(), r.old); err != nil {
		t.Fatal(err)
	}
	return r
}

// ownerOf returns which master has the key.
func ownerOf(t *testing.T, cluster *servers.RedisCluster, key string) int {
	t.Helper()
	slot := cluster.Nodes[0].Must(t, "CLUSTER", "KEYSLOT", key)
	n := 0
	for _, c := range slot {
		n = n*10 + int(c-'0')
	}
	return min(n*3/16384, 2)
}

// replaceWhile runs the Replace while a node hangs, until it has done all that it
// can without it, and then gives it up.
func (r replacement) replaceWhile(t *testing.T, hung int) {
	t.Helper()
	node := r.cluster.Nodes[hung]
	node.Stop()
	defer node.Cont()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	replaced := make(chan error, 1)
	go func() { replaced <- r.store.Replace(ctx, r.old.ID, r.old.Version, r.rec, r.rec.Seen.Add(time.Minute)) }()
	if err := servers.Until(func() error {
		if n := unread(t, node.Port); n < aCommand {
			return fmt.Errorf("%d bytes wait for the server that hangs", n)
		}
		for i, command := range [][]string{1: {"EXISTS", r.prefix + "s" + string(r.rec.ID[:])}, 2: {"HEXISTS", r.prefix + "u{}" + r.rec.User, string(r.rec.ID[:])}} {
			if i > 0 && i != hung && r.cluster.Nodes[i].Must(t, command...) != "1" {
				return fmt.Errorf("server %d has not done its step", i)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	cancel()
	if err := receive(t, replaced, "Replace"); !errors.Is(err, context.Canceled) {
		t.Errorf("Replace that was given up: got %v, want %v", err, context.Canceled)
	}
}

// aCommand is fewer bytes than any of its calls has, and more than pings and the
// words of a replica come to in a few seconds.
const aCommand = 250

// unread returns how many bytes one connection to the port has that its server
// has not read.
func unread(t *testing.T, port int) (most int64) {
	t.Helper()
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(name)
		for line := range strings.Lines(string(text)) {
			// sl local_address rem_address st tx_queue:rx_queue …
			fields := strings.Fields(line)
			if len(fields) < 5 || fields[3] != "01" || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				continue
			}
			_, queue, _ := strings.Cut(fields[4], ":")
			if n, err := strconv.ParseInt(queue, 16, 64); err == nil {
				most = max(most, n)
			}
		}
	}
	return most
}

// TestRedisClusterHalfWay stops a Replace between its steps (S4, S8, S10).
func TestRedisClusterHalfWay(t *testing.T) {
	t.Parallel()
	// No failover: the hangs are short, and it is the steps that are under test.
	cluster := servers.NewRedisCluster(t, "cluster-node-timeout 60000")
	live := func(t *testing.T, r replacement, id store.ID, want error) {
		t.Helper()
		if _, err := r.store.Load(t.Context(), id); !errors.Is(err, want) {
			t.Errorf("Load: got %v, want %v", err, want)
		}
	}
	lists := func(t *testing.T, r replacement, want ...store.ID) {
		t.Helper()
		list, err := r.store.User(t.Context(), r.rec.User)
		if err != nil || len(list) != len(want) || len(want) == 1 && list[0].ID != want[0] {
			t.Errorf("User: got %v, %v; want %v", list, err, want)
		}
	}
	t.Run("decided, and nobody was told", func(t *testing.T) {
		r := newReplacement(t, cluster, "a:")
		r.replaceWhile(t, 0)
		// The command was in the server's hands: it goes on when the server does.
		live(t, r, r.old.ID, coatcheck.ErrEnded)
		live(t, r, r.rec.ID, nil)
		lists(t, r, r.rec.ID)
		next := r.rec
		next.Version = redisVersion()
		if err := r.store.Update(t.Context(), next, r.rec.Version); err != nil {
			t.Errorf("Update: %v", err)
		}
	})
	t.Run("updated before anybody looked", func(t *testing.T) {
		r := newReplacement(t, cluster, "b:")
		r.replaceWhile(t, 0)
		next := r.rec
		next.Version = redisVersion()
		if err := r.store.Update(t.Context(), next, r.rec.Version); err != nil {
			t.Errorf("Update: %v", err)
		}
		renewed := redisRecord(r.rec.User, nil)
		if err := r.store.Replace(t.Context(), next.ID, next.Version, renewed, renewed.Seen.Add(time.Minute)); err != nil {
			t.Errorf("Replace of it: %v", err)
		}
		lists(t, r, renewed.ID)
	})
	t.Run("replaced before anybody looked", func(t *testing.T) {
		r := newReplacement(t, cluster, "c:")
		r.replaceWhile(t, 0)
		renewed := redisRecord(r.rec.User, nil)
		if err := r.store.Replace(t.Context(), r.rec.ID, r.rec.Version, renewed, renewed.Seen.Add(time.Minute)); err != nil {
			t.Errorf("Replace of it: %v", err)
		}
		lists(t, r, renewed.ID)
	})
	t.Run("the new record is missing", func(t *testing.T) {
		r := newReplacement(t, cluster, "d:")
		r.replaceWhile(t, 1)
		live(t, r, r.old.ID, nil)
		live(t, r, r.rec.ID, store.ErrNotFound)
		lists(t, r, r.old.ID)
	})
	t.Run("the index entry is missing", func(t *testing.T) {
		r := newReplacement(t, cluster, "e:")
		r.replaceWhile(t, 2)
		live(t, r, r.old.ID, nil)
		live(t, r, r.rec.ID, store.ErrNotFound)
		lists(t, r, r.old.ID)
	})
	t.Run("revoked half way", func(t *testing.T) {
		for i := range 3 {
			r := newReplacement(t, cluster, "f"+string(rune('0'+i))+":")
			r.replaceWhile(t, i)
			until := time.Now().Add(time.Minute)
			ended, err := r.store.EndUser(t.Context(), r.rec.User, time.Now(), until)
			if err != nil || len(ended) != 1 {
				t.Errorf("EndUser: got %v, %v; want one session", ended, err)
			}
			lists(t, r)
			live(t, r, r.old.ID, coatcheck.ErrEnded)
			if _, err := r.store.Load(t.Context(), r.rec.ID); err == nil {
				t.Error("the new session lives after the revocation")
			}
		}
	})
	t.Run("kept half way", func(t *testing.T) {
		r := newReplacement(t, cluster, "h:")
		cluster.Nodes[1].Stop()
		defer cluster.Nodes[1].Cont()
		replaced := make(chan error, 1)
		go func() {
			replaced <- r.store.Replace(t.Context(), r.old.ID, r.old.Version, r.rec, r.rec.Seen.Add(time.Minute))
		}()
		// The list has the new session, and its record is not there.
		if err := servers.Until(func() error {
			if cluster.Nodes[2].Must(t, "HEXISTS", "h:u{}"+r.rec.User, string(r.rec.ID[:])) == "0" {
				return errors.New("no entry")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		ended, err := r.store.EndUser(t.Context(), r.rec.User, time.Now().Add(time.Minute), time.Now().Add(time.Minute), r.old.ID)
		if err != nil || len(ended) != 0 {
			t.Errorf("EndUser: got %v, %v; want none: what replaces a kept session is kept", ended, err)
		}
		cluster.Nodes[1].Cont()
		if err := receive(t, replaced, "Replace"); err != nil {
			t.Errorf("Replace of a kept session: %v", err)
		}
		lists(t, r, r.rec.ID)
		renewed := redisRecord(r.rec.User, nil)
		if err := r.store.Replace(t.Context(), r.rec.ID, r.rec.Version, renewed, renewed.Seen.Add(time.Minute)); err != nil {
			t.Errorf("Replace of what is kept too: %v", err)
		}
	})
	t.Run("commands that come too late", func(t *testing.T) {
		r := newReplacement(t, cluster, "g:")
		create := redisRecord(r.rec.User, nil)
		for ownerOf(t, cluster, "g:s"+string(create.ID[:])) != 0 {
			create.ID = redisID()
		}
		cluster.Nodes[0].Stop()
		defer cluster.Nodes[0].Cont()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := r.store.Replace(ctx, r.old.ID, r.old.Version, r.rec, r.rec.Seen.Add(time.Minute)); err == nil {
			t.Error("Replace: got no error")
		}
		ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := r.store.Create(ctx, create); err == nil {
			t.Error("Create: got no error")
		}
		// Longer than a command may take; after twice that its entry may go.
		time.Sleep(5500 * time.Millisecond)
		cluster.Nodes[0].Cont()
		live(t, r, r.old.ID, nil)
		live(t, r, r.rec.ID, store.ErrNotFound)
		live(t, r, create.ID, store.ErrNotFound)
		lists(t, r, r.old.ID)
	})
}

func portOf(s *servers.Redis) string { return strconv.Itoa(s.Port) }
