package stores

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/coatcheck/coatcheck/sqlstore"
)

func openPostgres(ctx context.Context, url string, o Options) (*Opened, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil { // not shown: what it repeats of the URL may be the password
		return nil, fmt.Errorf("%w: want postgres://user:password@host:5432/database, name and password percent-encoded", ErrURL)
	}
	db := stdlib.OpenDB(*cfg)
	opened, err := newSQL(ctx, db, sqlstore.PostgreSQL, o)
	if err != nil {
		return nil, err
	}
	opened.examine, opened.clock = examinePostgres(db, o), sqlClock(db, postgresClock)
	return opened, nil
}
