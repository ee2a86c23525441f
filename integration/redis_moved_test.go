//go:build linux

package integration_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/store"
)

// A fixed endpoint whose primary changes: connections stay with the old server,
// which answers and refuses. The store says so, drops them, and goes on with
// the new one without a restart of the program.
func TestRedisPrimaryMoves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		says   string
		demote func(t *testing.T, old, next *servers.Redis)
	}{
		{"READONLY", func(t *testing.T, old, next *servers.Redis) {
			old.Must(t, "REPLICAOF", "127.0.0.1", portOf(next))
		}},
		{"MASTERDOWN", func(t *testing.T, old, _ *servers.Redis) {
			old.Must(t, "CONFIG", "SET", "replica-read-only", "no") // or it says READONLY first
			old.Must(t, "CONFIG", "SET", "replica-serve-stale-data", "no")
			old.Must(t, "REPLICAOF", "127.0.0.1", "1")
		}},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			old := servers.NewRedis(t)
			next := servers.NewRedis(t)
			endpoint := newProxy(t, old.Addr())
			st := openRedis(t, at(endpoint.Addr()), redisstore.Config{Prefix: "m:"})
			rec := redisRecord("u", nil)
			if err := errors.Join(st.Create(t.Context(), rec), st.Ping(t.Context())); err != nil {
				t.Fatal(err)
			}
			replicate(t, next, old)
			next.Must(t, "REPLICAOF", "NO", "ONE")
			c.demote(t, old, next)
			// The endpoint has not moved yet: Ping says that nothing can be changed.
			if err := st.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Ping: got %v, want %s", err, c.says)
			}
			endpoint.move(next.Addr())
			goesOn(t, st, rec)
		})
	}
}

