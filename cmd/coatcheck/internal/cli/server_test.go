package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/cli"
)

const secret = "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa"

func TestMain(m *testing.M) {
	os.Setenv("SECRET_KEY", secret) // cookie.KeysFromEnv reads the process's
	os.Exit(m.Run())
}

// A server is the command serve, running in this process.
type server struct {
	url    string
	stop   context.CancelFunc
	status chan int

	mu  sync.Mutex
	log bytes.Buffer // all that it wrote, on both streams
}

func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

// serve runs coatcheck serve on a free port until the test ends, with its
// sessions in memory unless flags say where.
func serve(t *testing.T, flags ...string) *server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{stop: cancel, status: make(chan int, 1)}
	out, stdout := io.Pipe()
	go func() {
		args := append([]string{"serve", "--addr", "localhost:0", "--store", "memory:"}, flags...)
		s.status <- cli.Run(ctx, args, strings.NewReader(""), io.MultiWriter(s, stdout), s, os.Getenv)
		close(s.status)
		stdout.Close()
	}()
	t.Cleanup(func() { s.end(t) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("serve did not start: %s", &s.log)
	}
	s.url = strings.TrimSpace(strings.TrimPrefix(line, "coatcheck serves on "))
	return s
}

// end stops the server as a signal would, and returns all that it wrote.
func (s *server) end(t *testing.T) string {
	t.Helper()
	s.stop()
	if status := <-s.status; status != 0 { // 0 also the second time
		t.Errorf("serve ended with status %d", status)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}
