package cli

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/django"
	"github.com/coatcheck/coatcheck/bridge/express"
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/bridge/gorilla"
	"github.com/coatcheck/coatcheck/bridge/php"
	"github.com/coatcheck/coatcheck/bridge/rails"
	"github.com/coatcheck/coatcheck/bridge/rediskv"
	"github.com/coatcheck/coatcheck/bridge/scs"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sqlstore"
)

// A system is another one, whose sessions are in Redis, in a table, or in files.
type system struct {
	inRedis func(o importOptions, kv bridge.KV) (bridge.Source, error)
	inTable func(o importOptions, db *sql.DB, dialect sqlstore.Dialect) (bridge.Source, error)
	inFiles func(o importOptions, dir string) (bridge.Source, error)
	table   string // its name there by default
	named   bool   // who is logged in is under a name of the application's own: --user-key
	users   bool   // a session counts by the user's row: --users
}

var systems = map[string]system{
	"express": {inRedis: func(o importOptions, kv bridge.KV) (bridge.Source, error) {
		return express.New(express.Config{Secrets: []string{o.secret}, Store: express.Redis(kv, o.fromPrefix), UserKey: o.userKey})
	}},
	"flask": flaskIn(flask.Pickle), "flask-msgpack": flaskIn(flask.MsgPack), "flask-json": flaskIn(flask.JSON),
	"django": {table: "django_session", users: true,
		inTable: func(o importOptions, db *sql.DB, dialect sqlstore.Dialect) (bridge.Source, error) {
			return django.New(django.Config{Engine: django.DB, SecretKey: o.secret, DB: db, Dialect: dialect, Table: o.fromTable, PasswordHash: o.passwordHash})
		},
		inRedis: func(o importOptions, kv bridge.KV) (bridge.Source, error) {
			return django.New(django.Config{Engine: django.Cache, SecretKey: o.secret, Cache: kv, CachePrefix: o.fromPrefix, CacheVersion: o.fromVersion, PasswordHash: o.passwordHash})
		}},
	"rails": {named: true, inRedis: func(o importOptions, kv bridge.KV) (bridge.Source, error) {
		return rails.New(rails.Config{Redis: kv, RedisPrefix: o.fromPrefix, UserKey: o.userKey, Cookie: anyCookie})
	}},
	"php": phpIn(php.HandlerPHP), "php-binary": phpIn(php.HandlerBinary), "php-serialize": phpIn(php.HandlerSerialize),
	"laravel": laravelIn(false), "laravel-encrypted": laravelIn(true),
	"scs": scsIn(scs.Gob{}), "scs-json": scsIn(scs.JSON{}),
	"gorilla": gorillaIn(gorilla.Gob{}), "gorilla-json": gorillaIn(gorilla.JSON{}),
}

// anyCookie is a cookie's name where no cookie is read.
const anyCookie = "session"

func flaskIn(f flask.Format) system {
	return system{inRedis: func(o importOptions, kv bridge.KV) (bridge.Source, error) {
		return flask.New(flask.Config{SecretKey: o.secret, KV: kv, RecordFormat: f, Prefix: o.fromPrefix, UserKey: o.userKey})
	}}
}

func phpIn(h php.Handler) system {
	open := func(o importOptions, kv bridge.KV) (bridge.Source, error) {
		return php.New(php.Config{Store: kv, Handler: h, UserKey: o.userKey, MaxLifetime: o.fromLifetime})
	}
	return system{named: true,
		inRedis: func(o importOptions, kv bridge.KV) (bridge.Source, error) {
			return open(o, php.Redis(kv, o.fromPrefix))
		},
		inFiles: func(o importOptions, dir string) (bridge.Source, error) { return open(o, php.Files(dir)) },
	}
}

func laravelIn(encrypted bool) system {
	open := func(o importOptions, kv bridge.KV) (bridge.Source, error) {
		return php.NewLaravel(php.LaravelConfig{Keys: []string{o.secret}, Store: kv, Encrypt: encrypted, Lifetime: o.fromLifetime})
	}
	return system{table: "sessions",
		inFiles: func(o importOptions, dir string) (bridge.Source, error) { return open(o, php.LaravelFiles(dir)) },
		inTable: func(o importOptions, db *sql.DB, dialect sqlstore.Dialect) (bridge.Source, error) {
			kv, err := php.LaravelSQL(db, dialect, o.fromTable)
			if err != nil {
				return nil, err
			}
			return open(o, kv)
		},
		inRedis: func(o importOptions, kv bridge.KV) (bridge.Source, error) {
			if o.fromPrefix == "" { // all of the Redis would count, and under wrong ids
				return nil, usagef("--from-prefix is empty; want Laravel's of Redis and of the cache, such as laravel_database_laravel_cache:")
			}
			return open(o, php.LaravelRedis(kv, o.fromPrefix))
		}}
}

func scsIn(codec scs.Codec) system {
	open := func(o importOptions, kv bridge.KV) (bridge.Source, error) {
		return scs.New(scs.Config{Store: kv, Codec: codec, UserKey: o.userKey})
	}
	return system{table: "sessions", named: true,
		inTable: func(o importOptions, db *sql.DB, dialect sqlstore.Dialect) (bridge.Source, error) {
			kv, err := scs.SQL(db, dialect, o.fromTable)
			if err != nil {
				return nil, err
			}
			return open(o, kv)
		},
		inRedis: func(o importOptions, kv bridge.KV) (bridge.Source, error) {
			return open(o, scs.Redis(kv, o.fromPrefix))
		}}
}

