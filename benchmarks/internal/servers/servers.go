//go:build linux

package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	_ "github.com/go-sql-driver/mysql" // driver "mysql"
	"github.com/jackc/pgx/v5"

	"github.com/coatcheck/coatcheck/internal/freeport"
)

// A Server runs until Stop.
type Server struct {
	Addr string // host:port

	dir  string
	cmd  *exec.Cmd
	quit os.Signal // that ends it at once; zero is SIGINT
}

// ErrMissing says that a program is not installed.
var ErrMissing = errors.New("not installed")

// Redis starts a Redis that keeps nothing on the disk.
func Redis() (*Server, error) { return redis("--appendonly", "no") }

// RedisDurable starts a Redis that has on the disk what it acknowledges, and
// does not rewrite that file meanwhile.
func RedisDurable() (*Server, error) {
	return redis("--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0")
}

func redis(options ...string) (*Server, error) {
	program, err := look("redis-server")
	if err != nil {
		return nil, err
	}
	return start("redis", func(dir string, port int) ([]string, error) {
		return append([]string{program, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir, "--save", ""}, options...), nil
	}, func(addr string) error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Postgres starts a PostgreSQL whose commits are on the disk. Its user and
// database are "postgres", without a password.
func Postgres() (*Server, error) {
	program, err := look("postgres")
	if err != nil {
		return nil, err
	}
	// initdb is beside the program itself, not beside a link to it.
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return nil, err
	}
	return start("postgres", func(dir string, port int) ([]string, error) {
		data := filepath.Join(dir, "data")
		initdb := command(dir, filepath.Join(filepath.Dir(program), "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
		if out, err := initdb.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("initdb: %w\n%s", err, out)
		}
		return []string{program, "-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
			"-c", "unix_socket_directories=" + dir, "-c", "max_connections=200"}, nil
	}, func(addr string) error { // it listens before it serves
		conn, err := pgx.Connect(context.Background(), "postgres://postgres@"+addr+"/postgres?sslmode=disable")
		if err != nil {
			return err
		}
		return conn.Close(context.Background())
	})
}

// MariaDB starts a MariaDB whose commits are on the disk. Its user is root,
// without a password, its database "test".
func MariaDB() (*Server, error) {
	program, err := look("mariadbd")
	if err != nil {
		return nil, err
	}
	install, err := look("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	s, err := start("mariadb", func(dir string, port int) ([]string, error) {
		data := filepath.Join(dir, "data")
		out, err := command(dir, install, "--no-defaults", "--datadir="+data, "--tmpdir="+dir, "--auth-root-authentication-method=normal").CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
		}
		return []string{program, "--no-defaults", "--datadir=" + data, "--tmpdir=" + dir, "--port=" + strconv.Itoa(port), "--bind-address=127.0.0.1",
			"--socket=" + filepath.Join(dir, "socket"), "--pid-file=" + filepath.Join(dir, "pid"), "--skip-name-resolve", "--max-connections=200"}, nil
	}, func(addr string) error {
		db, err := sql.Open("mysql", "root@tcp("+addr+")/test")
		if err != nil {
			return err
		}
		defer db.Close()
		return db.Ping()
	})
	if err == nil {
		s.quit = syscall.SIGTERM
	}
	return s, err
}

// look also searches where Debian puts servers.
func look(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, _ := filepath.Glob("/usr/sbin/" + name)
	more, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	found = append(found, more...)
	if len(found) == 0 {
		return "", fmt.Errorf("%s: %w", name, ErrMissing)
	}
	return found[len(found)-1], nil
}

func start(
	name string, prepare func(dir string, port int) ([]string, error), ready func(addr string) error,
) (*Server, error) {
	dir, err := os.MkdirTemp("", "benchmarks-"+name+"-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	if err := s.start(prepare, ready); err != nil {
		s.quit = syscall.SIGKILL
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(prepare func(dir string, port int) ([]string, error), ready func(addr string) error) error {
	if who := account(); who != nil {
		if err := os.Chown(s.dir, int(who.Uid), int(who.Gid)); err != nil {
			return err
		}
	}
	port, err := freeport.Reserve()
	if err != nil {
		return err
	}
	s.Addr = fmt.Sprintf("127.0.0.1:%d", port)
	args, err := prepare(s.dir, port)
	if err != nil {
		return err
	}
	s.cmd = command(s.dir, args...)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for range 600 {
		if err = ready(s.Addr); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not serve: %w", args[0], err)
}

// account is whom the servers run as: PostgreSQL refuses to be root.
func account() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if errUID != nil || errGID != nil {
		return nil
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func command(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir, "LC_ALL=C", "TZ=UTC") // TMPDIR: one that is ours may not be theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account(), Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Stop ends the server and removes its folder.
func (s *Server) Stop() error {
	if s.cmd != nil && s.cmd.Process != nil {
		quit := s.quit
		if quit == nil {
			quit = syscall.SIGINT
		}
		_ = s.cmd.Process.Signal(quit)
		_ = s.cmd.Wait() // ended by a signal, and so with an error
	}
	return os.RemoveAll(s.dir)
}
