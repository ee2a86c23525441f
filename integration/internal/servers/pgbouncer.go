//go:build linux

package servers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/coatcheck/coatcheck/internal/freeport"
	"github.com/coatcheck/coatcheck/internal/unprivileged"
)

// A PgBouncerServer is a pooler in front of a PostgreSQL server, in transaction
// mode: every transaction may get another connection.
type PgBouncerServer struct {
	*Process
}

// PgBouncer starts a pooler for this test, with few connections to the server.
func PgBouncer(t testing.TB, to *PostgresServer) *PgBouncerServer {
	s, err := startPgBouncer(Program(t, "pgbouncer", "pgbouncer"), to)
	return own(t, s, err)
}

func startPgBouncer(program string, to *PostgresServer) (*PgBouncerServer, error) {
	dir, err := unprivileged.NewDir("pgbouncer")
	if err != nil {
		return nil, err
	}
	port, err := freeport.Reserve()
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d user=coatcheck

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 500
server_login_retry = 1
ignore_startup_parameters = extra_float_digits
`, to.Port, port)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	s := &PgBouncerServer{}
	s.Process = &Process{
		Dir: dir, Port: port, name: "PgBouncer", quit: syscall.SIGINT,
		args: []string{program, file},
		ready: func(ctx context.Context) error {
			conn, err := pgx.Connect(ctx, s.DSN("postgres", "default_query_exec_mode=exec"))
			if err != nil {
				return err
			}
			return conn.Close(ctx)
		},
	}
	return s, s.Start()
}

// DSN is how to reach a database through the pooler.
func (s *PgBouncerServer) DSN(database string, parameters ...string) string {
	return postgresDSN(s.Port, database, parameters)
}