// replicate waits until the replica has all that the primary has.
func replicate(t *testing.T, replica, primary *servers.Redis) {
	t.Helper()
	replica.Must(t, "REPLICAOF", "127.0.0.1", portOf(primary))
	if err := servers.Until(func() error {
		if replica.Info("master_link_status") != "up" || replica.Info("slave_repl_offset") != primary.Info("master_repl_offset") {
			return errors.New("the replica is behind")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// goesOn fails the test if the store does not come to take changes again.
func goesOn(t *testing.T, st *redisstore.Store, rec store.Record) {
	t.Helper()
	next := rec
	next.Version = redisVersion()
	if err := servers.Until(func() error {
		err := st.Update(t.Context(), next, rec.Version)
		if errors.Is(err, coatcheck.ErrConflict) { // an earlier try whose answer was lost
			err = nil
		}
		return err
	}); err != nil {
		t.Errorf("Update long after the move: %v", err)
	}
	if err := servers.Until(func() error { return st.Ping(t.Context()) }); err != nil {
		t.Errorf("Ping long after the move: %v", err)
	}
	if got, err := st.Load(t.Context(), rec.ID); err != nil || got.Version != next.Version {
		t.Errorf("Load: got version %d, %v; want that of the update", got.Version, err)
	}
}

// Who only listens and reads is not left behind either: what ends on the new
// primary is told.
func TestRedisWatchMoves(t *testing.T) {
	t.Parallel()
	old, next := servers.NewRedis(t), servers.NewRedis(t)
	endpoint := newProxy(t, old.Addr())
	st := openRedis(t, at(endpoint.Addr()), redisstore.Config{Prefix: "m:"})
	rec := redisRecord("u", nil)
	if err := st.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told, ready := make(chan store.ID, 16), make(chan struct{}, 16)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil { // as Manager.Watch does
			_ = st.Watch(ctx, func() { offer(ready, struct{}{}) }, func(id store.ID) { offer(told, id) })
		}
	}()
	defer func() { cancel(); receive(t, watched, "the end of Watch") }()
	receive(t, ready, "Watch listens")
	replicate(t, next, old)
	next.Must(t, "REPLICAOF", "NO", "ONE")
	old.Must(t, "REPLICAOF", "127.0.0.1", portOf(next))
	endpoint.move(next.Addr())
	select {
	case <-ready: // on the new one
	case <-time.After(time.Minute):
		t.Fatal("Watch stays with the old primary")
	}
	elsewhere := openRedis(t, at(next.Addr()), redisstore.Config{Prefix: "m:"})
	if _, err := elsewhere.End(t.Context(), rec.ID, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	select {
	case id := <-told:
		if id != rec.ID {
			t.Errorf("Watch told of another session")
		}
	case <-time.After(time.Minute):
		t.Error("Watch does not tell of an end on the new primary")
	}
	if _, err := st.Load(t.Context(), rec.ID); !errors.Is(err, coatcheck.ErrEnded) { // G2
		t.Errorf("Load: got %v, want %v", err, coatcheck.ErrEnded)
	}
}

// offer gives a value to whoever wants it, and drops it where there are more than
// anybody asked for.
func offer[T any](to chan<- T, v T) {
	select {
	case to <- v:
	default:
	}
}

// A server that is still loading its data says LOADING: so does Ping, and the
// store goes on when it has loaded.
func TestRedisLoading(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t, "loading-process-events-interval-bytes 1024",
		"key-load-delay 100000") // a tenth of a second each
	st := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: "m:"})
	rec := redisRecord("u", nil)
	if err := st.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if err := st.Create(t.Context(), redisRecord("", make([]byte, 1000))); err != nil {
			t.Fatal(err)
		}
	}
	server.Must(t, "SAVE")
	server.Kill()
	started := make(chan error, 1)
	go func() { started <- server.Start() }()
	if err := servers.Until(func() error {
		if err := st.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "LOADING") {
			return errors.New("Ping: " + strconv.Quote(errString(err)) + "; want LOADING")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if _, err := redisstore.New(t.Context(), rueidis.ClientOption{InitAddress: []string{server.Addr()}, ForceSingleClient: true}, redisstore.Config{}); err == nil || !strings.Contains(err.Error(), "LOADING") {
		t.Errorf("New while the server loads: got %v, want LOADING", err)
	}
	if err := servers.Until(func() error { _, err := server.Do("CONFIG", "SET", "key-load-delay", "0"); return err }); err != nil {
		t.Error(err)
	}
	if err := receive(t, started, "the server's start"); err != nil {
		t.Fatal(err)
	}
	goesOn(t, st, rec)
}

func errString(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// The same in a Cluster behind addresses that stay, such as those of a service
// for each node: one that has lost its slots says CLUSTERDOWN for ever.
func TestRedisClusterMoves(t *testing.T) {
	t.Parallel()
	endpoint := newProxy(t, "")
	_, port, err := net.SplitHostPort(endpoint.Addr())
	if err != nil {
		t.Fatal(err)
	}
	node := func() *servers.Redis {
		_, bus, err := net.SplitHostPort(servers.FreeAddr(t))
		if err != nil {
			t.Fatal(err)
		}
		s := servers.NewRedis(t, "cluster-enabled yes", "cluster-port "+bus, "cluster-announce-ip 127.0.0.1", "cluster-announce-port "+port)
		s.Must(t, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
		if err := servers.Until(func() error {
			if state := s.Must(t, "CLUSTER", "INFO"); !strings.Contains(state, "cluster_state:ok") {
				return errors.New(state)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	old, next := node(), node()
	endpoint.move(old.Addr())
	st := openRedis(t, at(endpoint.Addr()), redisstore.Config{Prefix: "m:"})
	if err := errors.Join(st.Create(t.Context(), redisRecord("u", nil)), st.Ping(t.Context())); err != nil {
		t.Fatal(err)
	}
	old.Must(t, "CLUSTER", "DELSLOTSRANGE", "0", "16383")
	if err := servers.Until(func() error {
		if err := st.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "CLUSTERDOWN") {
			return errors.New("Ping: " + strconv.Quote(errString(err)) + "; want CLUSTERDOWN")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	endpoint.move(next.Addr())
	if err := servers.Until(func() error { return st.Create(t.Context(), redisRecord("u", nil)) }); err != nil {
		t.Errorf("Create long after the move: %v", err)
	}
}
