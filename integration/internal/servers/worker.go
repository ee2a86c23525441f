//go:build linux

package servers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/coatcheck/coatcheck/internal/freeport"
	"github.com/coatcheck/coatcheck/internal/overlay"
	"github.com/coatcheck/coatcheck/internal/unprivileged"
)

// A Worker is the program internal/worker: a process that serves sessions as it
// is told. Its clock can be set apart from the machine's.
type Worker struct {
	*Process
	Ports []int // one for each of its managers
}

// NewWorker starts a worker with so many managers on one store. The processes of
// a test need the same env, with the secret.
func NewWorker(t testing.TB, env []string, managers int, flags ...string) *Worker {
	t.Helper()
	program := workerProgram(t)
	dir, err := unprivileged.NewDir("worker")
	if err != nil {
		t.Fatal(err)
	}
	w := &Worker{}
	var addrs []string
	for range managers {
		port, err := freeport.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		w.Ports = append(w.Ports, port)
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", port))
	}
	w.Process = &Process{
		Dir: dir, Port: w.Ports[0], name: "worker", quit: syscall.SIGTERM, env: env,
		args: append([]string{program, "-addr", strings.Join(addrs, ",")}, flags...), ready: w.healthy,
	}
	return own(t, w, w.Start())
}

func (w *Worker) healthy(ctx context.Context) error {
	for _, port := range w.Ports {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/healthz", port), nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		if err := res.Body.Close(); err != nil {
			return err
		}
	}
	return nil
}

// workerProgram builds the worker, once, or returns the one that COATCHECK_WORKER
// names: the histories can look at other code than this.
func workerProgram(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("COATCHECK_WORKER"); path != "" {
		return path
	}
	compiler := Program(t, "go", "golang-go")
	return filepath.Join(share(t, "worker", func() (*folder, error) {
		dir, err := unprivileged.NewDir("program")
		if err == nil {
			err = BuildWorker(compiler, "", filepath.Join(dir, "worker"))
		}
		return &folder{dir}, err
	}).dir, "worker")
}

// BuildWorker builds the worker of a checkout of the repository ("": this one)
// whose library reads a clock that COATCHECK_CLOCK moves.
func BuildWorker(compiler, root, to string) error {
	root, err := repository(compiler, root)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "coatcheck-overlay-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	edits, err := movedClock(root)
	if err != nil {
		return err
	}
	list, err := overlay.Write(root, dir, edits...)
	if err != nil {
		return err
	}
	cmd := exec.Command(compiler, "build", "-overlay", list, "-o", to, "github.com/coatcheck/coatcheck/integration/internal/worker")
	cmd.Dir = filepath.Join(root, "integration")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// repository is the folder of the root module.
func repository(compiler, root string) (string, error) {
	cmd := exec.Command(compiler, "list", "-m", "-f", "{{.Dir}}", "github.com/coatcheck/coatcheck")
	cmd.Dir = cmp.Or(root, ".")
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

// clockFile is what the overlay adds to a package. Only the wall clock is moved:
// what a machine with a wrong clock has. The seconds of a Time with a monotonic
// reading are 33 bits of its first word; TestWorkerClock sees that it is so.
const clockFile = `package %s

import (
	"os"
	"strconv"
	"time"
	"unsafe"
)

func overlayNow() time.Time {
	t := time.Now()
	if ahead, _ := strconv.Atoi(os.Getenv("COATCHECK_CLOCK")); ahead != 0 {
		*(*uint64)(unsafe.Pointer(&t)) += uint64(ahead) << 30
	}
	return t
}

func overlayUntil(t time.Time) time.Duration { return t.Sub(overlayNow()) }

func overlaySince(t time.Time) time.Duration { return overlayNow().Sub(t) }
`

// movedClock edits every reading of the clock in the packages that have one.
func movedClock(root string) ([]overlay.Edit, error) {
	var edits []overlay.Edit
	for _, p := range []struct{ dir, name string }{{"", "coatcheck"}, {"cookie", "cookie"}} {
		files, err := filepath.Glob(filepath.Join(root, p.dir, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			moved := text
			for _, name := range []string{"Now", "Until", "Since"} {
				moved = bytes.ReplaceAll(moved, []byte("time."+name+"("), []byte("overlay"+name+"("))
			}
			if !bytes.Equal(text, moved) {
				edits = append(edits, overlay.Edit{File: filepath.ToSlash(filepath.Join(p.dir, filepath.Base(file))), New: string(moved) + "\nvar _ time.Time\n"})
			}
		}
		edits = append(edits, overlay.Edit{File: filepath.ToSlash(filepath.Join(p.dir, "overlay_clock.go")), New: fmt.Sprintf(clockFile, p.name)})
	}
	return edits, nil
}

// NewFolder makes one that workers and servers may write.
func NewFolder(t testing.TB) string {
	t.Helper()
	dir, err := unprivileged.NewDir("store")
	return own(t, &folder{dir}, err).dir
}

// LimitFiles keeps the files of a process and its children from growing, as a
// full disk does, or no longer.
func (p *Process) LimitFiles(full bool) error {
	var err error
	for _, pid := range append(children(p.cmd.Process.Pid), p.cmd.Process.Pid) {
		var limit unix.Rlimit
		e := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &limit)
		if limit.Cur = limit.Max; full {
			limit.Cur = 8 << 10
		}
		if e == nil {
			e = unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil)
		}
		if !errors.Is(e, unix.ESRCH) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Log returns what the worker has written so far.
func (w *Worker) Log() string {
	log, _ := os.ReadFile(w.logFile())
	return string(log)
}
