package redisstore

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// A server behind an address that stays (a service of Kubernetes, a proxy, a
// DNS name) changes while its connections stay with the one that was there
// before. That one answers, so nothing breaks, but it refuses every change. The
// client would keep such a connection for ever; dropped, it is dialled anew, and
// leads to whoever is behind the address now.

// wrongNode reports whether a server's error says that it is not the one to
// talk to, or not yet. Servers before 7 put the error of a command into that of
// its script.
func wrongNode(text string) bool {
	for _, code := range []string{"READONLY ", "LOADING ", "MASTERDOWN ", "CLUSTERDOWN "} {
		if strings.HasPrefix(text, code) || strings.Contains(text, "-"+code) {
			return true
		}
	}
	return false
}

// connLife is how old a connection is that is dropped: one that has just been
// made leads to the right server, or to one that is not ready for anybody. So a
// server that stays wrong is dialled once in this time, whatever the load.
const connLife = time.Second

// A dialer knows the connections of a Store.
type dialer struct {
	mu   sync.Mutex
	open map[*trackedConn]time.Time // since when
}

// track makes the option's connections known to the dialer.
func (d *dialer) track(o *rueidis.ClientOption) {
	dial := o.DialCtxFn
	if old := o.DialFn; dial == nil && old != nil {
		dial = func(_ context.Context, addr string, nd *net.Dialer, cfg *tls.Config) (net.Conn, error) {
			return old(addr, nd, cfg)
		}
	}
	if dial == nil {
		dial = dialTCP
	}
	o.DialCtxFn = func(ctx context.Context, addr string, nd *net.Dialer, cfg *tls.Config) (net.Conn, error) {
		conn, err := dial(ctx, addr, nd, cfg)
		if err != nil {
			return nil, err
		}
		c := &trackedConn{conn, d}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.open == nil {
			d.open = make(map[*trackedConn]time.Time)
		}
		d.open[c] = time.Now()
		return c, nil
	}
}

// dialTCP is what the client does by itself.
func dialTCP(ctx context.Context, addr string, nd *net.Dialer, cfg *tls.Config) (net.Conn, error) {
	if cfg != nil {
		return (&tls.Dialer{NetDialer: nd, Config: cfg}).DialContext(ctx, "tcp", addr)
	}
	return nd.DialContext(ctx, "tcp", addr)
}

// drop closes the connections that are old enough. Calls under way on them fail
// as they do when a server goes away.
func (d *dialer) drop() {
	d.mu.Lock()
	var old []*trackedConn
	for c, since := range d.open {
		if time.Since(since) >= connLife {
			old = append(old, c)
		}
	}
	d.mu.Unlock()
	for _, c := range old {
		c.Close()
	}
}

// A trackedConn is forgotten when it is closed.
type trackedConn struct {
	net.Conn
	of *dialer
}

func (c *trackedConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
