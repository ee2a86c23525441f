package benchmarks

import (
	"database/sql"
	"fmt"

	_ "github.com/go-sql-driver/mysql" // driver "mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "modernc.org/sqlite"             // driver "sqlite"
)

// connections is how many each pool may keep: as many as there are requests in
// flight, for every library.
const connections = 64

// openSQL opens the database of a backend, the same way for every library.
func openSQL(b Backend) (*sql.DB, error) {
	driver, dsn := "sqlite", b.Addr
	switch b.Kind {
	case Postgres:
		driver = "pgx"
	case MariaDB:
		driver = "mysql"
	default:
		dsn = sqliteDSN(b)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// sqliteDSN has a write-ahead log, as everybody advises, and patience enough
// that no library fails for want of it. With NORMAL the last commits before a
// loss of power may be gone.
func sqliteDSN(b Backend) string {
	synchronous := "NORMAL"
	if b.Kind == SQLiteFull {
		synchronous = "FULL"
	}
	return fmt.Sprintf("file:%s?_pragma=busy_timeout(30000)&_pragma=journal_mode(WAL)&_pragma=synchronous(%s)", b.Addr, synchronous)
}
