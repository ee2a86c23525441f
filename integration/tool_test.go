//go:build linux

package integration_test

import (
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// A toolPlace is a store of its own for the commands of the program.
type toolPlace struct {
	url     string
	db      *sql.DB // nil: Redis
	schema  string  // its name for store schema
	queries string  // what lists the tables
	nodes   []*servers.Redis
	apply   func(t *testing.T, schema string) // by the database's own client
}

// toolPlaces start a server for each engine, and a store on it that is empty.
var toolPlaces = []struct {
	name string
	open func(t *testing.T, program *servers.Coatcheck) toolPlace
}{
	{"SQLite", func(t *testing.T, program *servers.Coatcheck) toolPlace {
		url := sqliteURL(t, program)
		if _, errs, status := program.Run(t, "store", "migrate", "--store", url, "--prefix", "app_"); status != 0 { // the file
			t.Fatal(errs)
		}
		db := openSQLite(t, strings.TrimPrefix(url, "sqlite:"))
		return toolPlace{url: url, db: db, schema: "sqlite", queries: "SELECT name FROM sqlite_schema ORDER BY name",
			apply: func(t *testing.T, schema string) {
				if _, err := db.ExecContext(t.Context(), schema); err != nil {
					t.Error(err)
				}
			}}
	}},
	{"PostgreSQL", func(t *testing.T, _ *servers.Coatcheck) toolPlace {
		server := servers.Postgres(t)
		dsn := server.DSN(server.NewDatabase(t))
		return toolPlace{url: dsn, db: openSQL(t, "pgx", dsn), schema: "postgres",
			queries: "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname",
			apply: func(t *testing.T, schema string) {
				pipe(t, schema, servers.Program(t, "psql", "postgresql"), "--no-psqlrc", "-v", "ON_ERROR_STOP=1", dsn)
			}}
	}},
	{"MariaDB", func(t *testing.T, _ *servers.Coatcheck) toolPlace {
		server := servers.MariaDB(t)
		name := server.NewDatabase(t)
		return toolPlace{url: server.URL(name), db: openSQL(t, "mysql", server.DSN(name)), schema: "mysql",
			queries: "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name",
			apply: func(t *testing.T, schema string) {
				pipe(t, schema, servers.Program(t, "mariadb", "mariadb-server"), "--no-defaults", "--protocol=tcp",
					"--host=127.0.0.1", "--user=root", "--port="+strconv.Itoa(server.Port), name)
			}}
	}},
	{"Redis", func(t *testing.T, _ *servers.Coatcheck) toolPlace {
		server := servers.NewRedis(t)
		return toolPlace{url: "redis://" + server.Addr(), nodes: []*servers.Redis{server}}
	}},
	{"Redis Sentinel", func(t *testing.T, _ *servers.Coatcheck) toolPlace {
		set := servers.NewRedisSentinel(t)
		return toolPlace{url: sentinelURL(set), nodes: set.Nodes}
	}},
	{"Redis Cluster", func(t *testing.T, _ *servers.Coatcheck) toolPlace {
		cluster := servers.NewRedisCluster(t)
		return toolPlace{url: clusterURL(cluster), nodes: cluster.Nodes}
	}},
}

// pipe gives a program its standard input.
func pipe(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", filepath.Base(name), err, out)
	}
}

// holds lists what the server has: tables and indexes, or keys.
func (p *toolPlace) holds(t *testing.T) (names []string) {
	t.Helper()
	if p.db == nil {
		for _, node := range p.nodes {
			if node.Info("role") == "master" {
				names = append(names, node.Must(t, "KEYS", "*"))
			}
		}
		return names
	}
	rows, err := p.db.QueryContext(t.Context(), p.queries)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// run runs a command and wants a status and a line of its output.
func run(t *testing.T, program *servers.Coatcheck, status int, want string, args ...string) string {
	t.Helper()
	out, errs, got := program.Run(t, args...)
	if got != status || !strings.Contains(out+errs, want) {
		t.Errorf("coatcheck %s: got status %d, %s%s; want %d and %q", strings.Join(args[:2], " "), got, out, errs, status, want)
	}
	return out
}

// TestTool runs the commands on each live engine.
func TestTool(t *testing.T) {
	t.Parallel()
	for _, p := range toolPlaces {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			program := newProgram(t)
			place := p.open(t, program)
			toolCheck(t, program, place)
			toolKilled(t, program, place)
			toolSchema(t, program, place)
			toolMigrate(t, program, place)
			toolSessions(t, program, place)
			toolStats(t, program, place)
			toolSweep(t, program, place)
			toolExplain(t, program, place)
		})
	}
}

