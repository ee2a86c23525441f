//go:build linux

package integration_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
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

// TestRedisTwoStores: two stores on one server see nothing of each other.
func TestRedisTwoStores(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t)
	one := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: "one:"})
	two := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: "two:"})
	again := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: "one:"})
	rec := redisRecord("u", nil)
	if err := one.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Load(t.Context(), rec.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Load of another store's session: got %v, want %v", err, store.ErrNotFound)
	}
	if ended, err := two.EndUser(t.Context(), "u", time.Now(), time.Now().Add(time.Minute)); err != nil || len(ended) != 0 {
		t.Errorf("EndUser: got %v, %v; want none of another store's sessions", ended, err)
	}
	if _, err := two.End(t.Context(), rec.ID, time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
	}
	if _, err := again.Load(t.Context(), rec.ID); err != nil {
		t.Errorf("Load by a store with the same prefix: %v", err)
	}
}

// TestRedisFull: G14. Without room nothing new is stored, and logout and
// revocation still work.
func TestRedisFull(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t, "maxmemory-policy noeviction")
	st := openRedis(t, at(server.Addr()), redisstore.Config{})
	var recs []store.Record
	for range 20 {
		rec := redisRecord("u", make([]byte, 1000))
		if err := st.Create(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec)
	}
	server.Must(t, "CONFIG", "SET", "maxmemory", "1mb") // less than an empty server takes
	next := recs[0]
	next.Version = redisVersion()
	for name, err := range map[string]error{
		"Create":          st.Create(t.Context(), redisRecord("u", nil)),
		"Create without":  st.Create(t.Context(), redisRecord("", nil)),
		"Update":          st.Update(t.Context(), next, recs[0].Version),
		"Replace":         st.Replace(t.Context(), recs[0].ID, recs[0].Version, redisRecord("u", nil), time.Now().Add(time.Minute)),
		"Replace without": st.Replace(t.Context(), recs[0].ID, recs[0].Version, redisRecord("", nil), time.Now().Add(time.Minute)),
		"Touch":           st.Touch(t.Context(), recs[0].ID, next.Seen.Add(time.Hour), next.Expires.Add(time.Hour)),
	} {
		if !errors.Is(err, coatcheck.ErrFull) {
			t.Errorf("%s: got %v, want %v", name, err, coatcheck.ErrFull)
		}
	}
	until := time.Now().Add(time.Minute)
	if _, err := st.End(t.Context(), recs[0].ID, until); err != nil {
		t.Errorf("End: %v", err)
	}
	if _, err := st.End(t.Context(), redisID(), until); err != nil {
		t.Errorf("End of an unknown id: %v", err)
	}
	if list, err := st.User(t.Context(), "u"); err != nil || len(list) != 19 {
		t.Errorf("User: got %d sessions, %v; want the other 19", len(list), err)
	}
	if ended, err := st.EndUser(t.Context(), "u", time.Now(), until); err != nil || len(ended) != 19 {
		t.Errorf("EndUser: got %d sessions, %v; want 19", len(ended), err)
	}
	if list, err := st.User(t.Context(), "u"); err != nil || len(list) != 0 {
		t.Errorf("User: got %v, %v; want none", list, err)
	}
}

// TestRedisWarnings: what breaks a promise is told at the start.
func TestRedisWarnings(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t)
	for _, c := range []struct{ setting, value, want string }{
		{"", "", ""},
		{"maxmemory-policy", "volatile-lru", "maxmemory-policy is volatile-lru"},
		{"maxmemory-policy", "allkeys-random", "maxmemory-policy is allkeys-random"},
		{"maxmemory-policy", "noeviction", ""},
		{"save", "60 1000", "snapshots without an append-only file"},
		{"appendonly", "yes", ""},
		{"appendfsync", "no", "appendfsync is no"},
		{"appendfsync", "everysec", ""},
	} {
		if c.setting != "" {
			server.Must(t, "CONFIG", "SET", c.setting, c.value)
		}
		var log bytes.Buffer
		st := openRedis(t, at(server.Addr()), redisstore.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		all, err := st.Warnings(t.Context())
		got := strings.Join(all, "\n")
		if err != nil || (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s %s: got %q, %v; want %q", c.setting, c.value, got, err, c.want)
		}
		if (log.Len() == 0) != (c.want == "") || !strings.Contains(log.String(), c.want) {
			t.Errorf("%s %s: got log %q, want %q", c.setting, c.value, log.String(), c.want)
		}
	}
}

// TestRedisForgetsScripts: a restart or SCRIPT FLUSH costs one more round trip.
func TestRedisForgetsScripts(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t)
	st := openRedis(t, at(server.Addr()), redisstore.Config{})
	for range 3 {
		server.Must(t, "SCRIPT", "FLUSH")
		if err := st.Create(t.Context(), redisRecord("u", nil)); err != nil {
			t.Error(err)
		}
	}
}

// TestRedisErrors: G13. An error of the server names no key.
func TestRedisErrors(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t, "rename-command EVALSHA \"\"")
	st := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: "prefix:"})
	rec := redisRecord("somebody", []byte("secret"))
	copy(rec.ID[:], "0123456789abcdef0123456789abcdef")
	_, endErr := st.End(t.Context(), rec.ID, time.Now())
	for _, err := range []error{st.Create(t.Context(), rec), st.Update(t.Context(), rec, 1), endErr} {
		if err == nil {
			t.Fatal("got no error from a server without EVALSHA")
		}
		for _, word := range []string{"prefix:", "0123", "somebody", "secret"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("error names %q: %v", word, err)
			}
		}
	}
}

