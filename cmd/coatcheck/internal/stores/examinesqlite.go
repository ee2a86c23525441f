package stores

import (
	"context"
	"database/sql"
	"os"
	"runtime"
	"strings"
)

// examineSQLite looks at the file: other settings belong to each connection, and
// the application's are not ours to see.
func examineSQLite(db *sql.DB, file string, o Options) func(context.Context) (Findings, error) {
	return func(ctx context.Context) (f Findings, err error) {
		var version string
		if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
			return nil, err
		}
		f.fine("version", "SQLite %s, in this tool; the application has its own", version)
		mode, err := journalMode(ctx, db)
		if err != nil {
			return f, err
		}
		f.want("journal_mode", mode, "readers and the writer wait for each other, and requests time out", "PRAGMA journal_mode = WAL, once, when nobody else has the file open; the file remembers", "wal")
		f.note("synchronous", "synchronous(FULL) in the application's connection string, as the guide has it",
			"it is a setting of each connection; with less than FULL a power failure can lose the last commits, and with them ends of sessions")
		f.fine("isolation", "serializable, always: one writer at a time")
		if err := sqliteFileFindings(&f, file); err != nil {
			return f, err
		}
		if err := sqliteIntact(ctx, db, &f); err != nil {
			return f, err
		}
		return f, sqliteTables(ctx, db, &f, o)
	}
}

func sqliteFileFindings(f *Findings, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	const others = 0o077
	switch mode := info.Mode().Perm(); {
	case runtime.GOOS == "windows": // where the mode says nothing
	case mode&others != 0:
		f.wrong("file", "chmod 600 the file, and those beside it that end in -wal and -shm", "others may read or change it (mode %v): what sessions hold is in it", mode)
	default:
		f.fine("file", "only its owner may read it (mode %v)", mode)
	}
	switch kind := fileSystem(file); kind {
	case "":
	case inMemory:
		f.note("file system", "keep the file on a disk", "it is in memory: after a restart of the machine everybody is logged out")
	default:
		f.wrong("file system", "keep the file on a local disk", "it is on %s: SQLite's locks are not safe there, and the write-ahead log does not work", kind)
	}
	return nil
}

// sqliteIntact reads the whole file, unless that would take long.
func sqliteIntact(ctx context.Context, db *sql.DB, f *Findings) error {
	const most = 1 << 30
	var size int64
	if err := db.QueryRowContext(ctx, "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()").Scan(&size); err != nil {
		return err
	}
	if size > most {
		f.note("contents", "PRAGMA quick_check, when there is time", "not read: the file has %d MiB", size>>20)
		return nil
	}
	var says string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&says); err != nil {
		return err
	}
	if says != "ok" {
		f.wrong("contents", "stop the application, and restore the file from a copy; sessions that ended since are alive again, so give it a new SECRET_KEY",
			"the file is damaged: %s", strings.Join(strings.Fields(says), " "))
		return nil
	}
	f.fine("contents", "intact")
	return nil
}

func sqliteTables(ctx context.Context, db *sql.DB, f *Findings, o Options) error {
	for _, name := range []string{"sessions", "users"} {
		name = table(o, name)
		var there bool
		err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?)", name).Scan(&there)
		switch {
		case err != nil:
			return err
		case !there:
			f.wrong("table", doMigrate, "%s is missing", name)
		default:
			f.fine("table", "%s", name)
		}
	}
	return nil
}