// toolCheck: the store keeps every rule, and nothing is left behind, also after
// an interrupt in the middle.
func toolCheck(t *testing.T, program *servers.Coatcheck, place toolPlace) {
	before := place.holds(t)
	run(t, program, 0, "The store keeps every rule.\n", "store", "check", "--store", place.url)
	if after := place.holds(t); !slices.Equal(before, after) {
		t.Errorf("store check left behind: had %q, has %q", before, after)
	}
	_, errs, status := program.Interrupt(t, func() bool { return !slices.Equal(before, place.holds(t)) }, "store", "check", "--store", place.url)
	if finished := status == 0; !finished && (status != 1 || errs != "coatcheck store check: interrupted\n") {
		t.Errorf("store check, interrupted: got status %d, %s; want 1, or 0 if it was done", status, errs)
	}
	if after := place.holds(t); !slices.Equal(before, after) {
		t.Errorf("store check left behind after an interrupt: had %q, has %q", before, after)
	}
}

// toolKilled: what a check left behind that was killed hours ago, the next one
// removes.
func toolKilled(t *testing.T, program *servers.Coatcheck, place toolPlace) {
	before := place.holds(t)
	made := fmt.Sprintf("%07sabcde", strconv.FormatInt(time.Now().Add(-7*time.Hour).Unix(), 36))
	if place.nodes == nil {
		run(t, program, 0, "up to date", "store", "migrate", "--store", place.url, "--prefix", "coatcheck_check_"+made+"_")
	}
	for _, node := range place.nodes { // in a Cluster one of them takes it
		_, _ = node.Do("SET", "coatcheck-check-"+made+":x", "left")
	}
	if slices.Equal(before, place.holds(t)) {
		t.Error("nothing was left that could be removed")
	}
	run(t, program, 0, "The store keeps every rule.\n", "store", "check", "--store", place.url)
	if after := place.holds(t); !slices.Equal(before, after) {
		t.Errorf("store check after one that was killed: had %q, has %q", before, after)
	}
}

// toolSchema: a schema of PostgreSQL of its own, for all commands.
func toolSchema(t *testing.T, program *servers.Coatcheck, place toolPlace) {
	if place.schema != "postgres" {
		return
	}
	before := place.holds(t) // of the schema public
	in := []string{"--store", place.url, "--schema", "Tenant-1"}
	run(t, program, 1, `the database has no schema "Tenant-1"; coatcheck store migrate makes one`, append([]string{"store", "check"}, in...)...)
	run(t, program, 0, "up to date", append([]string{"store", "migrate"}, in...)...)
	run(t, program, 0, "The store keeps every rule.\n", append([]string{"store", "check"}, in...)...)
	run(t, program, 0, "sessions    0\n", append([]string{"store", "stats"}, in...)...)
	run(t, program, 0, "Removed 0.\n", append([]string{"store", "sweep"}, in...)...)
	run(t, program, 0, "HANDLE", append([]string{"sessions", "list", "--user", "nobody"}, in...)...)
	run(t, program, 0, "Revoked 0.\n", append([]string{"sessions", "revoke", "--all", "--user", "nobody"}, in...)...)
	var tables int
	err := place.db.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'Tenant-1'").Scan(&tables)
	if err != nil || tables != 3 {
		t.Errorf("the schema has %d tables, %v; want the three of store migrate", tables, err)
	}
	if after := place.holds(t); !slices.Equal(before, after) {
		t.Errorf("the schema public had %q, has %q", before, after)
	}
}

