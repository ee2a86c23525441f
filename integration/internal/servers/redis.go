//go:build linux

package servers

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/internal/freeport"
	"github.com/coatcheck/coatcheck/internal/unprivileged"
)

// A Redis is one server: alone, a node of a RedisCluster, or a sentinel.
type Redis struct{ *Process }

// redisProgram is Redis, or what COATCHECK_REDIS names in its place, such as
// valkey-server.
func redisProgram(t testing.TB) string {
	t.Helper()
	return Program(t, cmp.Or(os.Getenv("COATCHECK_REDIS"), "redis-server"), "redis-server")
}

// NewRedis starts a server for one test. Settings are lines of redis.conf; by
// default it keeps nothing on disk.
func NewRedis(t testing.TB, settings ...string) *Redis {
	t.Helper()
	program := redisProgram(t)
	s, err := startRedis(program, settings...)
	return own(t, s, err)
}

// NewValkey does the same with Valkey.
func NewValkey(t testing.TB, settings ...string) *Redis {
	t.Helper()
	program := Engine(t, "valkey-server")
	s, err := startRedis(program, settings...)
	return own(t, s, err)
}

// NewTLSRedis starts a server for one test and returns the address at which it
// speaks TLS, with the certificate of the authority.
func NewTLSRedis(t testing.TB, a *Authority) (*Redis, string) {
	t.Helper()
	port, err := freeport.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	s := NewRedis(t, "tls-port "+strconv.Itoa(port), "tls-cert-file "+a.Certificate, "tls-key-file "+a.Key,
		"tls-ca-cert-file "+a.CA, "tls-auth-clients no")
	return s, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// SharedRedis returns the server that all tests share.
func SharedRedis(t testing.TB) *Redis {
	t.Helper()
	program := redisProgram(t)
	return share(t, "redis", func() (*Redis, error) { return startRedis(program) })
}

func startRedis(program string, settings ...string) (*Redis, error) {
	port, err := freeport.Reserve()
	if err != nil {
		return nil, err
	}
	dir, err := unprivileged.NewDir("redis")
	if err != nil {
		return nil, err
	}
	lines := append([]string{
		"bind 127.0.0.1", "port " + strconv.Itoa(port), "dir " + dir,
		"save \"\"", "daemonize no", "protected-mode no", "repl-diskless-sync-delay 0", "shutdown-timeout 1",
	}, settings...)
	file := filepath.Join(dir, "redis.conf")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
		return nil, err
	}
	who, err := unprivileged.Account()
	if err == nil && who != nil {
		err = os.Chown(file, int(who.Uid), int(who.Gid)) // sentinels and clusters write it
	}
	if err != nil {
		return nil, err
	}
	args := []string{program, file}
	if len(settings) > 0 && strings.HasPrefix(settings[0], "sentinel ") {
		args = append(args, "--sentinel")
	}
	s := &Redis{&Process{Dir: dir, Port: port, name: "redis-server", args: args, quit: syscall.SIGTERM}}
	s.ready = func(ctx context.Context) error {
		reply, err := s.Do("PING")
		if err == nil && reply != "PONG" {
			err = errors.New(reply)
		}
		return err
	}
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// Addr is host and port.
func (s *Redis) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// Must sends one command and ends the test on an error.
func (s *Redis) Must(t testing.TB, args ...string) string {
	t.Helper()
	reply, err := s.Do(args...)
	if err != nil {
		t.Fatalf("redis %s: %v", args[0], err)
	}
	return reply
}

// Do sends one command over a connection of its own and returns the reply;
// the elements of an array one to a line.
func (s *Redis) Do(args ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.Addr(), 10*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return "", err
	}
	return readReply(bufio.NewReader(conn))
}

func readReply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	kind, text := line[0], strings.TrimSpace(line[1:])
	switch kind {
	case '-':
		return "", errors.New(text)
	case '$':
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return "", err
		}
		b := make([]byte, n+2)
		_, err = io.ReadFull(r, b)
		return string(b[:n]), err
	case '*':
		n, err := strconv.Atoi(text)
		if err != nil {
			return "", err
		}
		var parts []string
		for range n {
			part, err := readReply(r)
			if err != nil {
				return "", err
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, "\n"), nil
	}
	return text, nil
}

// Info returns one field of INFO, or "".
func (s *Redis) Info(field string) string {
	text, _ := s.Do("INFO", "everything")
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name == field {
			return value
		}
	}
	return ""
}

// Until repeats try until it gives nil, or its last error after five minutes:
// what it waits for comes, if it comes at all, long before, but not by the clock.
func Until(try func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := try()
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause(ctx, 20*time.Millisecond)
	}
}
