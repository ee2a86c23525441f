// Package trips counts the round trips between a client and a server: how often
// the server was asked after it had answered, on any connection.
package trips

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// A Proxy passes connections on to a server, and counts.
type Proxy struct {
	l      net.Listener
	target string
	count  atomic.Int64
	conns  sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]bool // nil once closed
}

// New returns a proxy to target, which is host:port.
func New(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{l: l, target: target, open: make(map[net.Conn]bool)}
	p.conns.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.conns.Go(func() { p.pass(client) })
		}
	})
	return p, nil
}

// Addr is where clients connect to.
func (p *Proxy) Addr() string { return p.l.Addr().String() }

// Count is the number of round trips so far. A trip begins with the request:
// several requests before an answer are one.
func (p *Proxy) Count() int64 { return p.count.Load() }

// Close ends all connections: some clients never do.
func (p *Proxy) Close() error {
	err := p.l.Close()
	p.mu.Lock()
	for conn := range p.open {
		conn.Close()
	}
	p.open = nil
	p.mu.Unlock()
	p.conns.Wait()
	return err
}

// keep remembers a connection that Close must end, if it has not been.
func (p *Proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open != nil {
		p.open[conn] = true
	}
	return p.open != nil
}

func (p *Proxy) forget(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
	conn.Close()
}

func (p *Proxy) pass(client net.Conn) {
	defer p.forget(client)
	if !p.keep(client) {
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	var asked atomic.Bool // and not yet answered
	done := make(chan struct{})
	go func() {
		defer close(done)
		copyEach(client, server, func() { asked.Store(false) })
		client.Close()
	}()
	copyEach(server, client, func() {
		if !asked.Swap(true) {
			p.count.Add(1)
		}
	})
	server.Close()
	<-done
}

// copyEach calls f before it passes on what has come.
func copyEach(to io.Writer, from io.Reader, f func()) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			f()
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