// toolMigrate: twice, and by hand under another prefix, which makes the same.
func toolMigrate(t *testing.T, program *servers.Coatcheck, place toolPlace) {
	if place.db == nil {
		run(t, program, 0, "no tables", "store", "migrate", "--store", place.url)
		return
	}
	run(t, program, 0, "up to date", "store", "migrate", "--store", place.url)
	before := place.holds(t)
	run(t, program, 0, "up to date", "store", "migrate", "--store", place.url)
	if after := place.holds(t); !slices.Contains(before, "coatcheck_sessions") || !slices.Equal(before, after) {
		t.Errorf("store migrate: had %q, has %q after a second time", before, after)
	}
	schema := run(t, program, 0, "CREATE TABLE", "store", "schema", place.schema, "--prefix", "byhand_")
	place.apply(t, schema)
	place.apply(t, schema)
	byHand := place.holds(t)
	run(t, program, 0, "up to date", "store", "migrate", "--store", place.url, "--prefix", "byhand_")
	if after := place.holds(t); !slices.Contains(byHand, "byhand_sessions") || !slices.Equal(byHand, after) {
		t.Errorf("store migrate after store schema: had %q, has %q", byHand, after)
	}
	run(t, program, 0, "sessions    0\n", "store", "stats", "--store", place.url, "--prefix", "byhand_")
}

// toolSessions lists, shows and ends sessions of people who are logged in at a
// running server.
func toolSessions(t *testing.T, program *servers.Coatcheck, place toolPlace) {
	site := program.Serve(t, "--store", place.url)
	client := newClient(t, 4)
	user, another := rand.Text(), rand.Text()
	visitors := []*visitor{newVisitor(client), newVisitor(client), newVisitor(client)}
	for _, v := range visitors {
		v.must(t, site, "POST", "/login", http.StatusOK, "Logged in", "user", user)
		v.must(t, site, "GET", "/profile", http.StatusOK, "User "+user)
	}
	stranger := newVisitor(client)
	stranger.must(t, site, "POST", "/login", http.StatusOK, "Logged in", "user", another)

	// What the program tells is what the site tells.
	handles := make(map[string]bool)
	mine := ""
	for _, s := range visitors[0].sessions(t, site) {
		if handles[s.Handle] = true; s.Current {
			mine = s.Handle
		}
	}
	var rows []struct{ Handle, Device, Address string }
	text := run(t, program, 0, "[", "sessions", "list", "--store", place.url, "--user", user, "--json")
	if err := json.Unmarshal([]byte(text), &rows); err != nil || len(rows) != len(visitors) {
		t.Fatalf("sessions list --json: got %s, %v", text, err)
	}
	table := run(t, program, 0, "HANDLE", "sessions", "list", "--store", place.url, "--user", user)
	for _, row := range rows {
		if !handles[row.Handle] || !strings.Contains(table, row.Handle) || row.Address != "127.0.0.1" {
			t.Errorf("sessions list: got %+v; want one of %v, from 127.0.0.1", row, handles)
		}
	}
	show := []string{"sessions", "show", "--store", place.url, "--user", user, "--handle", mine}
	run(t, program, 0, "handle     "+mine, show...)
	var shown struct {
		Handle string
		Bytes  int
	}
	text = run(t, program, 0, "{", append(show, "--json")...)
	if err := json.Unmarshal([]byte(text), &shown); err != nil || shown.Handle != mine || shown.Bytes == 0 {
		t.Errorf("sessions show --json: got %s, %v; want session %s", text, err, mine)
	}

	// One, then all; nobody else.
	revoke := []string{"sessions", "revoke", "--store", place.url, "--user", user}
	run(t, program, 1, "no live session", "sessions", "revoke", "--store", place.url, "--user", another, "--handle", mine)
	visitors[0].must(t, site, "GET", "/profile", http.StatusOK, "User "+user)
	run(t, program, 0, "Revoked 1.\n", append(revoke, "--handle", mine)...)
	refused(t, visitors[0], site)
	run(t, program, 1, "no live session", append(revoke, "--handle", mine)...)
	run(t, program, 2, "want either --handle, --label or --all", revoke...)
	for _, v := range visitors[1:] {
		v.must(t, site, "GET", "/profile", http.StatusOK, "User "+user)
	}
	run(t, program, 0, `{"revoked":2}`, append(revoke, "--all", "--json")...)
	for _, v := range visitors[1:] {
		refused(t, v, site)
	}
	stranger.must(t, site, "GET", "/profile", http.StatusOK, "User "+another)
	run(t, program, 0, "[]\n", "sessions", "list", "--store", place.url, "--user", user, "--json")
}

