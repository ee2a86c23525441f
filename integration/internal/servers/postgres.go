//go:build linux

package servers

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/coatcheck/coatcheck/internal/freeport"
	"github.com/coatcheck/coatcheck/internal/unprivileged"
)

// A PostgresServer is a PostgreSQL server with the settings that it has by
// itself. It counts the statements that clients send (pg_stat_statements).
type PostgresServer struct {
	*Process
	databases atomic.Int64
}

// Postgres returns the PostgreSQL server that the tests share. It does not wait
// for the disk.
func Postgres(t testing.TB) *PostgresServer {
	bin := postgresPrograms(t)
	return share(t, "postgres", func() (*PostgresServer, error) { return startPostgres(bin, "-c", "fsync=off") })
}

// NewPostgres starts a PostgreSQL server for this test. What it acknowledges is
// on the disk. Options are those of its command line.
func NewPostgres(t testing.TB, options ...string) *PostgresServer {
	s, err := startPostgres(postgresPrograms(t), options...)
	return own(t, s, err)
}

// postgresPrograms returns the folder of the server's programs.
func postgresPrograms(t testing.TB) string {
	Program(t, "initdb", "postgresql")
	return filepath.Dir(Program(t, "postgres", "postgresql"))
}

func startPostgres(bin string, options ...string) (*PostgresServer, error) {
	dir, err := unprivileged.NewDir("postgres")
	if err != nil {
		return nil, err
	}
	port, err := freeport.Reserve()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	err = run(dir, filepath.Join(bin, "initdb"), "-D", data, "-U", "coatcheck", "-A", "trust", "-E", "UTF8", "--no-sync")
	if err != nil {
		return nil, err
	}
	s := &PostgresServer{}
	s.Process = &Process{
		Dir: dir, Port: port, name: "PostgreSQL", quit: syscall.SIGINT,
		args: append([]string{filepath.Join(bin, "postgres"), "-D", data, "-p", fmt.Sprint(port),
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + dir,
			"-c", "max_connections=200", "-c", "shared_preload_libraries=pg_stat_statements"}, options...),
		ready: func(ctx context.Context) error { return s.exec(ctx, "postgres", "SELECT 1") },
	}
	return s, s.Start()
}

// exec runs a statement on a connection of its own.
func (s *PostgresServer) exec(ctx context.Context, database, query string) error {
	conn, err := pgx.Connect(ctx, s.DSN(database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, query)
	return err
}

// DSN is how to reach a database of this server. Parameters are key=value.
func (s *PostgresServer) DSN(database string, parameters ...string) string {
	return postgresDSN(s.Port, database, parameters)
}

func postgresDSN(port int, database string, parameters []string) string {
	return fmt.Sprintf("postgres://coatcheck@127.0.0.1:%d/%s?%s", port, database,
		strings.Join(append([]string{"sslmode=disable"}, parameters...), "&"))
}

// NewDatabase makes an empty database and returns its name.
func (s *PostgresServer) NewDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("db%d", s.databases.Add(1))
	if err := s.exec(t.Context(), "postgres", "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	if err := s.exec(t.Context(), name, "CREATE EXTENSION pg_stat_statements"); err != nil {
		t.Fatal(err)
	}
	return name
}
