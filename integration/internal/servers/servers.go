//go:build linux

package servers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/internal/unprivileged"
)

// A Process is a server that was started, with all processes that it starts.
// Its methods are for one goroutine.
type Process struct {
	Dir  string // its folder
	Port int    // on 127.0.0.1

	name  string
	args  []string                    // program and arguments
	env   []string                    // key=value, beside that of the tests
	ready func(context.Context) error // answers nil as soon as the server serves
	quit  syscall.Signal              // asks it to end in order
	cmd   *exec.Cmd
	done  chan struct{} // closed when cmd has ended
}

// startTimeout is how long a server may take until it serves, or to end. A busy
// machine is no failure.
const startTimeout = 5 * time.Minute

// Program returns the path of a program. Where it is not installed it skips the
// test, or fails it if COATCHECK_REQUIRE_ALL is set.
func Program(t testing.TB, name, debianPackage string) string {
	t.Helper()
	path, err := look(name)
	if err != nil {
		if os.Getenv("COATCHECK_REQUIRE_ALL") != "" {
			t.Fatalf("%s is not installed; it is in the Debian package %s", name, debianPackage)
		}
		t.Skipf("%s is not installed; it is in the Debian package %s", name, debianPackage)
	}
	return path
}

// Library skips or fails the test, as Program does, unless the command says by its
// exit status that the library of a language is there.
func Library(t testing.TB, debianPackage string, command ...string) {
	t.Helper()
	Program(t, command[0], debianPackage)
	if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
		if os.Getenv("COATCHECK_REQUIRE_ALL") != "" {
			t.Fatalf("the Debian package %s is not installed: %v\n%s", debianPackage, err, out)
		}
		t.Skipf("the Debian package %s is not installed: %v", debianPackage, err)
	}
}

// look also searches where Debian puts what is not for everybody's PATH.
func look(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, dir := range append(versions, "/usr/sbin", "/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

// command prepares a program to run as the server's user, and to die with the
// test if that is killed.
func command(dir string, args ...string) (*exec.Cmd, error) {
	who, err := unprivileged.Account()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C", "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// run runs a program that prepares a server's folder.
func run(dir string, args ...string) error {
	cmd, err := command(dir, args...)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(args[0]), err, out)
	}
	return nil
}

// logFile is what the server writes to its standard output and error.
func (p *Process) logFile() string { return filepath.Join(p.Dir, "log") }

// Start starts the server and waits until it serves.
func (p *Process) Start() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := p.startOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		// After a Kill its children may hold memory or port for a moment.
		pause(ctx, 200*time.Millisecond)
	}
}

func (p *Process) startOnce(ctx context.Context) error {
	out, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd, err := command(p.Dir, p.args...)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, p.env...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the log says why
		close(done)
	}()
	p.cmd, p.done = cmd, done
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-done:
			return p.failed(errors.New("ended at once"))
		case <-ctx.Done():
			p.signal(syscall.SIGKILL)
			<-done
			return p.failed(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *Process) failed(err error) error {
	log, _ := os.ReadFile(p.logFile())
	return fmt.Errorf("%s does not serve: %w\n%s", p.name, err, log[max(0, len(log)-4000):])
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Kill ends the server as a crash does, and waits until it is gone.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// Quit asks the server to end in order, and waits until it has.
func (p *Process) Quit() error {
	_ = p.cmd.Process.Signal(p.quit)
	select {
	case <-p.done:
		return nil
	case <-time.After(startTimeout):
		p.Kill()
		return fmt.Errorf("%s did not end when asked to", p.name)
	}
}

// Restart ends the server in order and starts it again.
func (p *Process) Restart() error { return errors.Join(p.Quit(), p.Start()) }

// Stop halts the server, as a machine does that has hung: its connections stay
// open and say nothing.
func (p *Process) Stop() { p.signal(syscall.SIGSTOP) }

// Cont lets a halted server go on.
func (p *Process) Cont() { p.signal(syscall.SIGCONT) }

// signal sends the signal to the server and to every process that it started.
func (p *Process) signal(sig syscall.Signal) {
	for _, pid := range append(children(p.cmd.Process.Pid), p.cmd.Process.Pid) {
		_ = syscall.Kill(pid, sig) // it may have ended by itself
	}
}

// children returns the descendants of a process.
func children(pid int) (list []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	parents := make(map[int][]int)
	for _, name := range stats {
		line, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) || len(line) == 0 {
			continue
		}
		// pid (name) state ppid …; the name may contain anything.
		fields := strings.Fields(string(line[strings.LastIndexByte(string(line), ')')+1:]))
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			parents[parent] = append(parents[parent], child)
		}
	}
	list = slices.Clone(parents[pid])
	for i := 0; i < len(list); i++ {
		list = append(list, parents[list[i]]...)
	}
	return list
}

// remove ends the server and removes its folder.
func (p *Process) remove() error {
	if p.done != nil {
		p.Cont()
		p.Kill()
	}
	return os.RemoveAll(p.Dir)
}

// own ties a server to the test that harms it.
func own[S interface{ remove() error }](t testing.TB, s S, err error) S {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// The servers that the tests of a run share.
var (
	sharedMu sync.Mutex
	shared   = make(map[string]any)
	removers []func() error
)

// share returns the server of that name, which the first caller starts.
func share[S interface{ remove() error }](t testing.TB, name string, start func() (S, error)) S {
	t.Helper()
	sharedMu.Lock()
	defer sharedMu.Unlock()
	if s, ok := shared[name]; ok {
		return s.(S)
	}
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	shared[name] = s
	removers = append(removers, s.remove)
	return s
}

// Main runs the tests and then stops the shared servers. It is for TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	sharedMu.Lock()
	defer sharedMu.Unlock()
	for _, remove := range slices.Backward(removers) {
		if err := remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	return code
}
