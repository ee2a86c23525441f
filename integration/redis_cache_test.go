//go:build linux

package integration_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/store"
)

// ends waits until the store sees that the session has ended.
func ends(t *testing.T, st store.Store, id store.ID) {
	t.Helper()
	if err := servers.Until(func() error {
		_, err := st.Load(t.Context(), id)
		if errors.Is(err, coatcheck.ErrEnded) {
			return nil
		}
		return errors.New("the session is alive")
	}); err != nil {
		t.Error(err)
	}
}

// TestRedisClientCache: a hot session is read without the server, and what
// another process does is seen all the same (G2).
func TestRedisClientCache(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t)
	cached := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: "p:", ClientCache: time.Minute})
	other := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: "p:"})
	rec := redisRecord("u", []byte("data"))
	if err := other.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	load := func() store.Record {
		t.Helper()
		got, err := cached.Load(t.Context(), rec.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	load()
	before := reads(server)
	for range 1000 {
		load()
	}
	if n := reads(server) - before; n != 0 {
		t.Errorf("1000 loads of a hot session: %d commands at the server, want 0", n)
	}

	// Another process commits: the old record is seen for a moment only.
	next := rec
	next.Version = redisVersion()
	if err := other.Update(t.Context(), next, rec.Version); err != nil {
		t.Fatal(err)
	}
	if err := servers.Until(func() error {
		if load().Version != next.Version {
			return errors.New("the cache is stale")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}

	// Its own writes are seen at once.
	for range 1000 {
		ifVersion := next.Version
		next.Version = redisVersion()
		if err := cached.Update(t.Context(), next, ifVersion); err != nil {
			t.Fatal(err)
		}
		if load().Version != next.Version {
			t.Fatal("this process does not see its own commit")
		}
	}

	// A cut connection takes its cache with it.
	load()
	server.Must(t, "CLIENT", "KILL", "TYPE", "normal")
	if err := servers.Until(func() error {
		_, err := other.End(t.Context(), rec.ID, time.Now().Add(time.Minute))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ends(t, cached, rec.ID)
}

// reads is how many loads the server has had.
func reads(server *servers.Redis) (n int) { return commandCalls(server)["get"] }

// TestRedisCacheHangs: a connection that says nothing more, without breaking,
// is noticed by the client, and its cache goes.
func TestRedisCacheHangs(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t)
	proxy := newProxy(t, server.Addr())
	cached := openRedis(t, at(proxy.Addr()), redisstore.Config{Prefix: "p:", ClientCache: time.Minute})
	other := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: "p:"})
	rec := redisRecord("u", nil)
	if err := other.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	if _, err := cached.Load(t.Context(), rec.ID); err != nil {
		t.Fatal(err)
	}
	proxy.freeze()
	if _, err := other.End(t.Context(), rec.ID, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	// The proxy passes new connections: what is under test is that the client
	// makes one.
	if err := servers.Until(func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := cached.Load(ctx, rec.ID); !errors.Is(err, coatcheck.ErrEnded) {
			return errors.New("the session is alive")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// A proxy passes bytes on until it is frozen; then the connections of before
// stay open and silent.
type proxy struct {
	net.Listener
	mu    sync.Mutex
	to    string // where new connections lead
	gates []chan struct{}
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", p.target())
			if err != nil {
				from.Close()
				continue
			}
			context.AfterFunc(ctx, func() { from.Close(); server.Close() })
			gate := make(chan struct{})
			p.mu.Lock()
			p.gates = append(p.gates, gate)
			p.mu.Unlock()
			wg.Go(func() { pass(ctx, gate, server, from) })
			wg.Go(func() { pass(ctx, gate, from, server) })
		}
	})
	return p
}

func pass(ctx context.Context, gate chan struct{}, to, from net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		select {
		case <-gate:
			<-ctx.Done()
		default:
		}
		if err != nil {
			to.Close()
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) Addr() string { return p.Listener.Addr().String() }

func (p *proxy) target() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.to
}

// move leads new connections elsewhere; those of before stay.
func (p *proxy) move(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

// freeze silences the connections that there are.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, gate := range p.gates {
		close(gate)
	}
	p.gates = nil
}
