package stores

import (
	"context"
	"database/sql"
	"strconv"
)

const postgresClock = "SELECT (extract(epoch FROM clock_timestamp()) * 1e6)::bigint"

const postgresSettings = `SELECT name, setting FROM pg_settings WHERE name IN ('server_version', 'server_version_num', 'fsync', 'full_page_writes',
	'synchronous_commit', 'default_transaction_isolation', 'autovacuum', 'max_connections', 'synchronous_standby_names')`

// examinePostgres: docs/guide/stores.md has the reasons.
func examinePostgres(db *sql.DB, o Options) func(context.Context) (Findings, error) {
	return func(ctx context.Context) (f Findings, err error) {
		set, err := settings(ctx, db, postgresSettings)
		if err != nil {
			return nil, err
		}
		const oldest = 120000
		if n, _ := strconv.Atoi(set["server_version_num"]); n < oldest {
			f.wrong("version", "upgrade the server", "PostgreSQL %s; want 12 or later", set["server_version"])
		} else {
			f.fine("version", "PostgreSQL %s", set["server_version"])
		}
		reload := func(name, value string) string {
			return "ALTER SYSTEM SET " + name + " = " + value + "; SELECT pg_reload_conf();"
		}
		f.want("fsync", set["fsync"], losesEnds, reload("fsync", "on"), "on")
		f.want("full_page_writes", set["full_page_writes"], "a crash can destroy the tables", reload("full_page_writes", "on"), "on")
		f.want("synchronous_commit", set["synchronous_commit"], losesEnds, reload("synchronous_commit", "on"), "on", "local", "remote_write", "remote_apply")
		f.want("isolation", set["default_transaction_isolation"], "what runs at once fails in place of waiting",
			"default_transaction_isolation=read%20committed in the application's connection string", "read committed")
		f.want("autovacuum", set["autovacuum"], "the tables grow with every change, and never shrink", reload("autovacuum", "on"), "on")
		if err := postgresState(ctx, db, &f, set); err != nil {
			return f, err
		}
		return f, postgresTables(ctx, db, &f, o)
	}
}

func postgresState(ctx context.Context, db *sql.DB, f *Findings, set map[string]string) error {
	var standby, readOnly, encrypted, remote bool
	var standbys, used int64
	err := db.QueryRowContext(ctx, `SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool,
		COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), COALESCE(host(inet_server_addr()) NOT IN ('127.0.0.1', '::1'), false),
		(SELECT count(*) FROM pg_stat_replication), (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')`).
		Scan(&standby, &readOnly, &encrypted, &remote, &standbys, &used)
	if err != nil {
		return err
	}
	switch {
	case standby:
		f.wrong("role", "give the application the address of the primary", "this is a standby; %s, and what it shows is late", noChanges)
	case readOnly:
		f.wrong("role", "ALTER SYSTEM SET default_transaction_read_only = off; SELECT pg_reload_conf();", "it takes no changes (default_transaction_read_only); %s", noChanges)
	default:
		f.fine("role", "it takes changes")
	}
	if standbys > 0 && set["synchronous_standby_names"] == "" {
		f.note("standbys", "name those that commits wait for in synchronous_standby_names", "%d, and no commit waits for them: after a failover the last ends may be undone", standbys)
	}
	if remote && !encrypted {
		f.note("TLS", "sslmode=verify-full in the connection string", "the connection to another machine is not encrypted")
	}
	most, err := strconv.ParseInt(set["max_connections"], 10, 64)
	if err != nil {
		return err
	}
	f.connections(used, most)
	return nil
}

func postgresTables(ctx context.Context, db *sql.DB, f *Findings, o Options) error {
	for _, name := range []string{"sessions", "users"} {
		name = table(o, name)
		var persistence sql.NullString
		err := db.QueryRowContext(ctx, "SELECT (SELECT relpersistence::text FROM pg_class WHERE oid = to_regclass($1::text))", name).Scan(&persistence)
		switch {
		case err != nil:
			return err
		case !persistence.Valid:
			f.wrong("table", doMigrate, "%s is missing", name)
		case persistence.String == "u":
			f.wrong("table", "ALTER TABLE "+name+" SET LOGGED;", "%s is unlogged: it is empty after a crash, and on a standby", name)
		default:
			f.fine("table", "%s", name)
		}
	}
	return nil
}

const doMigrate = "coatcheck store migrate makes the tables; where the application has them under other names give --prefix and --schema"
