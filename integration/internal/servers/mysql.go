//go:build linux

package servers

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/coatcheck/coatcheck/internal/freeport"
	"github.com/coatcheck/coatcheck/internal/unprivileged"
)

// Engine returns the path of a server that Debian's stable release lacks, from the
// folder that tools/engines.sh has filled. Where it is not there the test skips,
// also under COATCHECK_REQUIRE_ALL: nobody can install it by its name.
func Engine(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("COATCHECK_ENGINES")
	if dir == "" {
		t.Skipf("%s: COATCHECK_ENGINES names no folder that tools/engines.sh has filled", name)
	}
	path := filepath.Join(dir, "bin", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not there: %v", name, err)
	}
	return path
}

// NewMySQL starts a MySQL server, that of Oracle, for this test. It does not wait
// for the disk unless an option says so: options come last, and win.
func NewMySQL(t testing.TB, options ...string) *MariaDBServer {
	t.Helper()
	program := Engine(t, "mysqld")
	s, err := startMySQL(program, append([]string{"--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0"}, options...)...)
	return own(t, s, err)
}

func startMySQL(program string, options ...string) (*MariaDBServer, error) {
	dir, err := unprivileged.NewDir("mysql")
	if err != nil {
		return nil, err
	}
	port, err := freeport.Reserve()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	messages := "--lc-messages-dir=" + filepath.Join(filepath.Dir(filepath.Dir(program)), "tree/usr/share/mysql")
	if err := run(dir, program, "--no-defaults", "--initialize-insecure", "--datadir="+data, messages); err != nil {
		return nil, err
	}
	s := &MariaDBServer{}
	s.Process = &Process{
		Dir: dir, Port: port, name: "MySQL", quit: syscall.SIGTERM,
		args: append([]string{program, "--no-defaults", "--datadir=" + data, fmt.Sprintf("--port=%d", port), messages,
			"--bind-address=127.0.0.1", "--socket=" + filepath.Join(dir, "socket"), "--pid-file=" + filepath.Join(dir, "pid"),
			"--secure-file-priv=NULL", "--mysqlx=OFF", "--max-connections=200"}, options...),
		ready: s.alive,
	}
	return s, s.Start()
}
