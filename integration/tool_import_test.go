//go:build linux

package integration_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/django"
	"github.com/coatcheck/coatcheck/bridge/express"
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/bridge/gorilla"
	"github.com/coatcheck/coatcheck/bridge/php"
	"github.com/coatcheck/coatcheck/bridge/rails"
	"github.com/coatcheck/coatcheck/bridge/rediskv"
	"github.com/coatcheck/coatcheck/bridge/scs"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
)

const (
	importOurs  = "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa"
	importTheir = "base64:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
)

// importKinds are all that the tool reads from Redis, and what it is told of them.
func importKinds(t *testing.T, kv bridge.KV, password func(context.Context, string) (string, error)) map[string]func() (bridge.Source, error) {
	return map[string]func() (bridge.Source, error){
		"express": func() (bridge.Source, error) {
			return express.New(express.Config{Secrets: []string{importTheir}, Store: express.Redis(kv, "")})
		},
		"flask-json --user-key user": func() (bridge.Source, error) {
			return flask.New(flask.Config{SecretKey: importTheir, KV: kv, Format: flask.JSON, Prefix: "session:", UserKey: "user"})
		},
		"django --from-prefix shop": func() (bridge.Source, error) {
			return django.New(django.Config{Engine: django.Cache, SecretKey: importTheir, Cache: kv, CachePrefix: "shop", PasswordHash: password})
		},
		"rails --user-key user --from-prefix rack:session:": func() (bridge.Source, error) {
			return rails.New(rails.Config{Redis: kv, RedisPrefix: "rack:session:", UserKey: "user", Cookie: "_shop", Marshal: true})
		},
		"php --user-key user": func() (bridge.Source, error) {
			return php.New(php.Config{Store: php.Redis(kv, ""), UserKey: "user"})
		},
		"php-binary --user-key user --from-prefix b:": func() (bridge.Source, error) {
			return php.New(php.Config{Store: php.Redis(kv, "b:"), Handler: php.HandlerBinary, UserKey: "user"})
		},
		"php-serialize --user-key user --from-prefix s:": func() (bridge.Source, error) {
			return php.New(php.Config{Store: php.Redis(kv, "s:"), Handler: php.HandlerSerialize, UserKey: "user"})
		},
		"laravel --from-prefix l:": func() (bridge.Source, error) {
			return php.NewLaravel(php.LaravelConfig{Keys: []string{importTheir}, Store: php.LaravelRedis(kv, "l:")})
		},
		"laravel-encrypted --from-prefix e:": func() (bridge.Source, error) {
			return php.NewLaravel(php.LaravelConfig{Keys: []string{importTheir}, Store: php.LaravelRedis(kv, "e:"), Encrypt: true})
		},
		"scs --user-key user": func() (bridge.Source, error) {
			return scs.New(scs.Config{Store: scs.Redis(kv, ""), UserKey: "user", HashTokenInStore: true})
		},
		"scs-json --user-key user --from-prefix j:": func() (bridge.Source, error) {
			return scs.New(scs.Config{Store: scs.Redis(kv, "j:"), Codec: scs.JSON{}, UserKey: "user"})
		},
		"gorilla --user-key user": func() (bridge.Source, error) {
			return gorilla.New(importGorilla(gorilla.Redis(kv, ""), gorilla.Gob{}))
		},
		"gorilla-json --user-key user --from-prefix g:": func() (bridge.Source, error) {
			return gorilla.New(importGorilla(gorilla.Redis(kv, "g:"), gorilla.JSON{}))
		},
	}
}

func importGorilla(kv bridge.KV, by gorilla.Serializer) gorilla.Config {
	return gorilla.Config{Keys: []gorilla.KeyPair{{Hash: []byte(importTheir)}}, Name: "shop", UserKey: "user", Store: kv, RecordSerializer: by}
}

