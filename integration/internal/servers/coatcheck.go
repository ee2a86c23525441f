//go:build linux

package servers

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/internal/freeport"
	"github.com/coatcheck/coatcheck/internal/unprivileged"
)

// A Coatcheck is the program coatcheck, built from this repository, as a user
// runs it: the servers' user, in a folder of that user's own.
type Coatcheck struct {
	Dir string
	Env []string // key=value, beside that of the tests

	path string
}

// NewCoatcheck returns the program. It is built once for all tests.
func NewCoatcheck(t testing.TB) *Coatcheck {
	t.Helper()
	compiler := Program(t, "go", "golang-go")
	built := share(t, "coatcheck", func() (*folder, error) {
		dir, err := unprivileged.NewDir("program")
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(compiler, "build", "-o", filepath.Join(dir, "coatcheck"), "github.com/coatcheck/coatcheck/cmd/coatcheck")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build: %w\n%s", err, out)
		}
		return &folder{dir}, nil
	})
	dir, err := unprivileged.NewDir("coatcheck")
	own(t, &folder{dir}, err)
	return &Coatcheck{Dir: dir, path: filepath.Join(built.dir, "coatcheck")}
}

// A folder is removed with its test.
type folder struct{ dir string }

func (f *folder) remove() error { return os.RemoveAll(f.dir) }

// runTimeout is how long a command may take that should end by itself: only one
// that hangs takes longer, also on a busy machine.
const runTimeout = 10 * time.Minute

// Run runs one command to its end, and returns what it printed and its exit
// status, which is -1 if it had to be killed.
func (c *Coatcheck) Run(t testing.TB, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	return c.run(t, func() bool { return false }, args)
}

// Interrupt is Run with Control-C as soon as now reports true.
func (c *Coatcheck) Interrupt(t testing.TB, now func() bool, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	return c.run(t, now, args)
}

func (c *Coatcheck) run(t testing.TB, interrupt func() bool, args []string) (stdout, stderr string, status int) {
	t.Helper()
	cmd, err := command(c.Dir, append([]string{c.path}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, c.Env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(runTimeout, func() { _ = cmd.Process.Kill() }).Stop()
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the status tells
		close(done)
	}()
	for sent := false; ; {
		select {
		case <-done:
			return out.String(), errs.String(), cmd.ProcessState.ExitCode()
		case <-time.After(time.Millisecond):
		}
		if !sent && interrupt() {
			sent = true
			_ = cmd.Process.Signal(os.Interrupt)
		}
	}
}

// A Serve is the command serve, a server like the others.
type Serve struct{ *Process }

// Serve starts coatcheck serve. The processes of a test share its secret.
func (c *Coatcheck) Serve(t testing.TB, flags ...string) *Serve {
	t.Helper()
	port, err := freeport.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := unprivileged.NewDir("serve")
	if err != nil {
		t.Fatal(err)
	}
	s := &Serve{}
	s.Process = &Process{
		Dir: dir, Port: port, name: "coatcheck serve", quit: syscall.SIGTERM, env: c.Env,
		args:  append([]string{c.path, "serve", "--addr", fmt.Sprintf("127.0.0.1:%d", port)}, flags...),
		ready: s.healthy,
	}
	return own(t, s, s.Start())
}

// URL is where it serves.
func (s *Serve) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", s.Port) }

// Log returns what it has written so far.
func (s *Serve) Log() string {
	log, _ := os.ReadFile(s.logFile())
	return string(log)
}

func (s *Serve) healthy(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/healthz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// Descriptors is how many files and connections the process has open.
func (s *Serve) Descriptors() int {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	return len(list)
}

// Goroutines ends the process and returns how many goroutines it had.
func (s *Serve) Goroutines() int {
	before := len(s.Log())
	_ = s.cmd.Process.Signal(syscall.SIGQUIT) // the runtime writes all of them
	<-s.done
	return strings.Count(s.Log()[before:], "\n\ngoroutine ")
}
