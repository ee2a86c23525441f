//go:build linux

package moving

import (
	"database/sql"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the store that is imported into

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/internal/unprivileged"
	"github.com/coatcheck/coatcheck/sqlstore"
)

// Folder is one that the tool may read, which runs as a user of its own.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := unprivileged.NewDir("moving")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// hand gives the tool's user what the application has written into a Folder.
func hand(t testing.TB, dir string) {
	t.Helper()
	who, err := unprivileged.Account()
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if who == nil {
			return
		}
		if err := os.Chown(filepath.Join(dir, e.Name()), int(who.Uid), int(who.Gid)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// A Tool is how the program coatcheck is told of the application's store.
type Tool struct {
	Secret string // FROM_SECRET_KEY
	Store  string // the URL of --from-store
	Folder string // in which the store is, if it is one of files
	Args   []string
	Over   []Browser // logged in by records whose user may not be any more
}

// Bulk has the tool take over the sessions that are in the application's store, twice
// without harm, and its browsers be logged in here when that store is gone.
func (s System) Bulk(t *testing.T, tool Tool) {
	t.Helper()
	program := servers.NewCoatcheck(t)
	file := filepath.Join(program.Dir, "sessions.db")
	program.Env = []string{"SECRET_KEY=" + secret, "FROM_SECRET_KEY=" + tool.Secret, "COATCHECK_FROM_STORE=" + tool.Store, "COATCHECK_STORE=sqlite:" + file}
	if _, errs, status := program.Run(t, "store", "migrate"); status != 0 {
		t.Fatal(errs)
	}
	day := time.Now().UTC().AddDate(0, 2, 0).Truncate(24 * time.Hour)
	command := append([]string{"import", "--until", day.Format(time.DateOnly), "--values", "cart", "--name", "sid"}, tool.Args...)
	run := func() (taken, before int) {
		t.Helper()
		if tool.Folder != "" {
			hand(t, tool.Folder)
		}
		out, errs, status := program.Run(t, command...)
		if _, err := fmt.Sscanf(out, "Took %d, had %d from before", &taken, &before); err != nil || status != 0 {
			t.Fatalf("%v: %d %s %s", command, status, out, errs)
		}
		t.Log(out)
		return taken, before
	}
	var all []Browser
	login := func(user string) {
		b := s.Open()
		b.Login(user)
		all = append(all, b)
	}
	login(s.Users[0])
	login(s.Users[1])
	first, _ := run() // of other tests there may be more
	login(s.Users[0])
	second, before := run()
	third, again := run()
	if first < 2 || second != 1 || before != first || third != 0 || again != first+1 {
		t.Errorf("took %d, then %d and had %d, then %d and had %d; want one more than at first, and nothing twice", first, second, before, third, again)
	}
	s.opens(t, all, tool.Over, file, day)
}

// opens looks who the browsers are here when the old store does not have them any more.
func (s System) opens(t *testing.T, all, over []Browser, file string, day time.Time) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	st, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	app := program(t, st, s.Source, bridge.MoveConfig{Until: day, Imported: true})
	for i, b := range over {
		if got := (visitor{t, app, b}).send("GET", "/").Body.String(); got != "[]" {
			t.Errorf("browser %d, whose session was over, is %q here", i, got)
		}
	}
	for i, b := range all {
		v := visitor{t, app, b}
		if err := s.Source.End(httptest.NewRecorder(), b.Request()); err != nil {
			t.Fatal(err)
		}
		if got, want := v.send("GET", "/").Body.String(), s.Users[i%2]+"[tea]"; got != want {
			t.Errorf("browser %d is %q here, want %q", i, got, want)
		}
		// Only now: an application that does not know a session clears its cookie.
		if got := b.User(); got != "" {
			t.Errorf("browser %d is %q there, without its record", i, got)
		}
	}
}
