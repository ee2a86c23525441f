//go:build linux

package load

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// RunPaced sends so many requests a second, each when it is due, whether those
// before it have been answered or not, as visitors do; 0 sends the next one as
// soon as there is a free connection. A request that finds no free connection
// waits for one, and that wait is a part of what it took. Due are those whose
// time came before the end; the ones that were never sent have no time.
//
// One thread that never sleeps sends and reads all of it: a timer would be later
// than what is measured takes.
func (l Load) RunPaced(perSecond float64) (Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := &paced{Load: l}
	if perSecond > 0 {
		p.each = time.Duration(float64(time.Second) / perSecond)
	}
	defer p.close()
	if err := p.open(); err != nil {
		return Result{}, err
	}
	return p.run()
}

// A paced is a load under way.
type paced struct {
	Load
	each    time.Duration // from one request to the next; 0: none
	poll    int
	sockets map[int32]*socket
	idle    []*socket // the one that has been idle longest first
	due     int       // requests whose time has come
	took    []time.Duration
}

// A socket is a connection outside of Go's own poller.
type socket struct {
	file    *os.File
	fd      int
	request []byte
	answer  []byte // what has come of it
	due     time.Duration
}

func (p *paced) open() (err error) {
	if p.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	p.sockets = make(map[int32]*socket)
	for range p.Connections {
		c, err := p.dial()
		if err != nil {
			return err
		}
		file, err := c.Conn.(*net.TCPConn).File() // a copy, for the epoll below
		c.Close()
		if err != nil {
			return err
		}
		s := &socket{file: file, fd: int(file.Fd()), request: c.request, answer: make([]byte, 0, 4096)}
		p.sockets[int32(s.fd)] = s
		p.idle = append(p.idle, s)
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)}
		err = errors.Join(unix.SetNonblock(s.fd, true), unix.EpollCtl(p.poll, unix.EPOLL_CTL_ADD, s.fd, &event))
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *paced) close() {
	for _, s := range p.sockets {
		s.file.Close()
	}
	unix.Close(p.poll)
}

// grace is how long the last answers may take.
const grace = 5 * time.Second

func (p *paced) run() (Result, error) {
	p.took = make([]time.Duration, 0, 1<<20)
	events := make([]unix.EpollEvent, p.Connections)
	start := time.Now()
	for {
		now := time.Since(start)
		if over := now >= p.For; over && (len(p.idle) == p.Connections || now > p.For+grace) {
			break
		} else if !over {
			if err := p.send(now); err != nil {
				return Result{}, err
			}
		}
		n, err := unix.EpollWait(p.poll, events, 0)
		if err != nil && err != unix.EINTR {
			return Result{}, err
		}
		for _, event := range events[:max(n, 0)] {
			if err := p.receive(p.sockets[event.Fd], start); err != nil {
				return Result{}, err
			}
		}
	}
	r := Result{Requests: len(p.took), Due: p.due, Elapsed: p.For}
	if p.each > 0 {
		r.Due = int(p.For / p.each)
	}
	r.percentiles(p.took)
	return r, nil
}

// send sends what is due by now.
func (p *paced) send(now time.Duration) error {
	for len(p.idle) > 0 {
		at := now
		if p.each > 0 {
			at = time.Duration(p.due) * p.each
		}
		if at > now {
			return nil
		}
		s := p.idle[0]
		p.idle = p.idle[1:]
		p.due++
		s.due, s.answer = at, s.answer[:0]
		// A request is smaller than what the kernel takes at once.
		if n, err := unix.Write(s.fd, s.request); err != nil || n < len(s.request) {
			return fmt.Errorf("wrote %d of %d bytes: %w", n, len(s.request), err)
		}
	}
	return nil
}

// receive reads what has come, and notes a whole answer.
func (p *paced) receive(s *socket, start time.Time) error {
	n, err := unix.Read(s.fd, s.answer[len(s.answer):cap(s.answer)])
	if err == unix.EAGAIN {
		return nil
	}
	if err != nil || n <= 0 {
		return fmt.Errorf("the server hung up: %w", err)
	}
	s.answer = s.answer[:len(s.answer)+n]
	end, err := whole(s.answer)
	if err != nil {
		return err
	}
	if end == 0 || len(s.answer) < end {
		return nil
	}
	p.took = append(p.took, time.Since(start)-s.due)
	p.idle = append(p.idle, s)
	return nil
}

// whole returns where an answer ends, 0 where its header has not come yet.
func whole(answer []byte) (end int, err error) {
	i := bytes.Index(answer, []byte("\r\n\r\n"))
	if i < 0 {
		return 0, nil
	}
	header := answer[:i+2]
	_, rest, found := bytes.Cut(header, []byte("Content-Length: "))
	digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
	size, err := strconv.Atoi(string(digits))
	if !bytes.HasPrefix(header, ok200) || !found || err != nil {
		return 0, fmt.Errorf("answered %q", header)
	}
	return i + 4 + size, nil
}