// refused: an ended session neither reads nor writes.
func refused(t *testing.T, v *visitor, site *servers.Serve) {
	t.Helper()
	v.copy().must(t, site, "GET", "/profile", http.StatusUnauthorized, "Not logged in")
	v.copy().must(t, site, "POST", "/visits", http.StatusConflict, "")
}

// toolStats: one session lives and three were ended; then everybody's are.
func toolStats(t *testing.T, program *servers.Coatcheck, place toolPlace) {
	var stats struct{ Sessions, Users, Tombstones, Bytes int }
	text := run(t, program, 0, "{", "store", "stats", "--store", place.url, "--json")
	if err := json.Unmarshal([]byte(text), &stats); err != nil || stats.Sessions != 1 || stats.Users != 1 || stats.Tombstones != 3 || stats.Bytes == 0 {
		t.Errorf("store stats: got %s, %v; want 1 session, 1 user, 3 tombstones", text, err)
	}
	run(t, program, 0, "sessions    1\nusers       1\ntombstones  3\n", "store", "stats", "--store", place.url)
	run(t, program, 0, `{"revoked":1}`, "sessions", "revoke", "--store", place.url, "--everybody", "--json")
	run(t, program, 0, "sessions    0\nusers       0\ntombstones  4\n", "store", "stats", "--store", place.url)
}

// toolSweep: what is over goes. Redis does that by itself.
func toolSweep(t *testing.T, program *servers.Coatcheck, place toolPlace) {
	if place.db == nil {
		run(t, program, 0, "Removed 0.\n", "store", "sweep", "--store", place.url)
		return
	}
	over := 0
	for _, table := range []string{"coatcheck_sessions", "coatcheck_users"} {
		over += place.rows(t, table)
		if _, err := place.db.ExecContext(t.Context(), "UPDATE "+table+" SET deadline = 1"); err != nil {
			t.Fatal(err)
		}
	}
	run(t, program, 0, fmt.Sprintf("Removed %d.\n", over), "store", "sweep", "--store", place.url)
	if left := place.rows(t, "coatcheck_sessions") + place.rows(t, "coatcheck_users"); over < 5 || left != 0 {
		t.Errorf("after store sweep: %d of %d rows are left", left, over)
	}
}

func (p *toolPlace) rows(t *testing.T, table string) (n int) {
	t.Helper()
	if err := p.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A Redis that may drop sessions is told of at every start.
func TestToolWarnsOfEviction(t *testing.T) {
	t.Parallel()
	const warning = "maxmemory-policy is allkeys-lru; want noeviction"
	program := newProgram(t)
	url := "redis://" + servers.NewRedis(t, "maxmemory-policy allkeys-lru").Addr()
	_, errs, status := program.Run(t, "store", "check", "--store", url)
	if status != 0 || strings.Count(errs, "WARNING: ") != 1 || !strings.Contains(errs, warning) {
		t.Errorf("store check: got status %d, %q; want a warning: %s", status, errs, warning)
	}
	if log := program.Serve(t, "--store", url).Log(); strings.Count(log, "WARNING: ") != 1 || !strings.Contains(log, warning) {
		t.Errorf("serve: got %q; want a warning: %s", log, warning)
	}
}
