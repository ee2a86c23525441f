package stores

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/coatcheck/coatcheck/sqlstore"
)

// sqliteOptions: the file must be there, since SQLite would make one with
// rights for everybody; an acknowledged commit survives a power failure.
const sqliteOptions = "?mode=rw&_pragma=busy_timeout(100)&_pragma=synchronous(FULL)"

func openSQLite(ctx context.Context, text string, o Options) (*Opened, error) {
	file, err := sqliteFile(text)
	if err != nil {
		return nil, err
	}
	flags := os.O_RDWR
	if o.Create {
		flags |= os.O_CREATE
	}
	db, err := sqliteDB(file, flags)
	if err != nil {
		return nil, err
	}
	opened, err := newSQL(ctx, db, sqlstore.SQLite, o)
	if err != nil {
		return nil, err
	}
	opened.examine = examineSQLite(db, file, o)
	remove := opened.remove
	mode, err := journalMode(ctx, db)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: %w", err), db.Close())
	}
	opened.remove = func(ctx context.Context) error {
		// Migrate turned the write-ahead log on; the file would remember.
		return errors.Join(remove(ctx), setJournalMode(ctx, db, mode))
	}
	return opened, nil
}

// sqliteFile returns the FILE of sqlite:FILE.
func sqliteFile(text string) (string, error) {
	file := strings.TrimPrefix(text, "sqlite:")
	switch {
	case file == "":
		return "", fmt.Errorf("%w: sqlite: without a file; want sqlite:FILE", ErrURL)
	case strings.HasPrefix(file, ":"):
		return "", fmt.Errorf("%w: sqlite: with a second colon; want sqlite:FILE (or memory:)", ErrURL)
	case strings.HasPrefix(file, "//") && !strings.HasPrefix(file, "///"):
		return "", fmt.Errorf("%w: sqlite: with a host; want sqlite:FILE", ErrURL)
	case strings.ContainsAny(file, "?\x00"):
		return "", fmt.Errorf("%w: sqlite: with a query; want sqlite:FILE", ErrURL)
	}
	return filepath.ToSlash(filepath.Clean(file)), nil
}

func journalMode(ctx context.Context, db *sql.DB) (mode string, err error) {
	err = db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
	return mode, err
}

// setJournalMode changes the mode back if it is another. SQLite refuses while
// another program uses the file, and then nothing was changed for anybody.
func setJournalMode(ctx context.Context, db *sql.DB, mode string) error {
	now, err := journalMode(ctx, db)
	if err != nil || now == mode {
		return err
	}
	db.SetMaxIdleConns(0) // a connection of our own would be in the way as well
	err = db.QueryRowContext(ctx, "PRAGMA journal_mode = "+mode).Scan(&now)
	if err == nil && now != mode {
		err = errors.New("the write-ahead log stays on")
	}
	return err
}
