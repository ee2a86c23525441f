package benchmarks

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// SCS is configured as its README does. Its idle timeout stays off, as it is by
// default: with it every request writes. For the memory store it starts a
// goroutine that sweeps once a minute.
var SCS = Library{Name: "scs", New: func(b Backend) (App, error) {
	sm := scs.New()
	sm.Lifetime = 12 * time.Hour
	sm.Cookie.Secure = true
	if b.Idle {
		sm.IdleTimeout = 30 * time.Minute
	}
	closeStore, err := scsStore(b, sm)
	if err != nil {
		return nil, err
	}
	return web{Handler: scsRoutes(sm).behind(b, sm.LoadAndSave), close: closeStore}, nil
}}

// scsStore sets the store of a backend.
func scsStore(b Backend, sm *scs.SessionManager) (closeStore func() error, err error) {
	switch b.Kind {
	case Memory: // scs.New has made it
		return nil, nil
	case Redis:
		client := redis.NewClient(&redis.Options{Addr: b.Addr, PoolSize: connections})
		sm.Store = goredisstore.New(client)
		return client.Close, nil
	case Postgres:
		cfg, err := pgxpool.ParseConfig(b.Addr)
		if err != nil {
			return nil, err
		}
		cfg.MaxConns = connections
		pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
		if err != nil {
			return nil, err
		}
		sm.Store = pgxstore.NewWithCleanupInterval(pool, 0)
		// The table of its README.
		_, err = pool.Exec(context.Background(), `CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL);
CREATE INDEX IF NOT EXISTS sessions_expiry_idx ON sessions (expiry)`)
		return func() error { pool.Close(); return nil }, err
	case SQLite, SQLiteFull:
		db, err := openSQL(b)
		if err != nil {
			return nil, err
		}
		sm.Store = sqlite3store.NewWithCleanupInterval(db, 0)
		_, err = db.Exec(`CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sessions_expiry_idx ON sessions(expiry)`)
		return db.Close, err
	}
	_, err = unsupported(b)
	return nil, err
}

func scsRoutes(sm *scs.SessionManager) routes {
	return routes{
		"/untouched": untouched,
		"/read": func(w http.ResponseWriter, r *http.Request) {
			answer(w, sm.GetString(r.Context(), textName))
		},
		"/count": func(w http.ResponseWriter, r *http.Request) {
			n := sm.GetInt(r.Context(), countName) + 1
			sm.Put(r.Context(), countName, n)
			answerNumber(w, n)
		},
		"/set": func(w http.ResponseWriter, r *http.Request) {
			sm.Put(r.Context(), textName, textValue)
			w.Write(okBody)
		},
		"/login": func(w http.ResponseWriter, r *http.Request) {
			if err := sm.RenewToken(r.Context()); err != nil {
				answerError(w, err)
				return
			}
			sm.Put(r.Context(), userName, userValue)
			w.Write(okBody)
		},
		"/fill": func(w http.ResponseWriter, r *http.Request) {
			sm.Put(r.Context(), userName, userValue)
			sm.Put(r.Context(), textName, textValue)
			if n := number(r); n > 1 {
				sm.Put(r.Context(), countName, 0)
				for name, value := range extra(n) {
					sm.Put(r.Context(), name, value)
				}
			}
			w.Write(okBody)
		},
		"/fill4k": func(w http.ResponseWriter, r *http.Request) {
			sm.Put(r.Context(), userName, userValue)
			sm.Put(r.Context(), largeName, strings.Repeat("x", 4000))
			sm.Put(r.Context(), textName, textValue)
			w.Write(okBody)
		},
		"/page": func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			flash := sm.PopString(ctx, flashName)
			sm.Put(ctx, flashName, flashText)
			n := sm.GetInt(ctx, countName) + 1
			sm.Put(ctx, countName, n)
			answerPage(w, scsValues(ctx, sm), n, flash)
		},
		"/form": func(w http.ResponseWriter, r *http.Request) {
			n := sm.GetInt(r.Context(), countName) + 1
			sm.Put(r.Context(), countName, n)
			sm.Put(r.Context(), flashName, flashText)
			answerPage(w, scsValues(r.Context(), sm), n)
		},
		"/after": func(w http.ResponseWriter, r *http.Request) {
			answerPage(w, scsValues(r.Context(), sm), 0, sm.PopString(r.Context(), flashName))
		},
	}.pages()
}

func scsValues(ctx context.Context, sm *scs.SessionManager) (values [3]string) {
	for i, name := range pageNames {
		values[i] = sm.GetString(ctx, name)
	}
	return values
}

// SCSHolding keeps n sessions, two of each user, and returns a function that
// counts those of one, in the way its README shows: it asks each session.
func SCSHolding(t testing.TB, n int) func(user string) int {
	t.Helper()
	sm := scs.New()
	for i := range n {
		data, err := sm.Codec.Encode(time.Now().Add(time.Hour), map[string]any{userName: fmt.Sprint("user", i/2)})
		if err == nil {
			err = sm.Store.Commit(fmt.Sprintf("%043d", i), data, time.Now().Add(time.Hour))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return func(user string) (count int) {
		err := sm.Iterate(context.Background(), func(ctx context.Context) error {
			if sm.GetString(ctx, userName) == user {
				count++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
}
