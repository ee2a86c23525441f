package stores

import (
	"context"

	"github.com/coatcheck/coatcheck/sqlstore"
)

func openPostgres(ctx context.Context, url string, o Options) (*Opened, error) {
	db, err := postgresDB(url)
	if err != nil {
		return nil, err
	}
	opened, err := newSQL(ctx, db, sqlstore.PostgreSQL, o)
	if err != nil {
		return nil, err
	}
	opened.examine, opened.clock = examinePostgres(db, o), sqlClock(db, postgresClock)
	return opened, nil
}
