//go:build linux

package django_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/rueidis"
	_ "modernc.org/sqlite"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/django"
	"github.com/coatcheck/coatcheck/bridge/rediskv"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/moving"
	"github.com/coatcheck/coatcheck/integration/internal/framework"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

const (
	secret = "secret-of-today-in-the-tests-of-the-bridge"
	old    = "secret-of-before-in-the-tests-of-the-bridge"
)

// A world is a Django application with one way to keep sessions, and our side of it.
type world struct {
	name     string
	settings map[string]any
	config   django.Config
	imported *moving.Tool // nil = the tool does not read it

	url    string
	source *django.Source
	hashes map[string]string // of passwords, by user
}

// seen is what the application answers.
type seen struct {
	User   string
	Key    string
	Values map[string]json.RawMessage
	PK     string
	Hash   string
	CSRF   string
}

func start(t *testing.T) []*world {
	t.Helper()
	const python = "/usr/bin/python3"
	for pkg, module := range map[string]string{
		"python3-django": "django", "python3-django-redis": "django_redis", "python3-psycopg2": "psycopg2", "python3-mysqldb": "MySQLdb",
	} {
		servers.Library(t, pkg, python, "-c", "import "+module)
	}
	all := worlds(t)
	var settings []map[string]any
	for _, w := range all {
		settings = append(settings, w.settings)
	}
	var answer struct {
		Version string
		Ports   []int
	}
	framework.Start(t, settings, &answer, python, "testdata/app.py")
	t.Logf("Django %s", answer.Version)
	for i, w := range all {
		w.url = fmt.Sprintf("http://127.0.0.1:%d/", answer.Ports[i])
		w.hashes = map[string]string{}
		w.config.PasswordHash = func(_ context.Context, user string) (string, error) { return w.hashes[user], nil }
		w.config.Policy.AllowInsecureHTTP = true
		s, err := django.New(w.config)
		if err != nil {
			t.Fatal(err)
		}
		w.source = s
	}
	return all
}

func engine(name string) string { return "django.contrib.sessions.backends." + name }

