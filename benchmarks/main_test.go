//go:build linux

package benchmarks_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/benchmarks"
)

// What cmd/measure sets; the defaults are for a short look.
var (
	held     = flag.Int("held", 10_000, "how many sessions the memory and growth rows hold at most")
	loadFor  = flag.Duration("load", 200*time.Millisecond, "how long each row of load over HTTP lasts")
	allSlow  = flag.Bool("slow", false, "also fill the stores that take minutes")
	serveEnv = "COATCHECK_BENCHMARK_SERVE"
)

// TestMain also is the server that BenchmarkHTTP starts: a process of its own.
func TestMain(m *testing.M) {
	if what := os.Getenv(serveEnv); what != "" {
		if err := serve(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if err := stopServers(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// library returns the one with that name.
func library(name string) (benchmarks.Library, bool) {
	for _, lib := range append(benchmarks.Loaded, benchmarks.Raw) {
		if lib.Name == name {
			return lib, true
		}
	}
	return benchmarks.Library{}, false
}

// A served is what a server process is told to serve.
type served struct {
	Library string
	Backend benchmarks.Backend
}

// serve serves that and prints its own address. It ends with its standard input.
func serve(what string) error {
	var s served
	if err := json.Unmarshal([]byte(what), &s); err != nil {
		return err
	}
	lib, ok := library(s.Library)
	if !ok {
		return fmt.Errorf("no library %q", what)
	}
	app, err := lib.New(s.Backend)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- app.Serve(l) }()
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	select {
	case err = <-failed:
	case err = <-ended:
	}
	return errors.Join(err, app.Close())
}

// A server is a child process that serves a library.
type server struct {
	addr string
	cmd  *exec.Cmd
	in   io.Closer
}

func startServer(t testing.TB, lib benchmarks.Library, b benchmarks.Backend) *server {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	what, err := json.Marshal(served{lib.Name, b})
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), serveEnv+"="+string(what))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{cmd: cmd, in: in}
	t.Cleanup(func() { s.stop() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s does not serve: %v", lib.Name, err)
	}
	s.addr = strings.TrimSpace(line)
	return s
}

// stop ends the server and returns the processor time it took.
func (s *server) stop() time.Duration {
	if s.cmd.ProcessState == nil {
		s.in.Close()
		_ = s.cmd.Wait() // its output says why, if it failed
	}
	usage, ok := s.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
