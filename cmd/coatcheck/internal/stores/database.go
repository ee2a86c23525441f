package stores

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/coatcheck/coatcheck/sqlstore"
)

// Database is the database behind the URL of a store, whatever tables it has. It is not
// asked yet. Another scheme than those of databases is an ErrURL.
func Database(url string) (*sql.DB, sqlstore.Dialect, error) {
	switch Scheme(url) {
	case "postgres", "postgresql":
		db, err := postgresDB(url)
		return db, sqlstore.PostgreSQL, err
	case "mysql":
		db, err := mysqlDB(url)
		return db, sqlstore.MySQL, err
	case "sqlite":
		file, err := sqliteFile(url)
		if err != nil {
			return nil, 0, err
		}
		db, err := sqliteDB(file, os.O_RDWR)
		return db, sqlstore.SQLite, err
	}
	return nil, 0, fmt.Errorf("%w: want that of a database, sqlite:, postgres: or mysql: before the rest", ErrURL)
}

func postgresDB(url string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil { // not shown: what it repeats of the URL may be the password
		return nil, fmt.Errorf("%w: want postgres://user:password@host:5432/database, name and password percent-encoded", ErrURL)
	}
	return stdlib.OpenDB(*cfg), nil
}

func mysqlDB(text string) (*sql.DB, error) {
	cfg, err := mysqlConfig(text)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil { // not shown, as in mysqlConfig
		return nil, fmt.Errorf("%w: mysql: wrong parameters", ErrURL)
	}
	return sql.OpenDB(connector), nil
}

func sqliteDB(file string, flags int) (*sql.DB, error) {
	f, err := os.OpenFile(file, flags, 0o600) // sessions are nobody else's to read
	if err != nil {
		return nil, err
	}
	// A path may hold what has a meaning in a URL.
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+sqliteOptions)
	if err = errors.Join(f.Close(), err); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	return db, nil
}