// TestRedisLeaks: Close ends every connection and goroutine.
func TestRedisLeaks(t *testing.T) {
	server := servers.NewRedis(t)
	cluster := servers.SharedRedisCluster(t)
	clients := func() string { return server.Info("connected_clients") }
	goroutines, connections := runtime.NumGoroutine(), clients()
	for range 5 {
		for _, option := range []rueidis.ClientOption{at(server.Addr()), at(cluster.Addrs()...)} {
			st, err := redisstore.New(t.Context(), option, redisstore.Config{Prefix: "leaks:", ClientCache: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			watched := watching(t, ctx, st, func(store.ID) {})
			rec := redisRecord("u", nil)
			if err := st.Create(t.Context(), rec); err != nil {
				t.Error(err)
			}
			if _, err := st.Load(t.Context(), rec.ID); err != nil {
				t.Error(err)
			}
			cancel()
			if err := receive(t, watched, "the end of Watch"); !errors.Is(err, context.Canceled) {
				t.Errorf("Watch: got %v, want %v", err, context.Canceled)
			}
			st.Close()
		}
	}
	if err := servers.Until(func() error {
		if g, c := runtime.NumGoroutine(), clients(); g > goroutines || c != connections {
			return errors.New("goroutines: " + strconv.Itoa(g) + " of " + strconv.Itoa(goroutines) +
				", connections: " + c + " of " + connections)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// watching waits until a Watch listens, and returns where its end will be told. On a
// busy machine the first tries may fail, as Manager.Watch knows.
func watching(t *testing.T, ctx context.Context, st *redisstore.Store, told func(store.ID)) (done <-chan error) {
	t.Helper()
	var failed error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ready, result := make(chan struct{}), make(chan error, 1)
		go func() { result <- st.Watch(ctx, func() { close(ready) }, told) }()
		select {
		case <-ready:
			return result
		case failed = <-result:
		case <-time.After(patience):
		}
	}
	t.Fatalf("Watch does not listen: %v", failed)
	return nil
}

// TestRedisWatch: ends are told to all processes, also those of a Replace and
// of a revocation, in a Cluster whichever server has the session.
func TestRedisWatch(t *testing.T) {
	for _, kind := range []struct {
		name  string
		addrs func(t *testing.T) []string
	}{
		{"standalone", func(t *testing.T) []string { return []string{servers.SharedRedis(t).Addr()} }},
		{"cluster", func(t *testing.T) []string { return servers.SharedRedisCluster(t).Addrs() }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			prefix := redisRecord("", nil).ID.Handle() + ":"
			watcher := openRedis(t, at(kind.addrs(t)...), redisstore.Config{Prefix: prefix, ClientCache: time.Minute})
			other := openRedis(t, at(kind.addrs(t)...), redisstore.Config{Prefix: prefix})
			told := make(chan store.ID, 100)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := watching(t, ctx, watcher, func(id store.ID) {
				// Whoever is told looks, and must not see it alive.
				if _, err := watcher.Load(ctx, id); !errors.Is(err, coatcheck.ErrEnded) && ctx.Err() == nil {
					t.Errorf("Load of a session that ended: got %v, want %v", err, coatcheck.ErrEnded)
				}
				told <- id
			})
			until := time.Now().Add(time.Minute)
			want := make(map[store.ID]bool)
			for range 10 {
				a, b, c := redisRecord("u", nil), redisRecord("u", nil), redisRecord("u", nil)
				for _, rec := range []store.Record{a, b} {
					if err := other.Create(t.Context(), rec); err != nil {
						t.Fatal(err)
					}
					if _, err := watcher.Load(t.Context(), rec.ID); err != nil {
						t.Fatal(err)
					}
					want[rec.ID] = true
				}
				if _, err := other.End(t.Context(), a.ID, until); err != nil {
					t.Fatal(err)
				}
				if err := other.Replace(t.Context(), b.ID, b.Version, c, c.Seen.Add(time.Minute)); err != nil {
					t.Fatal(err)
				}
				want[c.ID] = true
			}
			if _, err := other.EndUser(t.Context(), "u", time.Now(), until); err != nil {
				t.Fatal(err)
			}
			for len(want) > 0 {
				select {
				case id := <-told:
					if !want[id] {
						t.Errorf("told of a session that had not ended, or twice: %v", id)
					}
					delete(want, id)
				case <-time.After(patience):
					t.Fatalf("not told of %d sessions that ended", len(want))
				}
			}
			cancel()
			if err := receive(t, done, "the end of Watch"); !errors.Is(err, context.Canceled) {
				t.Errorf("Watch: got %v, want %v", err, context.Canceled)
			}
		})
	}
}

// TestRedisWatchLost: a lost connection is an error, so that the caller looks
// at what it may have missed.
func TestRedisWatchLost(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t)
	st := openRedis(t, at(server.Addr()), redisstore.Config{})
	for _, cut := range []func(){
		func() { server.Must(t, "CLIENT", "KILL", "TYPE", "pubsub") },
		server.Kill,
	} {
		done := watching(t, t.Context(), st, func(store.ID) {})
		cut()
		if err := receive(t, done, "the end of Watch"); err == nil {
			t.Error("Watch: got no error when the connection was cut")
		}
	}
	if err := st.Watch(t.Context(), func() { t.Error("ready without a server") }, nil); err == nil {
		t.Error("Watch: got no error without a server")
	}
	if err := st.Ping(t.Context()); err == nil {
		t.Error("Ping: got no error without a server")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := servers.Until(func() error { return st.Ping(t.Context()) }); err != nil {
		t.Errorf("Ping when the server is back: %v", err)
	}
}
