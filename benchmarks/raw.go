package benchmarks

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/rueidis"
)

// Raw is the driver alone: the same handlers over one GET for a read, a read
// and a conditional write for a counter, and one write for a first write. The
// cookie is the key. It has no features, and no check of the cookie.
var Raw = Library{Name: "raw", New: func(b Backend) (App, error) {
	s, err := openRaw(b)
	if err != nil {
		return nil, err
	}
	return web{Handler: rawRoutes(s, b), close: s.close}, nil
}}

// A rawStore is a driver. A write succeeds if nobody else wrote since was.
type rawStore struct {
	read  func(ctx context.Context, id string) (data []byte, version int64, err error)
	make  func(ctx context.Context, id string, data []byte) error
	write func(ctx context.Context, id string, data []byte, was int64) error
	touch func(ctx context.Context, id string) (data []byte, version int64, err error) // a read that moves the end
	close func() error
}

func rawRoutes(s rawStore, b Backend) http.Handler {
	create := func(w http.ResponseWriter, r *http.Request, data []byte) {
		id := rand.Text()
		if err := s.make(r.Context(), id, data); err != nil {
			answerError(w, err)
			return
		}
		w.Header()["Set-Cookie"] = []string{floorCookie + id + floorTail}
		w.Write(okBody)
	}
	id := func(r *http.Request) string {
		_, id, _ := strings.Cut(r.Header.Get("Cookie"), floorCookie)
		return id
	}
	return routes{
		"/untouched": untouched,
		"/read": func(w http.ResponseWriter, r *http.Request) {
			read := s.read
			if b.Idle {
				read = s.touch
			}
			data, _, err := read(r.Context(), id(r))
			if err != nil {
				answerError(w, err)
				return
			}
			value, _ := findValue(data, textName)
			answer(w, string(value))
		},
		"/count": func(w http.ResponseWriter, r *http.Request) {
			data, version, err := s.read(r.Context(), id(r))
			if err != nil {
				answerError(w, err)
				return
			}
			data = append([]byte(nil), data...)
			value, _ := findValue(data, countName)
			n := binary.LittleEndian.Uint64(value) + 1
			binary.LittleEndian.PutUint64(value, n)
			if err := s.write(r.Context(), id(r), data, version); err != nil {
				answerError(w, err)
				return
			}
			answerNumber(w, int(n))
		},
		"/set":  func(w http.ResponseWriter, r *http.Request) { create(w, r, appendValue(nil, textName, textValue)) },
		"/fill": func(w http.ResponseWriter, r *http.Request) { create(w, r, fillFloor(number(r))) },
	}.pages()
}

func openRaw(b Backend) (rawStore, error) {
	switch b.Kind {
	case Redis, RedisCached:
		return rawRedis(b)
	case Postgres:
		return rawPostgres(b)
	case SQLite, SQLiteFull:
		return rawSQLite(b)
	}
	_, err := unsupported(b)
	return rawStore{}, err
}

// rawRedis reads with GET and counts with GET and SET: the fewest commands, not
// the safest.
func rawRedis(b Backend) (s rawStore, err error) {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{b.Addr}, DisableCache: b.Kind == Redis})
	if err != nil {
		return s, err
	}
	const life = 12 * time.Hour
	set := func(ctx context.Context, id string, data []byte) error {
		return c.Do(ctx, c.B().Set().Key(id).Value(rueidis.BinaryString(data)).Ex(life).Build()).Error()
	}
	return rawStore{
		read: func(ctx context.Context, id string) (data []byte, _ int64, err error) {
			if b.Kind == RedisCached {
				data, err = c.DoCache(ctx, c.B().Get().Key(id).Cache(), time.Minute).AsBytes()
			} else {
				data, err = c.Do(ctx, c.B().Get().Key(id).Build()).AsBytes()
			}
			return data, 0, err
		},
		make:  set,
		write: func(ctx context.Context, id string, data []byte, _ int64) error { return set(ctx, id, data) },
		touch: func(ctx context.Context, id string) (data []byte, _ int64, err error) {
			data, err = c.Do(ctx, c.B().Getex().Key(id).Ex(life).Build()).AsBytes()
			return data, 0, err
		},
		close: func() error { c.Close(); return nil },
	}, nil
}

var errRawLost = errors.New("raw: somebody else wrote")

func rawPostgres(b Backend) (s rawStore, err error) {
	cfg, err := pgxpool.ParseConfig(b.Addr)
	if err != nil {
		return s, err
	}
	cfg.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return s, err
	}
	_, err = pool.Exec(context.Background(), `CREATE TABLE IF NOT EXISTS raw (id text PRIMARY KEY, version bigint NOT NULL, expires bigint NOT NULL, data bytea NOT NULL)`)
	return rawStore{
		read: func(ctx context.Context, id string) (data []byte, version int64, err error) {
			err = pool.QueryRow(ctx, `SELECT data, version FROM raw WHERE id = $1`, id).Scan(&data, &version)
			return data, version, err
		},
		make: func(ctx context.Context, id string, data []byte) error {
			_, err := pool.Exec(ctx, `INSERT INTO raw VALUES ($1, 1, $2, $3)`, id, time.Now().Add(time.Hour).Unix(), data)
			return err
		},
		write: func(ctx context.Context, id string, data []byte, was int64) error {
			tag, err := pool.Exec(ctx, `UPDATE raw SET data = $1, version = version + 1 WHERE id = $2 AND version = $3`, data, id, was)
			if err == nil && tag.RowsAffected() == 0 {
				err = errRawLost
			}
			return err
		},
		touch: func(ctx context.Context, id string) (data []byte, version int64, err error) {
			err = pool.QueryRow(ctx, `UPDATE raw SET expires = $1 WHERE id = $2 RETURNING data, version`,
				time.Now().Add(time.Hour).Unix(), id).Scan(&data, &version)
			return data, version, err
		},
		close: func() error { pool.Close(); return nil },
	}, err
}

func rawSQLite(b Backend) (s rawStore, err error) {
	db, err := openSQL(b)
	if err != nil {
		return s, err
	}
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS raw (id TEXT PRIMARY KEY, version INTEGER NOT NULL, expires INTEGER NOT NULL, data BLOB NOT NULL)`)
	if err != nil {
		return s, err
	}
	statements := make(map[string]*sql.Stmt)
	for name, text := range map[string]string{
		"read":  `SELECT data, version FROM raw WHERE id = ?`,
		"make":  `INSERT INTO raw VALUES (?, 1, ?, ?)`,
		"write": `UPDATE raw SET data = ?, version = version + 1 WHERE id = ? AND version = ?`,
	} {
		if statements[name], err = db.Prepare(text); err != nil {
			return s, err
		}
	}
	return rawStore{
		read: func(ctx context.Context, id string) (data []byte, version int64, err error) {
			err = statements["read"].QueryRowContext(ctx, id).Scan(&data, &version)
			return data, version, err
		},
		make: func(ctx context.Context, id string, data []byte) error {
			_, err := statements["make"].ExecContext(ctx, id, time.Now().Add(time.Hour).Unix(), data)
			return err
		},
		write: func(ctx context.Context, id string, data []byte, was int64) error {
			result, err := statements["write"].ExecContext(ctx, data, id, was)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil || n == 0 {
				return errors.Join(errRawLost, err)
			}
			return nil
		},
		close: db.Close,
	}, nil
}
