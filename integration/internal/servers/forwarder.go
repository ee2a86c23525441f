//go:build linux

package servers

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A Forwarder is a network between a program and a server: a port of its own,
// whose connections can be cut, slowed down, or made to say nothing more.
type Forwarder struct {
	Port int

	to       string
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	pairs map[*pair]bool
	delay time.Duration
	next  int // see MuteNext
}

// A pair is a connection through the forwarder.
type pair struct {
	near, far net.Conn
	mute      bool // what the server says is dropped; guarded by Forwarder.mu
}

// NewForwarder starts one for a test.
func NewForwarder(t testing.TB, port int) *Forwarder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &Forwarder{Port: l.Addr().(*net.TCPAddr).Port, to: fmt.Sprintf("127.0.0.1:%d", port), listener: l, pairs: make(map[*pair]bool)}
	f.wg.Go(f.accept)
	t.Cleanup(func() {
		l.Close()
		f.Cut()
		f.wg.Wait()
	})
	return f
}

func (f *Forwarder) accept() {
	for {
		near, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.wg.Go(func() { f.connect(near) })
	}
}

func (f *Forwarder) connect(near net.Conn) {
	far, err := net.DialTimeout("tcp", f.to, 5*time.Second)
	if err != nil {
		near.Close()
		return
	}
	p := &pair{near: near, far: far}
	f.mu.Lock()
	f.pairs[p] = true
	f.mu.Unlock()
	f.wg.Go(func() { f.copy(p, far, near, false) })
	f.copy(p, near, far, true)
	f.mu.Lock()
	delete(f.pairs, p)
	f.mu.Unlock()
}

// copy passes on what comes, later if so told; answers of a mute pair are lost.
func (f *Forwarder) copy(p *pair, to io.Writer, from io.Reader, answers bool) {
	defer p.near.Close()
	defer p.far.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		f.mu.Lock()
		if f.next > 0 && !answers && n > 0 {
			f.next--
			p.mute = f.next == 0
		}
		delay, mute := f.delay, p.mute && answers
		f.mu.Unlock()
		if n > 0 && !mute {
			time.Sleep(delay)
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Cut closes all connections.
func (f *Forwarder) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.pairs {
		p.near.Close()
		p.far.Close()
	}
}

// Delay makes everything take longer, each way.
func (f *Forwarder) Delay(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = d
}

// Mute drops all that the server answers on the connections of now: what comes
// on them is done, and nobody hears of it. New connections work.
func (f *Forwarder) Mute() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.pairs {
		p.mute = true
	}
}

// MuteNext does so with the one connection on which the nth thing is asked from
// now on, or, for 0, no longer. It returns how many more it had waited for.
func (f *Forwarder) MuteNext(n int) (left int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	left, f.next = f.next, n
	return left
}