func open(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func worlds(t *testing.T) []*world {
	t.Helper()
	dir := moving.Folder(t)
	sqlite := func(name string) (map[string]any, *sql.DB) {
		file := filepath.Join(dir, name+".db")
		return map[string]any{"default": map[string]any{"ENGINE": "django.db.backends.sqlite3", "NAME": file, "OPTIONS": map[string]any{"timeout": 60}}},
			open(t, "sqlite", "file:"+file+"?_pragma=busy_timeout(60000)")
	}
	redis := servers.SharedRedis(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis.Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	caches := map[string]any{"default": map[string]any{
		"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://" + redis.Addr() + "/0", "KEY_PREFIX": "shop", "VERSION": 3,
	}}
	kv := rediskv.New(client)
	tool := func(store string, args ...string) *moving.Tool {
		return &moving.Tool{Secret: secret, Store: store, Folder: dir, Args: append(args, "--from", "django")}
	}
	file := func(name string) string { return "sqlite:" + filepath.Join(dir, name+".db") }

	cookies, _ := sqlite("cookies")
	table, tableDB := sqlite("table")
	local, localDB := sqlite("local")
	cached, _ := sqlite("cached")
	copied, copiedDB := sqlite("copied")
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	all := []*world{
		{name: "signed_cookies", settings: map[string]any{"SESSION_ENGINE": engine("signed_cookies"), "DATABASES": cookies},
			config: django.Config{Engine: django.SignedCookies}},
		{name: "db, SQLite", settings: map[string]any{"SESSION_ENGINE": engine("db"), "DATABASES": table},
			config: django.Config{Engine: django.DB, DB: tableDB, Dialect: sqlstore.SQLite}, imported: tool(file("table"))},
		{name: "db, SQLite, without zones", settings: map[string]any{"SESSION_ENGINE": engine("db"), "DATABASES": local, "USE_TZ": false, "TIME_ZONE": "America/New_York"},
			config: django.Config{Engine: django.DB, DB: localDB, Dialect: sqlstore.SQLite, Location: newYork}},
		{name: "cache", settings: map[string]any{"SESSION_ENGINE": engine("cache"), "DATABASES": cached, "CACHES": caches},
			config:   django.Config{Engine: django.Cache, Cache: kv, CachePrefix: "shop", CacheVersion: 3},
			imported: tool("redis://"+redis.Addr(), "--from-prefix", "shop", "--from-version", "3", "--users", file("cached"))},
		{name: "cached_db", settings: map[string]any{"SESSION_ENGINE": engine("cached_db"), "DATABASES": copied, "CACHES": caches},
			config: django.Config{Engine: django.CachedDB, DB: copiedDB, Dialect: sqlstore.SQLite, Cache: kv, CachePrefix: "shop", CacheVersion: 3}},
		postgres(t), mariadb(t),
	}
	for _, w := range all {
		w.settings["SECRET_KEY"], w.config.SecretKey = secret, secret
	}
	before := *all[0]
	before.name = "signed_cookies, by the former secret"
	before.settings = map[string]any{"SESSION_ENGINE": engine("signed_cookies"), "DATABASES": cookies, "SECRET_KEY": old, "migrate": false}
	before.config.SecretKey = old
	return append(all, &before)
}

func postgres(t *testing.T) *world {
	t.Helper()
	server := servers.Postgres(t)
	database := server.NewDatabase(t)
	return &world{
		name: "db, PostgreSQL",
		settings: map[string]any{"SESSION_ENGINE": engine("db"), "DATABASES": map[string]any{"default": map[string]any{
			"ENGINE": "django.db.backends.postgresql", "NAME": database, "HOST": "127.0.0.1", "PORT": server.Port, "USER": "coatcheck",
		}}},
		config:   django.Config{Engine: django.DB, DB: open(t, "pgx", server.DSN(database)), Dialect: sqlstore.PostgreSQL},
		imported: &moving.Tool{Secret: secret, Store: server.DSN(database), Args: []string{"--from", "django"}},
	}
}

func mariadb(t *testing.T) *world {
	t.Helper()
	server := servers.MariaDB(t)
	database := server.NewDatabase(t)
	return &world{
		name: "db, MariaDB",
		settings: map[string]any{"SESSION_ENGINE": engine("db"), "DATABASES": map[string]any{"default": map[string]any{
			"ENGINE": "django.db.backends.mysql", "NAME": database, "HOST": "127.0.0.1", "PORT": server.Port, "USER": "root",
		}}},
		config:   django.Config{Engine: django.DB, DB: open(t, "mysql", server.DSN(database)), Dialect: sqlstore.MySQL},
		imported: &moving.Tool{Secret: secret, Store: server.URL(database), Args: []string{"--from", "django"}},
	}
}

func (w *world) visit(t *testing.T, b *framework.Browser, path string, form url.Values) (answer seen) {
	t.Helper()
	b.Get(t, w.url+path, form, &answer)
	return answer
}

// user registers one and returns its primary key.
func (w *world) user(t *testing.T, name string) string {
	t.Helper()
	answer := w.visit(t, framework.NewBrowser(), "register", url.Values{"name": {name}, "password": {"pw"}})
	w.hashes[answer.PK] = answer.Hash
	return answer.PK
}

func (w *world) login(t *testing.T, b *framework.Browser, name string, more url.Values) seen {
	t.Helper()
	form := url.Values{"name": {name}, "password": {"pw"}}
	for k, v := range more {
		form[k] = v
	}
	return w.visit(t, b, "login", form)
}

func (w *world) read(t *testing.T, b *framework.Browser) bridge.Session {
	t.Helper()
	return b.Read(t, w.source)
}

func (w *world) issue(t *testing.T, b *framework.Browser, s bridge.Session) {
	t.Helper()
	b.Issue(t, w.source, s)
}
