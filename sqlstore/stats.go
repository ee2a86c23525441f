package sqlstore

import (
	"context"

	"github.com/coatcheck/coatcheck/store"
)

// maxCount bounds what Stats counts: databases count row by row.
const maxCount = 100_000

// Stats counts sessions, tombstones and users as long as the table has at most
// 100,000 rows; with more they are -1. Bytes is what tables and indexes take,
// on SQLite the whole database file.
func (s *Store) Stats(ctx context.Context) (st store.Stats, err error) {
	err = s.engine.read(ctx, func(q querier) error {
		var rows int64
		err := q.QueryRowContext(ctx, s.text.count, maxCount+1).Scan(&rows, &st.Sessions, &st.Users)
		if err != nil {
			return err
		}
		st.Tombstones = rows - st.Sessions
		if rows > maxCount {
			st.Sessions, st.Tombstones, st.Users = -1, -1, -1
		}
		return q.QueryRowContext(ctx, s.text.size).Scan(&st.Bytes)
	})
	return st, s.failed(ctx, "count sessions", err)
}

// size returns the query of the bytes that the tables take.
func size(d Dialect) string {
	switch d {
	case PostgreSQL:
		return "SELECT pg_total_relation_size('{sessions}') + pg_total_relation_size('{users}')"
	case MySQL:
		return "SELECT COALESCE(SUM(data_length + index_length), -1) FROM information_schema.tables" +
			" WHERE table_schema = DATABASE() AND table_name IN ('{sessions}', '{users}')"
	}
	return "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
}
