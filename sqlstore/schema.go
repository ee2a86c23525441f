package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// A migration is the statements that lead from one version of the schema to the
// next. Later versions only add, so that a program finds what a newer one left
// usable. A statement may be run again after a crash.
type migration []string

// The tables. A row of the sessions is a record, or a tombstone: version 0,
// deadline is the time until which it stands, next_id its successor. Times are
// microseconds since 1970. kept is the id on a revocation's list that this
// session descends from. A row of the users is a revocation until its deadline;
// without one it is only there to be locked.
//
// Ids and users are bytes, so every collation compares them as they are.
var sqliteSchema = []migration{{
	`CREATE TABLE IF NOT EXISTS {sessions} (
	id        BLOB PRIMARY KEY NOT NULL,
	version   INTEGER NOT NULL,
	usr       BLOB,
	auth_time INTEGER NOT NULL,
	created   INTEGER NOT NULL,
	seen      INTEGER NOT NULL,
	expires   INTEGER NOT NULL,
	deadline  INTEGER NOT NULL,
	next_id   BLOB,
	kept      BLOB,
	data      BLOB NOT NULL
)`,
	`CREATE INDEX IF NOT EXISTS {prefix}sessions_usr ON {sessions} (usr) WHERE usr IS NOT NULL`,
	`CREATE INDEX IF NOT EXISTS {prefix}sessions_deadline ON {sessions} (deadline)`,
	`CREATE TABLE IF NOT EXISTS {users} (
	usr      BLOB PRIMARY KEY NOT NULL,
	revoked  INTEGER,
	deadline INTEGER,
	keep     BLOB
)`,
	`CREATE INDEX IF NOT EXISTS {prefix}users_deadline ON {users} (deadline)`,
}}

// The free space that fillfactor leaves in each page is for the next versions
// of its rows: an update then needs no entry in any index (HOT).
var postgresSchema = []migration{{
	`CREATE TABLE IF NOT EXISTS {sessions} (
	id        BYTEA PRIMARY KEY,
	version   BIGINT NOT NULL,
	usr       BYTEA,
	auth_time BIGINT NOT NULL,
	created   BIGINT NOT NULL,
	seen      BIGINT NOT NULL,
	expires   BIGINT NOT NULL,
	deadline  BIGINT NOT NULL,
	next_id   BYTEA,
	kept      BYTEA,
	data      BYTEA NOT NULL
) WITH (fillfactor = 80)`,
	`CREATE INDEX IF NOT EXISTS {prefix}sessions_usr ON {sessions} (usr) WHERE usr IS NOT NULL`,
	`CREATE INDEX IF NOT EXISTS {prefix}sessions_deadline ON {sessions} (deadline)`,
	`CREATE TABLE IF NOT EXISTS {users} (
	usr      BYTEA PRIMARY KEY,
	revoked  BIGINT,
	deadline BIGINT,
	keep     BYTEA
) WITH (fillfactor = 80)`,
	`CREATE INDEX IF NOT EXISTS {prefix}users_deadline ON {users} (deadline)`,
}}

var mysqlSchema = []migration{{
	`CREATE TABLE IF NOT EXISTS {sessions} (
	id        BINARY(32) NOT NULL PRIMARY KEY,
	version   BIGINT NOT NULL,
	usr       VARBINARY(255),
	auth_time BIGINT NOT NULL,
	created   BIGINT NOT NULL,
	seen      BIGINT NOT NULL,
	expires   BIGINT NOT NULL,
	deadline  BIGINT NOT NULL,
	next_id   BINARY(32),
	kept      BINARY(32),
	data      MEDIUMBLOB NOT NULL,
	KEY {prefix}sessions_usr (usr),
	KEY {prefix}sessions_deadline (deadline)
) ENGINE = InnoDB`,
	`CREATE TABLE IF NOT EXISTS {users} (
	usr      VARBINARY(255) NOT NULL PRIMARY KEY,
	revoked  BIGINT,
	deadline BIGINT,
	keep     MEDIUMBLOB,
	KEY {prefix}users_deadline (deadline)
) ENGINE = InnoDB`,
}}

// migrations returns the statements of every version, the first at index 0,
// each ended by the note that it has been reached.
func migrations(d Dialect, n names) []migration {
	schema := map[Dialect][]migration{SQLite: sqliteSchema, PostgreSQL: postgresSchema, MySQL: mysqlSchema}[d]
	note := "INSERT INTO {schema} (version) VALUES (%d) ON CONFLICT (version) DO NOTHING"
	if d == MySQL {
		note = "INSERT INTO {schema} (version) VALUES (%d) ON DUPLICATE KEY UPDATE version = version"
	}
	list := make([]migration, len(schema))
	for i, m := range schema {
		for _, stmt := range m {
			list[i] = append(list[i], spelled(d, n, stmt))
		}
		list[i] = append(list[i], spelled(d, n, fmt.Sprintf(note, i+1)))
	}
	return list
}