// Sessions of every system whose store the tool reads are taken over from Redis, once,
// and open without that store.
func TestToolImportsFromRedis(t *testing.T) {
	t.Parallel()
	program := servers.NewCoatcheck(t)
	server := servers.NewRedis(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	users := sqliteURL(t, program)
	if _, errs, status := program.Run(t, "store", "migrate", "--store", users); status != 0 { // the file
		t.Fatal(errs)
	}
	password := importUsers(t, openSQLite(t, strings.TrimPrefix(users, "sqlite:")))
	kinds := importKinds(t, rediskv.New(client), password)
	for args, open := range kinds {
		t.Run(strings.Fields(args)[0], func(t *testing.T) {
			imports(t, program, open, "--from "+args+" --users "+users, "redis://"+server.Addr())
		})
	}
}

// importUsers makes the table of Django's users: 0 to 9, of whom 8 has a new password
// since the logins, and 9 is not active.
func importUsers(t *testing.T, db *sql.DB) (password func(context.Context, string) (string, error)) {
	t.Helper()
	must := func(query string) {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	must("CREATE TABLE auth_user (id integer PRIMARY KEY, password varchar(128) NOT NULL, is_active boolean NOT NULL)")
	for i := range 10 {
		must(fmt.Sprintf("INSERT INTO auth_user VALUES (%d, 'hash%d', %t)", i, i, i < 9))
	}
	must("UPDATE auth_user SET password = 'another' WHERE id = 8")
	return func(_ context.Context, user string) (string, error) { return "hash" + user, nil }
}

// importPlaces have the tables of other systems as these make them.
var importPlaces = map[string]struct {
	dialect      sqlstore.Dialect
	data, moment string
	scs          string // its column expiry
}{
	"SQLite":     {sqlstore.SQLite, "blob", "datetime", "real"},
	"PostgreSQL": {sqlstore.PostgreSQL, "bytea", "timestamptz", "timestamptz"},
	"MariaDB":    {sqlstore.MySQL, "blob", "datetime(6)", "timestamp(6)"},
}

// The same from the tables of Django, Laravel and scs.
func TestToolImportsFromTables(t *testing.T) {
	t.Parallel()
	program := servers.NewCoatcheck(t)
	for _, place := range toolPlaces {
		kind, ok := importPlaces[place.name]
		if !ok {
			continue
		}
		t.Run(place.name, func(t *testing.T) {
			p := place.open(t, program)
			password := importUsers(t, p.db)
			for _, table := range []string{
				"CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, session_data text NOT NULL, expire_date " + kind.moment + " NOT NULL)",
				"CREATE TABLE laravel (id varchar(255) PRIMARY KEY, user_id bigint, payload text NOT NULL, last_activity integer NOT NULL)",
				"CREATE TABLE sessions (token varchar(43) PRIMARY KEY, data " + kind.data + " NOT NULL, expiry " + kind.scs + " NOT NULL)",
			} {
				if _, err := p.db.ExecContext(t.Context(), table); err != nil {
					t.Fatal(err)
				}
			}
			imports(t, program, func() (bridge.Source, error) {
				return django.New(django.Config{Engine: django.DB, SecretKey: importTheir, DB: p.db, Dialect: kind.dialect, PasswordHash: password})
			}, "--from django", p.url)
			imports(t, program, func() (bridge.Source, error) {
				kv, err := php.LaravelSQL(p.db, kind.dialect, "laravel")
				if err != nil {
					return nil, err
				}
				return php.NewLaravel(php.LaravelConfig{Keys: []string{importTheir}, Store: kv})
			}, "--from laravel --from-table laravel --from-lifetime 2h", p.url)
			imports(t, program, func() (bridge.Source, error) {
				kv, err := scs.SQL(p.db, kind.dialect, "")
				if err != nil {
					return nil, err
				}
				return scs.New(scs.Config{Store: kv, UserKey: "user"})
			}, "--from scs --user-key user", p.url)
			tool := *program
			tool.Env = []string{"SECRET_KEY=" + importOurs}
			if _, errs, status := tool.Run(t, "import", "--from", "scs", "--user-key", "user", "--from-table", "none", "--from-store", p.url, "--store", p.url, "--until", "2099-01-01"); status == 0 || !strings.Contains(errs, "--from-table") {
				t.Errorf("without the table: %d %s", status, errs)
			}
		})
	}
}

// An import that Control-C ends says what it did, and the next one does the rest.
func TestToolImportIsInterrupted(t *testing.T) {
	t.Parallel()
	const n = 2000
	program := servers.NewCoatcheck(t)
	server := servers.NewRedis(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	old, err := scs.New(scs.Config{Store: scs.Redis(rediskv.New(client), ""), UserKey: "user"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		importLogin(t, old, fmt.Sprint(i))
	}
	ours := sqliteURL(t, program)
	tool := *program
	tool.Env = []string{"SECRET_KEY=" + importOurs, "COATCHECK_FROM_STORE=redis://" + server.Addr(), "COATCHECK_STORE=" + ours}
	if _, errs, status := tool.Run(t, "store", "migrate"); status != 0 {
		t.Fatal(errs)
	}
	db := openSQLite(t, strings.TrimPrefix(ours, "sqlite:"))
	some := func() bool {
		var count int
		return db.QueryRowContext(t.Context(), "SELECT count(*) FROM coatcheck_sessions").Scan(&count) == nil && count > 20
	}
	command := []string{"import", "--from", "scs", "--user-key", "user", "--until", time.Now().AddDate(0, 2, 0).Format(time.DateOnly)}
	var taken, before, left int
	out, errs, status := tool.Interrupt(t, some, command...)
	if _, err := fmt.Sscanf(out, "Took %d, had %d from before, left %d.", &taken, &before, &left); err != nil || status != 1 || taken == 0 || taken == n || before+left > 0 {
		t.Fatalf("interrupted: %d %s %s", status, out, errs)
	}
	first := taken
	out, errs, status = tool.Run(t, command...)
	// The session of the last moment may have been made without being counted.
	if _, err := fmt.Sscanf(out, "Took %d, had %d from before, left %d.", &taken, &before, &left); err != nil || status != 0 || taken+before != n || before < first || before > first+1 {
		t.Errorf("after %d: %d %s %s", first, status, out, errs)
	}
}

// imports has sessions made over there, runs the tool, again after more logins, and
// looks who the browsers are for us when the old store is gone.
func imports(t *testing.T, program *servers.Coatcheck, open func() (bridge.Source, error), args, url string) {
	t.Helper()
	old, err := open()
	if err != nil {
		t.Fatal(err)
	}
	ours := sqliteURL(t, program)
	tool := *program
	tool.Env = []string{"SECRET_KEY=" + importOurs, "FROM_SECRET_KEY=" + importTheir, "COATCHECK_FROM_STORE=" + url, "COATCHECK_STORE=" + ours}
	if _, errs, status := tool.Run(t, "store", "migrate"); status != 0 {
		t.Fatal(errs)
	}
	until := time.Now().AddDate(0, 2, 0)
	command := append([]string{"import", "--until", until.Format(time.DateOnly), "--values", "cart"}, strings.Fields(args)...)
	run := func(want string) {
		t.Helper()
		if out, errs, status := tool.Run(t, command...); status != 0 || !strings.Contains(out, want) {
			t.Fatalf("%v: got %d %s %s, want %q", command, status, out, errs, want)
		}
	}
	var browsers []*http.Request
	for i := range 4 {
		browsers = append(browsers, importLogin(t, old, fmt.Sprint(i)))
	}
	importLogin(t, old, "")
	run("Took 4, had 0 from before, left 1.\n        1  nobody is logged in\n")
	left := "left 1"
	if strings.Contains(args, "django") { // who may not log in, and who has a new password
		importLogin(t, old, "8")
		importLogin(t, old, "9")
		left = "left 3"
	}
	for i := range 4 {
		browsers = append(browsers, importLogin(t, old, fmt.Sprint(4+i)))
	}
	run("Took 4, had 4 from before, " + left)
	run("Took 0, had 8 from before, " + left)
	for _, r := range browsers {
		if err := old.End(httptest.NewRecorder(), r); err != nil {
			t.Fatal(err)
		}
	}
	h := importedHandler(t, old, strings.TrimPrefix(ours, "sqlite:"), until)
	for i, r := range browsers {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if got, want := rec.Body.String(), fmt.Sprintf("%d[tea]", i); got != want {
			t.Errorf("%s: browser %d is %q, want %q", args, i, got, want)
		}
	}
}

// importLogin is a login over there: the browser's next request.
func importLogin(t *testing.T, old bridge.Source, user string) *http.Request {
	t.Helper()
	rec := httptest.NewRecorder()
	err := old.Issue(rec, httptest.NewRequest(http.MethodGet, "/", nil), bridge.Session{User: user, Values: map[string]json.RawMessage{"cart": json.RawMessage(`["tea"]`)}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
	for _, c := range rec.Result().Cookies() {
		r.AddCookie(c)
	}
	return r
}

// importedHandler is the program after the import: it says who is logged in.
func importedHandler(t *testing.T, old bridge.Source, file string, until time.Time) http.Handler {
	t.Helper()
	keys, err := cookie.NewKeys(importOurs)
	if err != nil {
		t.Fatal(err)
	}
	st, err := sqlstore.New(openSQLite(t, file), sqlstore.SQLite, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := coatcheck.New(st, keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	day, err := time.Parse(time.DateOnly, until.Format(time.DateOnly))
	if err != nil {
		t.Fatal(err)
	}
	move, err := bridge.NewMove(sessions, old, bridge.MoveConfig{Until: day, Imported: true})
	if err != nil {
		t.Fatal(err)
	}
	return move.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		cart, _ := coatcheck.NewKey[[]string]("cart").Get(s)
		fmt.Fprint(w, s.User(), cart)
	}))
}
