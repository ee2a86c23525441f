//go:build linux

package integration_test

import (
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
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/bridge/rediskv"
	"github.com/coatcheck/coatcheck/bridge/scs"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

const (
	importOurs  = "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa"
	importTheir = "base64:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
)

// Sessions of Flask-Session 0.6 and later are taken over from Redis, once, and open
// without that store. No package of it is in Debian: ours writes them, by its format's
// specification. What the real frameworks write is imported in integration/bridges.
func TestToolImports(t *testing.T) {
	t.Parallel()
	program := servers.NewCoatcheck(t)
	server := servers.NewRedis(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	kv := rediskv.New(client)
	for name, format := range map[string]flask.Format{"flask-json": flask.JSON, "flask-msgpack": flask.MsgPack} {
		t.Run(name, func(t *testing.T) {
			old, err := flask.New(flask.Config{SecretKey: importTheir, KV: kv, RecordFormat: format, Prefix: name + ":", UserKey: "user"})
			if err != nil {
				t.Fatal(err)
			}
			imports(t, program, old, "redis://"+server.Addr(), "--from", name, "--user-key", "user", "--from-prefix", name+":")
		})
	}
}

// What is not there is named before anything is written.
func TestToolImportsNothing(t *testing.T) {
	t.Parallel()
	program := servers.NewCoatcheck(t)
	tool := *program
	tool.Env = []string{"SECRET_KEY=" + importOurs}
	url := sqliteURL(t, program)
	if _, errs, status := program.Run(t, "store", "migrate", "--store", url); status != 0 {
		t.Fatal(errs)
	}
	for want, args := range map[string][]string{
		"--from-table":    {"--from", "scs", "--user-key", "user", "--from-table", "none", "--from-store", url},
		"no such file":    {"--from", "php", "--user-key", "user", "--from-store", "file:" + program.Dir + "/none"},
		"not a directory": {"--from", "laravel", "--from-store", "file://" + strings.TrimPrefix(url, "sqlite:")},
	} {
		if _, errs, status := tool.Run(t, append(append([]string{"import"}, args...), "--store", url, "--until", "2099-01-01")...); status != 1 || !strings.Contains(errs, want) {
			t.Errorf("%v: %d %s, want %q", args, status, errs, want)
		}
	}
	until := time.Now().AddDate(0, 2, 0).Format(time.DateOnly)
	args := []string{"import", "--from", "php", "--user-key", "user", "--from-store", "file:" + program.Dir, "--store", url, "--until", until}
	if out, errs, status := tool.Run(t, args...); status != 0 || !strings.HasPrefix(out, "Took 0, had 0 from before, left 0.") || !strings.Contains(errs, "No session is there") {
		t.Errorf("of a folder without sessions: %d %s %s", status, out, errs)
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

// While a move is under way, what the tool revokes counts for foreign sessions that were
// not adopted yet (G2), on each kind of store.
func TestToolRevokesForeign(t *testing.T) {
	t.Parallel()
	program := servers.NewCoatcheck(t)
	server := servers.NewRedis(t)
	postgres := servers.Postgres(t)
	database := postgres.NewDatabase(t)
	file := sqliteURL(t, program)
	for name, place := range map[string]struct {
		url  string
		open func() store.Store
	}{
		"SQLite": {file, func() store.Store {
			return newSQLStore(t, openSQLite(t, strings.TrimPrefix(file, "sqlite:")), sqlstore.SQLite, "")
		}},
		"PostgreSQL": {postgres.DSN(database), func() store.Store {
			return newSQLStore(t, openSQL(t, "pgx", postgres.DSN(database)), sqlstore.PostgreSQL, "")
		}},
		"Redis": {"redis://" + server.Addr(), func() store.Store { return openRedis(t, at(server.Addr()), redisstore.Config{Prefix: "moving:"}) }},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(want string, args ...string) {
				t.Helper()
				args = append(args, "--store", place.url)
				if name == "Redis" {
					args = append(args, "--prefix", "moving:")
				}
				if out, errs, status := program.Run(t, args...); status != 0 || !strings.Contains(out, want) {
					t.Fatalf("%v: %d %s %s; want %q", args, status, out, errs, want)
				}
			}
			if name == "SQLite" { // its file must be the tool's
				run("", "store", "migrate")
			}
			st := place.open()
			apps := make(map[string]http.Handler)
			for _, user := range []string{"ann", "bob", "carl", "dora"} {
				_, apps[user] = adopter(t, st, user)
			}
			wants := func(user, cookie, want string) []*http.Cookie {
				t.Helper()
				w := ask(apps[user], "/", &http.Cookie{Name: "old", Value: cookie + user})
				if w.Code != http.StatusOK || w.Body.String() != want {
					t.Errorf("%s of %s: %d %q; want %q", cookie, user, w.Code, w.Body, want)
				}
				return w.Result().Cookies()
			}
			wants("ann", "seen-", "ann") // and with it the move
			run("Revoked 1.", "sessions", "revoke", "--user", "ann", "--all")
			wants("ann", "seen-", "")
			wants("ann", "never-seen-", "")
			run("Revoked 0.", "sessions", "revoke", "--user", "bob", "--all")
			wants("bob", "never-seen-", "")
			wants("carl", "never-seen-", "carl")
			run("Revoked 1.", "sessions", "revoke", "--everybody")
			wants("carl", "another-never-seen-", "")
			wants("dora", "never-seen-", "")
			// A store itself refuses a login of a user whose sessions were just ended, for a
			// minute (S8). The note is for as long as a move may last.
			for user, want := range map[string]bool{"ann": true, "bob": true, "carl": false, "\x01everybody": true} {
				if at, err := coatcheck.StoreRevoker(st).NotBefore(t.Context(), user); at.IsZero() == want || err != nil {
					t.Errorf("%q is noted as of %v, %v", user, at, err)
				}
			}
		})
	}
}

// imports has sessions made over there, runs the tool, again after more logins, and
// looks who the browsers are for us when the old store is gone.
func imports(t *testing.T, program *servers.Coatcheck, old bridge.Source, url string, args ...string) {
	t.Helper()
	ours := sqliteURL(t, program)
	tool := *program
	tool.Env = []string{"SECRET_KEY=" + importOurs, "FROM_SECRET_KEY=" + importTheir, "COATCHECK_FROM_STORE=" + url, "COATCHECK_STORE=" + ours}
	if _, errs, status := tool.Run(t, "store", "migrate"); status != 0 {
		t.Fatal(errs)
	}
	until := time.Now().AddDate(0, 2, 0)
	command := append([]string{"import", "--until", until.Format(time.DateOnly), "--values", "cart"}, args...)
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
	for i := range 4 {
		browsers = append(browsers, importLogin(t, old, fmt.Sprint(4+i)))
	}
	run("Took 4, had 4 from before, left 1")
	run("Took 0, had 8 from before, left 1")
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
			t.Errorf("%v: browser %d is %q, want %q", args, i, got, want)
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
