package stores

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// IDs yields the id of every session and of every tombstone, which no list of the
// contract has: a handle leads back to no id, so that who looks for one has to
// look at all. It reads them in batches and keeps no lock. One may come twice. An
// error is yielded once and ends the walk.
func (o *Opened) IDs(ctx context.Context) iter.Seq2[store.ID, error] {
	if o.ids == nil {
		return func(yield func(store.ID, error) bool) { yield(store.ID{}, errors.ErrUnsupported) }
	}
	return o.ids(ctx)
}

// idBatch is how many ids are read at once.
const idBatch = 10_000

// sqlIDs walks along the primary key.
func sqlIDs(db *sql.DB, dialect sqlstore.Dialect, o Options) func(context.Context) iter.Seq2[store.ID, error] {
	mark := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "$1", sqlstore.MySQL: "?", sqlstore.SQLite: "?"}[dialect]
	query := fmt.Sprintf("SELECT id FROM %s WHERE id > %s ORDER BY id LIMIT %d", table(o, "sessions"), mark, idBatch)
	return func(ctx context.Context) iter.Seq2[store.ID, error] {
		return func(yield func(store.ID, error) bool) {
			for last := (store.ID{}); ; { // nobody's hash is all zero
				page, err := idPage(ctx, db, query, last)
				for _, id := range page {
					if !yield(id, nil) {
						return
					}
					last = id
				}
				if err != nil {
					yield(store.ID{}, err)
				}
				if err != nil || len(page) < idBatch {
					return
				}
			}
		}
	}
}

func idPage(ctx context.Context, db *sql.DB, query string, after store.ID) (page []store.ID, err error) {
	rows, err := db.QueryContext(ctx, query, after[:])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return page, err
		}
		if len(b) == len(after) {
			page = append(page, store.ID(b))
		}
	}
	return page, rows.Err()
}

// redisRecords begins the keys of sessions behind the store's prefix.
const redisRecords = "s"

func redisIDs(option rueidis.ClientOption, prefix string) func(context.Context) iter.Seq2[store.ID, error] {
	prefix = cmp.Or(prefix, redisstore.DefaultPrefix) + redisRecords
	errStop := errors.New("nobody wants more")
	return func(ctx context.Context) iter.Seq2[store.ID, error] {
		return func(yield func(store.ID, error) bool) {
			err := eachKey(ctx, option, prefix, func(_ rueidis.Client, key string) error {
				if id := key[len(prefix):]; len(id) == len(store.ID{}) && !yield(store.ID([]byte(id)), nil) {
					return errStop
				}
				return nil
			})
			if err != nil && err != errStop {
				yield(store.ID{}, err)
			}
		}
	}
}
