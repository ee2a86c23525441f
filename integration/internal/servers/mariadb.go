//go:build linux

package servers

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	_ "github.com/go-sql-driver/mysql" // to see whether the server answers

	"github.com/coatcheck/coatcheck/internal/freeport"
	"github.com/coatcheck/coatcheck/internal/unprivileged"
)

// A MariaDBServer is a MariaDB or MySQL server with the settings that it has by
// itself, except for more memory.
type MariaDBServer struct {
	*Process
	databases atomic.Int64
}

// MariaDB returns the MariaDB server that the tests share. It does not wait for
// the disk.
func MariaDB(t testing.TB) *MariaDBServer {
	install, server := mariadbPrograms(t)
	return share(t, "mariadb", func() (*MariaDBServer, error) {
		return startMariaDB(install, server, "--innodb-flush-log-at-trx-commit=0")
	})
}

// NewMariaDB starts a MariaDB server for this test. What it acknowledges is on
// the disk. Options are those of its command line.
func NewMariaDB(t testing.TB, options ...string) *MariaDBServer {
	install, server := mariadbPrograms(t)
	s, err := startMariaDB(install, server, options...)
	return own(t, s, err)
}

func mariadbPrograms(t testing.TB) (install, server string) {
	return Program(t, "mariadb-install-db", "mariadb-server"), Program(t, "mariadbd", "mariadb-server")
}

func startMariaDB(install, server string, options ...string) (*MariaDBServer, error) {
	dir, err := unprivileged.NewDir("mariadb")
	if err != nil {
		return nil, err
	}
	port, err := freeport.Reserve()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	// Another that starts removes what it takes for leftovers in the folder for
	// temporary tables: each has one of its own.
	err = run(dir, install, "--no-defaults", "--datadir="+data, "--tmpdir="+dir, "--auth-root-authentication-method=normal", "--skip-test-db")
	if err != nil {
		return nil, err
	}
	s := &MariaDBServer{}
	s.Process = &Process{
		Dir: dir, Port: port, name: "MariaDB", quit: syscall.SIGTERM,
		args: append([]string{server, "--no-defaults", "--datadir=" + data, "--tmpdir=" + dir, fmt.Sprintf("--port=%d", port),
			"--bind-address=127.0.0.1", "--socket=" + filepath.Join(dir, "socket"), "--skip-name-resolve",
			"--max-connections=200", "--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M",
			"--pid-file=" + filepath.Join(dir, "pid")}, options...),
		ready: s.alive,
	}
	return s, s.Start()
}

func (s *MariaDBServer) alive(ctx context.Context) error { return s.exec(ctx, "SELECT 1") }

// exec runs a statement on a connection of its own.
func (s *MariaDBServer) exec(ctx context.Context, query string) error {
	db, err := sql.Open("mysql", s.DSN("mysql"))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, query)
	return err
}

// DSN is how to reach a database of this server. Parameters are key=value.
func (s *MariaDBServer) DSN(database string, parameters ...string) string {
	return fmt.Sprintf("root@tcp(127.0.0.1:%d)/%s?%s", s.Port, database, strings.Join(parameters, "&"))
}

// URL is the same for the program coatcheck.
func (s *MariaDBServer) URL(database string) string {
	return fmt.Sprintf("mysql://root@127.0.0.1:%d/%s", s.Port, database)
}

// NewDatabase makes an empty database and returns its name. Its texts are
// compared without regard to case, accents and spaces at the end.
func (s *MariaDBServer) NewDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("db%d", s.databases.Add(1))
	err := s.exec(t.Context(), "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
	if err != nil {
		t.Fatal(err)
	}
	return name
}