func gorillaIn(by gorilla.Serializer) system {
	return system{named: true, inRedis: func(o importOptions, kv bridge.KV) (bridge.Source, error) {
		keys := []gorilla.KeyPair{{Hash: []byte("no cookie is read")}}
		return gorilla.New(gorilla.Config{Keys: keys, Name: anyCookie, UserKey: o.userKey, Store: gorilla.Redis(kv, o.fromPrefix), RecordSerializer: by})
	}}
}

// open opens the store of the other system, which closes when close is called.
func (s system) open(ctx context.Context, o importOptions) (old bridge.Source, closeAll func() error, err error) {
	if s.named && o.userKey == "" {
		return nil, nil, usagef("--from %s wants --user-key, the name of the value that says who is logged in", o.from)
	}
	if s.users && o.secret == "" {
		return nil, nil, usagef("--from %s wants %s, its SECRET_KEY", o.from, fromSecretEnv)
	}
	switch scheme := stores.Scheme(o.fromStore); {
	case strings.HasPrefix(scheme, "redis"):
		return s.openRedis(o)
	case scheme == "file":
		return s.openFiles(o)
	case s.inTable == nil:
		return nil, nil, usagef("--from-store is not the URL of a Redis, such as redis://localhost")
	}
	return s.openTable(ctx, o)
}

// openFiles opens a folder, file:DIR or file:///DIR.
func (s system) openFiles(o importOptions) (old bridge.Source, closeAll func() error, err error) {
	if s.inFiles == nil {
		return nil, nil, usagef("--from %s is not read from files", o.from)
	}
	dir := strings.TrimPrefix(strings.TrimPrefix(o.fromStore, "file:"), "//")
	list, err := os.Open(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("the other system's folder: %w", err)
	}
	defer list.Close()
	if _, err := list.ReadDir(1); err != nil && !errors.Is(err, io.EOF) { // no folder, perhaps
		return nil, nil, fmt.Errorf("the other system's folder: %w", err)
	}
	old, err = s.inFiles(o, dir)
	return old, func() error { return nil }, err
}

func (s system) openTable(ctx context.Context, o importOptions) (old bridge.Source, closeAll func() error, err error) {
	db, dialect, err := openDatabase("--from-store", o.fromStore)
	if err != nil {
		return nil, nil, err
	}
	if o.fromTable == "" {
		o.fromTable = s.table
	}
	closeUsers := func() error { return nil }
	if s.users {
		if o.users == "" {
			o.users = o.fromStore
		}
		if closeUsers, err = o.openUsers(); err != nil {
			return nil, nil, errors.Join(err, db.Close())
		}
	}
	closeAll = func() error { return errors.Join(closeUsers(), db.Close()) }
	if old, err = s.inTable(o, db, dialect); err == nil { // which has looked at the name
		err = there(ctx, db, o.fromTable)
	}
	if err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	return old, closeAll, nil
}

func (s system) openRedis(o importOptions) (old bridge.Source, closeAll func() error, err error) {
	if s.inRedis == nil {
		return nil, nil, usagef("--from %s is not read from Redis", o.from)
	}
	option, err := redisstore.ParseURL(o.fromStore)
	if err != nil {
		return nil, nil, usagef("--from-store: %w", err)
	}
	option.DisableCache = true
	closeUsers := func() error { return nil }
	if s.users {
		if o.users == "" {
			return nil, nil, usagef("--users is missing; want the database of Django's users: a session ends with a change of the password")
		}
		if closeUsers, err = o.openUsers(); err != nil {
			return nil, nil, err
		}
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("the other system's Redis: %w", err), closeUsers())
	}
	closeAll = func() error { client.Close(); return closeUsers() }
	if old, err = s.inRedis(o, rediskv.New(client)); err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	return old, closeAll, nil
}

func openDatabase(flag, url string) (*sql.DB, sqlstore.Dialect, error) {
	db, dialect, err := stores.Database(url)
	if errors.Is(err, stores.ErrURL) {
		err = usagef("%s: %w", flag, err)
	}
	return db, dialect, err
}

// there asks for the table before anything is written. The name has been checked.
func there(ctx context.Context, db *sql.DB, table string) error {
	var one int
	err := db.QueryRowContext(ctx, "SELECT 1 FROM "+table+" LIMIT 1").Scan(&one)
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return fmt.Errorf("the other system's table %s, see --from-table, cannot be read: %w", table, err)
}

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// openUsers makes passwordHash read the table of Django's users.
func (o *importOptions) openUsers() (closeAll func() error, err error) {
	if !tableName.MatchString(o.usersTable) {
		return nil, usagef("--users-table %q; want letters, digits and _", o.usersTable)
	}
	db, dialect, err := openDatabase("--users", o.users)
	if err != nil {
		return nil, err
	}
	mark := "$1"
	if dialect == sqlstore.MySQL {
		mark = "?"
	}
	query := "SELECT password FROM " + o.usersTable + " WHERE id = " + mark + " AND is_active"
	o.passwordHash = func(ctx context.Context, user string) (hash string, err error) {
		err = db.QueryRowContext(ctx, query, user).Scan(&hash)
		if errors.Is(err, sql.ErrNoRows) {
			return "", nil
		}
		return hash, err
	}
	return db.Close, nil
}
