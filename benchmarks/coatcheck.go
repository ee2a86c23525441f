package benchmarks

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// Coatcheck is this library with its default configuration: idle timeout of 30
// minutes, hashed ids, MAC in the token, user index, cross-origin check, cache
// headers and all.
var Coatcheck = CoatcheckWith(coatcheck.Config{})

var (
	textKey   = coatcheck.NewKey[string](textName)
	countKey  = coatcheck.NewKey[int](countName)
	largeKey  = coatcheck.NewKey[string](largeName)
	pageKeys  = [3]coatcheck.Key[string]{textKey, coatcheck.NewKey[string](pageNames[1]), coatcheck.NewKey[string](pageNames[2])}
	structKey = coatcheck.NewKey[[]item]("items")
)

// An item is a value that goes through encoding/json.
type item struct {
	Name  string
	Count int
	Price float64
}

var someItems = []item{{"apple", 3, 0.5}, {"pear", 1, 0.75}, {"plum", 12, 0.1}}

func newCoatcheck(b Backend, cfg coatcheck.Config) (App, error) {
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		return nil, err
	}
	if b.Kind == InCookie {
		m, err := coatcheck.NewInCookie(keys, coatcheck.IrrevocableSessions{}, cfg)
		if err != nil {
			return nil, err
		}
		return web{Handler: coatcheckRoutes().behind(b, m.Handler)}, nil
	}
	st, closeStore, err := coatcheckStore(b)
	if err != nil {
		return nil, err
	}
	if b.Made != nil {
		b.Made(st)
	}
	m, err := coatcheck.New(st, keys, cfg)
	if err != nil {
		return nil, err
	}
	return web{Handler: coatcheckRoutes().behind(b, m.Handler), close: closeStore}, nil
}

// Instances makes n applications with managers of their own that share the
// store of b, as n processes would.
func Instances(b Backend, n int) ([]App, error) {
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		return nil, err
	}
	st, closeStore, err := coatcheckStore(b)
	if err != nil {
		return nil, err
	}
	apps := make([]App, n)
	for i := range apps {
		m, err := coatcheck.New(st, keys, coatcheck.Config{})
		if err != nil {
			return nil, err
		}
		apps[i] = web{Handler: coatcheckRoutes().behind(b, m.Handler)}
	}
	apps[0] = web{Handler: apps[0].(web).Handler, close: closeStore}
	return apps, nil
}

// coatcheckStore opens the store of a backend.
func coatcheckStore(b Backend) (st store.Store, closeStore func() error, err error) {
	switch b.Kind {
	case Memory:
		return memstore.New(memstore.Config{MaxSessions: b.Sessions, MaxBytes: int64(b.Sessions) << 10}), nil, nil
	case Redis, RedisCached, RedisDurable:
		cfg := redisstore.Config{}
		if b.Kind == RedisCached {
			cfg.ClientCache = time.Minute
		}
		s, err := redisstore.New(context.Background(), rueidis.ClientOption{InitAddress: []string{b.Addr}}, cfg)
		if err != nil {
			return nil, nil, err
		}
		return s, func() error { s.Close(); return nil }, nil
	case Postgres, SQLite, SQLiteFull, MariaDB:
		s, db, err := SQLStore(b)
		if err != nil {
			return nil, nil, err
		}
		return s, db.Close, nil
	}
	_, err = unsupported(b)
	return nil, nil, err
}

// SQLStore is our store in the database of a backend.
func SQLStore(b Backend) (*sqlstore.Store, *sql.DB, error) {
	db, err := openSQL(b)
	if err != nil {
		return nil, nil, err
	}
	dialect := sqlstore.SQLite
	switch b.Kind {
	case Postgres:
		dialect = sqlstore.PostgreSQL
	case MariaDB:
		dialect = sqlstore.MySQL
	}
	s, err := sqlstore.New(db, dialect, sqlstore.Config{})
	if err == nil {
		err = s.Migrate(context.Background())
	}
	return s, db, err
}

// RedisStore is our store on a server under a prefix, and a client of the same.
func RedisStore(addr, prefix string) (*redisstore.Store, rueidis.Client, error) {
	option := rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true}
	c, err := rueidis.NewClient(option)
	if err != nil {
		return nil, nil, err
	}
	s, err := redisstore.New(context.Background(), option, redisstore.Config{Prefix: prefix})
	return s, c, err
}

func coatcheckRoutes() routes {
	return routes{
		"/untouched": untouched,
		"/read": func(w http.ResponseWriter, r *http.Request) {
			text, _ := textKey.Get(coatcheck.From(r.Context()))
			answer(w, text)
		},
		"/count": func(w http.ResponseWriter, r *http.Request) {
			answerNumber(w, countKey.Update(coatcheck.From(r.Context()), func(n int) int { return n + 1 }))
		},
		"/set": func(w http.ResponseWriter, r *http.Request) {
			textKey.Set(coatcheck.From(r.Context()), textValue)
			w.Write(okBody)
		},
		"/login": func(w http.ResponseWriter, r *http.Request) {
			coatcheck.From(r.Context()).Login(userOf(r))
			w.Write(okBody)
		},
		"/fill": func(w http.ResponseWriter, r *http.Request) {
			s := coatcheck.From(r.Context())
			s.Login(userOf(r))
			textKey.Set(s, textValue)
			if n := number(r); n > 1 {
				countKey.Set(s, 0)
				for name, value := range extra(n) {
					coatcheck.NewKey[string](name).Set(s, value)
				}
			}
			w.Write(okBody)
		},
		"/fill4k": func(w http.ResponseWriter, r *http.Request) {
			s := coatcheck.From(r.Context())
			s.Login(userValue)
			largeKey.Set(s, strings.Repeat("x", 4000))
			textKey.Set(s, textValue)
			w.Write(okBody)
		},
		"/page": func(w http.ResponseWriter, r *http.Request) {
			s := coatcheck.From(r.Context())
			flashes := s.Flashes()
			values := pageValues(s)
			s.Flash(flashText)
			answerPage(w, values, countKey.Update(s, func(n int) int { return n + 1 }), flashes...)
		},
		"/form": func(w http.ResponseWriter, r *http.Request) {
			s := coatcheck.From(r.Context())
			s.Flash(flashText)
			answerPage(w, pageValues(s), countKey.Update(s, func(n int) int { return n + 1 }))
		},
		"/after": func(w http.ResponseWriter, r *http.Request) {
			s := coatcheck.From(r.Context())
			flashes := s.Flashes()
			answerPage(w, pageValues(s), 0, flashes...)
		},
		"/items": func(w http.ResponseWriter, r *http.Request) {
			s := coatcheck.From(r.Context())
			if r.Method == http.MethodPost {
				structKey.Set(s, someItems)
			} else if items, _ := structKey.Get(s); len(items) != len(someItems) {
				answerError(w, fmt.Errorf("%d items", len(items)))
				return
			}
			w.Write(okBody)
		},
	}.pages()
}

func pageValues(s *coatcheck.Session) (values [3]string) {
	for i, key := range pageKeys {
		values[i], _ = key.Get(s)
	}
	return values
}

// CoatcheckWith is Coatcheck with another configuration.
func CoatcheckWith(cfg coatcheck.Config) Library {
	return Library{Name: "coatcheck", New: func(b Backend) (App, error) { return newCoatcheck(b, cfg) }}
}

// Manager is a manager of the sessions in store, with the default configuration.
func Manager(t testing.TB, st store.Store) *coatcheck.Manager {
	t.Helper()
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	m, err := coatcheck.New(st, keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