// versions is the table that says how far a database has come.
func versions(d Dialect, n names) string {
	return spelled(d, n, "CREATE TABLE IF NOT EXISTS {schema} (version INTEGER PRIMARY KEY NOT NULL)")
}

// walMode is kept in the database file: set once, it is right for every program
// that opens it. Readers and the writer then do not wait for each other.
const walMode = "PRAGMA journal_mode = WAL"

// Schema returns the SQL that Migrate runs on an empty database, for those who
// change schemas by other means. To run it again does no harm.
func Schema(dialect Dialect, cfg Config) (string, error) {
	n, err := cfg.names(dialect)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if dialect == SQLite {
		out.WriteString(walMode + ";\n")
	}
	if n.schema != "" {
		out.WriteString(createSchema(n) + ";\n")
	}
	out.WriteString(versions(dialect, n) + ";\n")
	for _, m := range migrations(dialect, n) {
		for _, stmt := range m {
			out.WriteString(stmt + ";\n")
		}
	}
	return out.String(), nil
}

// Migrate makes the tables, or brings those of an older version up to date. It
// is idempotent, several programs may call it at once, and where nothing is to
// be done it only reads, so that a program without the right to change the
// schema may call it as well. A newer schema is left as it is. On SQLite it
// also turns the write-ahead log on.
func (s *Store) Migrate(ctx context.Context) error {
	if n, err := s.reached(ctx, s.db); err == nil && n >= len(migrations(s.dialect, s.names)) {
		return nil
	}
	return s.failed(ctx, "migrate", s.engine.migrate(ctx))
}

// reached returns the version of the schema. Without tables that is an error.
func (s *Store) reached(ctx context.Context, q querier) (version int, err error) {
	err = q.QueryRowContext(ctx, spelled(s.dialect, s.names, "SELECT COALESCE(MAX(version), 0) FROM {schema}")).Scan(&version)
	return version, err
}

// advance runs what is missing. The caller sees to it that nobody else does.
func (s *Store) advance(ctx context.Context, q querier) error {
	if _, err := q.ExecContext(ctx, versions(s.dialect, s.names)); err != nil {
		return err
	}
	n, err := s.reached(ctx, q)
	if err != nil {
		return err
	}
	all := migrations(s.dialect, s.names)
	for _, m := range all[min(n, len(all)):] {
		for _, stmt := range m {
			if _, err := q.ExecContext(ctx, stmt); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *sqlite) migrate(ctx context.Context) error {
	err := unbusy(ctx, func() error {
		// A statement that returns a row, and has no effect in memory.
		var mode string
		return e.s.db.QueryRowContext(ctx, walMode).Scan(&mode)
	})
	if err != nil {
		return err
	}
	return e.queue.do(ctx, e.s.advance)
}

func (e *postgres) migrate(ctx context.Context) error {
	return transact(ctx, e.s.db, func(tx *sql.Tx) error {
		// The lock is the transaction's, so it works through a pooler too. The
		// key is "coatchec" as a number.
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(7165069121025631587)"); err != nil {
			return err
		}
		if err := e.makeSchema(ctx, tx); err != nil {
			return err
		}
		return e.s.advance(ctx, tx)
	})
}

// makeSchema makes Config.Schema where it is missing. Looking first lets a
// program without the right to make one use what is there.
func (e *postgres) makeSchema(ctx context.Context, q querier) error {
	there := e.s.names.schema == ""
	if !there {
		err := q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1::text)", e.s.names.schema).Scan(&there)
		if err != nil {
			return err
		}
	}
	if there {
		return nil
	}
	_, err := q.ExecContext(ctx, createSchema(e.s.names))
	return err
}

func createSchema(n names) string { return "CREATE SCHEMA IF NOT EXISTS " + n.quoted() }

// migrate holds a lock of the server by name: MySQL commits every statement that
// changes a schema.
func (e *mysql) migrate(ctx context.Context) error {
	conn, err := e.s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Not SHA1, which MySQL has no more since 9.6; a name has 64 characters at most.
	const name = "SHA2(CONCAT(COALESCE(DATABASE(), ''), '.coatcheck'), 224)"
	for got := false; !got; {
		// One second at a time, so that the end of ctx is noticed.
		if err := conn.QueryRowContext(ctx, "SELECT COALESCE(GET_LOCK("+name+", 1), 0)").Scan(&got); err != nil {
			return err
		}
	}
	err = e.s.advance(ctx, conn)
	// Not DO, which go-mysql-server does not know.
	var released sql.NullBool
	unlocked := conn.QueryRowContext(context.WithoutCancel(ctx), "SELECT RELEASE_LOCK("+name+")").Scan(&released)
	if err == nil {
		err = unlocked
	}
	return err
}
