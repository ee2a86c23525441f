package django

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
)

// All is of bridge.Walker. With the engine SignedCookies there is nothing to walk:
// the error is errors.ErrUnsupported; and with Cache, if Config.Cache is no
// bridge.KeyWalker.
func (s *Source) All(ctx context.Context) iter.Seq2[bridge.Session, error] {
	switch records := s.records.(type) {
	case table:
		return records.all(ctx)
	case both:
		return records.table.all(ctx)
	case cache:
		if keys, ok := s.config.Cache.(bridge.KeyWalker); ok {
			return records.all(ctx, keys)
		}
	}
	return func(yield func(bridge.Session, error) bool) {
		yield(bridge.Session{}, fmt.Errorf("bridge: django: all sessions: %w", errors.ErrUnsupported))
	}
}

// A row is what a page of the table has.
type row struct {
	key  string
	data []byte
	end  any
}

func (t table) all(ctx context.Context) iter.Seq2[bridge.Session, error] {
	return func(yield func(bridge.Session, error) bool) {
		for last := ""; ; {
			rows, err := t.rows(ctx, last)
			if err != nil {
				yield(bridge.Session{}, fmt.Errorf("bridge: django: all sessions of %s: %w", t.config.Table, err))
				return
			}
			for _, r := range rows {
				found, err := t.open(r.data, r.end)
				if !t.yield(ctx, yield, r.key, found, err) {
					return
				}
				last = r.key
			}
			if len(rows) == 0 {
				return
			}
		}
	}
}

// rows reads one page and closes it: no connection is held while others work.
func (t table) rows(ctx context.Context, after string) ([]row, error) {
	found, err := t.config.DB.QueryContext(ctx, t.page, after)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var all []row
	for found.Next() {
		var r row
		if err := found.Scan(&r.key, &r.data, &r.end); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, found.Err()
}

// yield gives one session, or why it is left out; false = stop.
func (s *Source) yield(ctx context.Context, yield func(bridge.Session, error) bool, key string, r record, err error) bool {
	id := identity(key)
	session := bridge.Session{ID: id}
	if err == nil {
		session, err = s.session(ctx, id, r, time.Time{})
		session.ID = id
	}
	return yield(session, err) && (err == nil || bridge.Skips(err))
}
