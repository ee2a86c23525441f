package django

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/sqlstore"
)

// A table is django_session: the key, what signing.dumps made of the values, and
// when it ends.
type table struct {
	*Source
	read, write, remove, page string
}

func (s *Source) table() table {
	name := s.config.Table
	t := table{
		Source: s,
		read:   "SELECT session_data, expire_date FROM " + name + " WHERE session_key = ?",
		write:  "INSERT INTO " + name + " (session_key, session_data, expire_date) VALUES (?, ?, ?)",
		remove: "DELETE FROM " + name + " WHERE session_key = ?",
		page:   "SELECT session_key, session_data, expire_date FROM " + name + " WHERE session_key > ? ORDER BY session_key LIMIT 200",
	}
	if s.config.Dialect == sqlstore.PostgreSQL {
		for _, statement := range []*string{&t.read, &t.write, &t.remove, &t.page} {
			for n := 1; strings.Contains(*statement, "?"); n++ {
				*statement = strings.Replace(*statement, "?", fmt.Sprintf("$%d", n), 1)
			}
		}
	}
	return t
}

func (t table) load(ctx context.Context, key string) (record, error) {
	var data []byte
	var end any
	err := t.config.DB.QueryRowContext(ctx, t.read, key).Scan(&data, &end)
	if errors.Is(err, sql.ErrNoRows) {
		return record{}, bridge.ErrEnded
	}
	if err != nil {
		return record{}, fmt.Errorf("bridge: django: read from %s: %w", t.config.Table, err)
	}
	return t.open(data, end)
}

// open verifies what the columns have.
func (t table) open(data []byte, end any) (record, error) {
	expires, err := t.time(end)
	if err != nil {
		return record{}, err
	}
	if !time.Now().Before(expires) {
		return record{}, bridge.ErrExpired
	}
	if len(data) > 2*bridge.MaxRecord { // in base64
		return record{}, bridge.Refused("a record of more than %d bytes", bridge.MaxRecord)
	}
	if legacy(data) {
		return record{}, bridge.Refused("the form of Django before 3.1")
	}
	plain, _, err := t.signer(saltRecords).open(string(data))
	if err != nil {
		return record{}, err
	}
	v, refused, err := decodeJSON(plain)
	return record{v, refused, expires}, err
}

// legacy reports whether data has the form of Django before 3.1: base64 of a
// hexadecimal HMAC-SHA-1, a colon and the values.
func legacy(data []byte) bool {
	head := make([]byte, 42)
	if len(data) < 56 {
		return false
	}
	if _, err := base64.StdEncoding.Decode(head, data[:56]); err != nil {
		return false
	}
	_, err := hex.DecodeString(string(head[:40]))
	return err == nil && head[40] == ':'
}

func (t table) save(ctx context.Context, key string, r record) error {
	data, err := encodeJSON(r.values)
	if err != nil {
		return err
	}
	if len(data) > bridge.MaxRecord {
		return fmt.Errorf("the session has %d bytes; want at most %d", len(data), bridge.MaxRecord)
	}
	var end any = r.expires
	if t.config.Dialect != sqlstore.PostgreSQL {
		end = r.expires.In(t.config.Location).Format("2006-01-02 15:04:05.000000")
	}
	_, err = t.config.DB.ExecContext(ctx, t.write, key, t.signer(saltRecords).sign(data, time.Now()), end)
	return err
}

func (t table) drop(ctx context.Context, key string) error {
	_, err := t.config.DB.ExecContext(ctx, t.remove, key)
	return err
}

// time reads a column of a time, which drivers give as a time or as text. Of
// PostgreSQL it is an instant; elsewhere it is what the clock in Location shows.
func (t table) time(column any) (time.Time, error) {
	var text string
	switch v := column.(type) {
	case time.Time:
		if t.config.Dialect == sqlstore.PostgreSQL {
			return v, nil
		}
		return time.Date(v.Year(), v.Month(), v.Day(), v.Hour(), v.Minute(), v.Second(), v.Nanosecond(), t.config.Location), nil
	case []byte:
		text = string(v)
	case string:
		text = v
	}
	for _, layout := range []string{"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999"} {
		if at, err := time.ParseInLocation(layout, text, t.config.Location); err == nil {
			return at, nil
		}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999Z07:00"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, bridge.Refused("an expire_date that is no time")
}
