package stores_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/store"
)

func TestSQLiteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"plain.db", "with space.db", "per%20cent.db", "ha#sh.db", "plus+and&.db"} {
		file := filepath.Join(dir, name)
		if _, err := stores.Open(t.Context(), "sqlite:"+file, stores.Options{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is missing: got %v, want fs.ErrNotExist", name, err)
		}
		st, err := stores.Open(t.Context(), "sqlite:"+file, stores.Options{Create: true})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if done, err := st.Migrate(t.Context()); !done || err != nil {
			t.Errorf("%s: Migrate: %t, %v", name, done, err)
		}
		if err := st.Close(); err != nil || !st.Shared {
			t.Errorf("%s: Close: %v; shared: %t, want true", name, err, st.Shared)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err) // SQLite took another name
		}
		if info.Size() == 0 || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %d bytes, mode %v; want tables that only the owner reads", name, info.Size(), info.Mode())
		}
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*")); len(files) != 5 || err != nil {
		t.Errorf("got the files %q, %v; want the five", files, err)
	}
}

// A scratch leaves what there was, and nothing else.
func TestScratchLeavesNothing(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	app, err := stores.Open(t.Context(), url, stores.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	if _, err := app.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	scratch, err := stores.OpenScratch(t.Context(), url, stores.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := scratch.Store.Create(t.Context(), store.Record{ID: store.ID{1}, Version: 1, User: "ann"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{"coatcheck_": 0, "scratch": 1} {
		st := app.Store
		if name == "scratch" {
			st = scratch.Store
		}
		counter, _ := store.As[store.Counter](st)
		if stats, err := counter.Stats(t.Context()); stats.Sessions != want || err != nil {
			t.Errorf("%s: %d sessions, %v; want %d", name, stats.Sessions, err, want)
		}
	}
	if err := scratch.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if tables := tablesOf(t, url); len(tables) != 3 {
		t.Errorf("got the tables %q, want those of the application", tables)
	}
}

// What a check left that was killed goes with the next one, hours later; one that
// may be under way is left alone.
func TestScratchRemovesOldOnes(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	old := "coatcheck_check_" + fmt.Sprintf("%07s", strconv.FormatInt(time.Now().Add(-7*time.Hour).Unix(), 36)) + "abcde_"
	young := "coatcheck_check_" + fmt.Sprintf("%07s", strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 36)) + "abcde_"
	for _, prefix := range []string{old, young, "coatcheck_check_mine_"} {
		left, err := stores.Open(t.Context(), url, stores.Options{Create: true, Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := left.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := left.Close(); err != nil {
			t.Fatal(err)
		}
	}
	scratch, err := stores.OpenScratch(t.Context(), url, stores.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := scratch.Close(); err != nil {
		t.Error(err)
	}
	tables := tablesOf(t, url)
	for _, name := range tables {
		if strings.HasPrefix(name, old) {
			t.Errorf("%s is left of a check that was killed", name)
		}
	}
	if len(tables) != 6 {
		t.Errorf("got the tables %q; want the three of the check of an hour ago, and three of somebody else", tables)
	}
}

func tablesOf(t *testing.T, url string) (tables []string) {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return tables
}
