package stores

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

const mysqlClock = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"

const mysqlSettings = `SHOW VARIABLES WHERE Variable_name IN ('version', 'innodb_flush_log_at_trx_commit', 'innodb_doublewrite', 'log_bin', 'sync_binlog',
	'binlog_format', 'read_only', 'transaction_isolation', 'tx_isolation', 'max_connections')`

// examineMySQL: docs/guide/stores.md has the reasons.
func examineMySQL(db *sql.DB, o Options) func(context.Context) (Findings, error) {
	return func(ctx context.Context) (f Findings, err error) {
		set, err := settings(ctx, db, mysqlSettings)
		if err != nil {
			return nil, err
		}
		product := "MySQL"
		if strings.Contains(set["version"], "MariaDB") {
			product = "MariaDB"
		}
		major, _, _ := strings.Cut(set["version"], ".")
		oldest := map[string]int{"MySQL": 8, "MariaDB": 10}[product]
		if n, _ := strconv.Atoi(major); n < oldest {
			f.wrong("version", "upgrade the server", "%s %s; want %d or later", product, set["version"], oldest)
		} else {
			f.fine("version", "%s %s", product, set["version"])
		}
		global := func(name, value string) string {
			return "SET GLOBAL " + name + " = " + value + "; and the same in the server's configuration"
		}
		f.want("innodb_flush_log_at_trx_commit", set["innodb_flush_log_at_trx_commit"], losesEnds, global("innodb_flush_log_at_trx_commit", "1"), "1")
		f.want("innodb_doublewrite", set["innodb_doublewrite"], "a crash can destroy the tables", "innodb_doublewrite = ON in the server's configuration", "ON", "1")
		if set["log_bin"] == "ON" {
			f.want("binlog_format", set["binlog_format"], noChanges+" at READ COMMITTED", global("binlog_format", "'MIXED'"), "ROW", "MIXED", "")
			if set["sync_binlog"] == "0" {
				f.note("sync_binlog", global("sync_binlog", "1"), "0: after a crash of the machine a replica may lack the last commits, ends included")
			}
		}
		variable := "transaction_isolation"
		if set[variable] == "" { // MariaDB before 11.1
			variable = "tx_isolation"
		}
		f.want("isolation", set[variable], "reads that run beside changes wait for them, or fail", global(variable, "'REPEATABLE-READ'"), "REPEATABLE-READ", "READ-COMMITTED")
		f.want("read_only", set["read_only"], noChanges, "give the application the address of the primary, or: "+global("read_only", "OFF"), "OFF", "0")
		if err := mysqlConnections(ctx, db, &f, set["max_connections"]); err != nil {
			return f, err
		}
		return f, mysqlTables(ctx, db, &f, o)
	}
}

func mysqlConnections(ctx context.Context, db *sql.DB, f *Findings, most string) error {
	status, err := settings(ctx, db, "SHOW STATUS LIKE 'Threads_connected'")
	if err != nil {
		return err
	}
	used, err := strconv.ParseInt(status["Threads_connected"], 10, 64)
	if err != nil {
		return err
	}
	limit, err := strconv.ParseInt(most, 10, 64)
	if err != nil {
		return err
	}
	f.connections(used, limit)
	return nil
}

func mysqlTables(ctx context.Context, db *sql.DB, f *Findings, o Options) error {
	for _, name := range []string{"sessions", "users"} {
		name = table(o, name)
		var engine sql.NullString
		err := db.QueryRowContext(ctx, "SELECT MAX(engine) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?", name).Scan(&engine)
		switch {
		case err != nil:
			return err
		case !engine.Valid:
			f.wrong("table", doMigrate, "%s is missing", name)
		case engine.String != "InnoDB":
			f.wrong("table", "ALTER TABLE "+name+" ENGINE = InnoDB;", "%s is %s, which knows no transactions: logins at once are lost", name, engine.String)
		default:
			f.fine("table", "%s", name)
		}
	}
	return nil
}
