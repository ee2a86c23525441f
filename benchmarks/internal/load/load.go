// Package load sends HTTP requests over the loopback interface, as fast as a
// server answers them, for a bounded time, and tells how long they took.
//
// It writes the same bytes again and again and reads no more of an answer than
// it must: what it takes from the two cores that it shares with the server is
// a small and equal part for all libraries.
package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Load is what to send. Each connection first sends the Fill and then, with
// the cookies of that answer, the request over and over. With Also that is two
// requests, and the Result counts both as one.
type Load struct {
	Addr         string // host:port on the loopback interface
	Method, Path string
	Also         string // path of a GET after each; empty = none
	Fill         string // path of a POST; empty = none
	FillAddr     string // of another server that shares the sessions; empty = Addr
	UserAgent    string
	Connections  int
	For          time.Duration
}

// A Result is what came back.
type Result struct {
	Requests      int
	Due           int // of RunPaced: those that should have been sent
	Elapsed       time.Duration
	P50, P99, Max time.Duration
}

// PerSecond is the rate.
func (r Result) PerSecond() float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

// Run sends the load. It fails on the first answer that is not 200.
func (l Load) Run() (Result, error) {
	conns := make([]*conn, l.Connections)
	for i := range conns {
		c, err := l.dial()
		if err != nil {
			return Result{}, err
		}
		defer c.Close()
		conns[i] = c
	}
	start := time.Now()
	end := start.Add(l.For)
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() { errs[i] = c.repeat(end) })
	}
	wg.Wait()
	result := Result{Elapsed: time.Since(start)}
	var took []time.Duration
	for _, c := range conns {
		took = append(took, c.took...)
	}
	result.Requests = len(took)
	result.percentiles(took)
	return result, errors.Join(errs...)
}

func (r *Result) percentiles(took []time.Duration) {
	slices.Sort(took)
	if n := len(took); n > 0 {
		r.P50, r.P99, r.Max = took[n/2], took[n*99/100], took[n-1]
	}
}

type conn struct {
	net.Conn
	in      *bufio.Reader
	request []byte
	also    []byte
	took    []time.Duration
}

// dial connects and prepares the request.
func (l Load) dial() (*conn, error) {
	cookies, err := l.fill()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Fill, err)
	}
	c, err := connect(l.Addr)
	if err != nil {
		return nil, err
	}
	c.request = []byte(l.text(l.Method, l.Path, cookies))
	if l.Also != "" {
		c.also = []byte(l.text("GET", l.Also, cookies))
	}
	return c, nil
}

func connect(addr string) (*conn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: nc, in: bufio.NewReader(nc)}, nil
}

// fill begins a session and returns its cookies.
func (l Load) fill() (cookies string, err error) {
	if l.Fill == "" {
		return "", nil
	}
	addr := l.Addr
	if l.FillAddr != "" {
		addr = l.FillAddr
	}
	c, err := connect(addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	header, err := c.send([]byte(l.text("POST", l.Fill, "")))
	return jar(header), err
}

func (l Load) text(method, path, cookies string) string {
	text := method + " " + path + " HTTP/1.1\r\nHost: " + l.Addr + "\r\nUser-Agent: " + l.UserAgent + "\r\nAccept: */*\r\n"
	if cookies != "" {
		text += "Cookie: " + cookies + "\r\n"
	}
	if method == "POST" {
		text += "Content-Length: 0\r\n"
	}
	return text + "\r\n"
}

// jar returns the Cookie header for the Set-Cookie lines of a response.
func jar(header []byte) string {
	var pairs []string
	for line := range strings.Lines(string(header)) {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "Set-Cookie") {
			pair, _, _ := strings.Cut(strings.TrimSpace(value), ";")
			pairs = append(pairs, pair)
		}
	}
	return strings.Join(pairs, "; ")
}

func (c *conn) repeat(end time.Time) error {
	for {
		before := time.Now()
		if !before.Before(end) {
			return nil
		}
		_, err := c.send(c.request)
		if err == nil && c.also != nil {
			_, err = c.send(c.also)
		}
		if err != nil {
			return err
		}
		c.took = append(c.took, time.Since(before))
	}
}

var (
	contentLength = []byte("content-length:")
	ok200         = []byte("HTTP/1.1 200")
)

// send sends a request and returns the header of the answer, good until the
// next call.
func (c *conn) send(request []byte) (header []byte, err error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	for {
		if _, err := c.in.Peek(c.in.Buffered() + 1); err != nil {
			return nil, err
		}
		seen, _ := c.in.Peek(c.in.Buffered())
		if i := bytes.Index(seen, []byte("\r\n\r\n")); i >= 0 {
			header = seen[:i+2]
			break
		}
	}
	size := -1
	for rest := header; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		line := rest[:i]
		if len(line) > len(contentLength) && bytes.EqualFold(line[:len(contentLength)], contentLength) {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(line[len(contentLength):]))); err != nil {
				return nil, err
			}
		}
		rest = rest[i+1:]
	}
	if !bytes.HasPrefix(header, ok200) || size < 0 {
		return nil, fmt.Errorf("answered %q", header)
	}
	// The header stays in the buffer: nothing is read until the next call.
	_, err = c.in.Discard(len(header) + 2 + size)
	return header, err
}
