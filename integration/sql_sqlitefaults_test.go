//go:build linux

package integration_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// childEnv tells this program that a test has started it to be a child.
const childEnv = "COATCHECK_SQLITE_CHILD"

// child prepares this program to run one test as a child of that same test.
func child(t *testing.T, value string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), childEnv+"="+value)
	cmd.Stderr = os.Stderr
	return cmd
}

// A process that writes is killed over and over; whatever it had reported as
// done must be in the file.
func TestSQLiteKilled(t *testing.T) {
	if file := os.Getenv(childEnv); file != "" {
		reportWrites(t, file)
		return
	}
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sessions.db")
	newSQLStore(t, openSQLite(t, file), sqlstore.SQLite, "")
	acked := make(map[string]string)
	for round := range 5 {
		writeUntilKilled(t, file, acked, 500*(round+1))
	}
	st := newSQLStore(t, openSQLite(t, file), sqlstore.SQLite, "")
	for key, version := range acked {
		id, err := hex.DecodeString(key)
		if err != nil || len(id) != len(store.ID{}) {
			t.Fatal("the writer printed no id")
		}
		rec, err := st.Load(t.Context(), store.ID(id))
		if err != nil || fmt.Sprint(rec.Version) != version {
			t.Errorf("got error %v; want the acknowledged version", err)
		}
	}
	t.Logf("%d acknowledged sessions are there after 5 times kill -9", len(acked))
}

// reportWrites creates sessions, several at once, and prints each that is
// acknowledged.
func reportWrites(t *testing.T, file string) {
	st := newSQLStore(t, openSQLite(t, file), sqlstore.SQLite, "")
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				rec := newRecord("")
				if err := st.Create(t.Context(), rec); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				fmt.Printf("acked %x %d\n", rec.ID[:], rec.Version)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// writeUntilKilled kills a writer as soon as it has reported so many writes.
func writeUntilKilled(t *testing.T, file string, acked map[string]string, writes int) {
	t.Helper()
	cmd := child(t, file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for n := 0; ; n++ {
		if n == writes {
			_ = cmd.Process.Kill() // and read what it has said until then
		}
		line, err := lines.ReadString('\n')
		if err != nil { // the last line may be cut off
			if !errors.Is(err, io.EOF) || n < writes {
				t.Errorf("writer ended after %d writes: %v", n, err)
			}
			break
		}
		if f := strings.Fields(line); len(f) == 3 && f[0] == "acked" {
			acked[f[1]] = f[2]
		}
	}
	_ = cmd.Wait()
}

// On a full disk calls fail, what was acknowledged stays readable, and once
// there is room the store goes on. The disk is a small one of the child's own.
func TestSQLiteFullDisk(t *testing.T) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
			t.Logf("no disk of its own (%v): limiting the size of the file instead", err)
			fillDisk(t, filepath.Join(dir, "sessions.db"), "&_pragma=max_page_count(400)", func(db *sql.DB) error {
				_, err := db.ExecContext(t.Context(), "PRAGMA max_page_count = 100000")
				return err
			})
			return
		}
		ballast := filepath.Join(dir, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 500<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		fillDisk(t, filepath.Join(dir, "sessions.db"), "", func(*sql.DB) error { return os.Remove(ballast) })
		return
	}
	t.Parallel()
	cmd := child(t, t.TempDir())
	cmd.Args = append(cmd.Args, "-test.v")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.Output()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) { // no namespaces here
		cmd = child(t, t.TempDir())
		cmd.Args = append(cmd.Args, "-test.v")
		out, err = cmd.Output()
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

func fillDisk(t *testing.T, file, parameters string, room func(*sql.DB) error) {
	db := openSQLiteWith(t, file, parameters)
	db.SetMaxOpenConns(1) // a page limit is the connection's
	st := newSQLStore(t, db, sqlstore.SQLite, "")
	var acked []store.Record
	failures := 0
	for range 20_000 {
		rec := newRecord("user")
		err := st.Create(t.Context(), rec)
		if err == nil {
			acked = append(acked, rec)
			continue
		}
		if failures == 0 {
			t.Logf("full after %d sessions: %v", len(acked), err)
		}
		if failures++; failures == 50 {
			break
		}
	}
	if failures == 0 {
		t.Fatal("the disk did not fill up")
	}
	for _, rec := range acked {
		if got, err := st.Load(t.Context(), rec.ID); err != nil || got.Version != rec.Version {
			t.Fatalf("Load on a full disk: got error %v, want the record", err)
		}
	}
	if err := room(db); err != nil {
		t.Fatal(err)
	}
	if err := st.Create(t.Context(), newRecord("user")); err != nil {
		t.Errorf("Create with room again: %v", err)
	}
	list, err := st.User(t.Context(), "user")
	if err != nil || len(list) < len(acked)+1 {
		t.Errorf("got %d sessions and error %v, want %d", len(list), err, len(acked)+1)
	}
}

// While another process has the database, calls wait for as long as their
// context lasts, also beyond SQLite's own waiting.
func TestSQLiteBusy(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sessions.db")
	st := newSQLStore(t, openSQLite(t, file), sqlstore.SQLite, "")
	stored, waited, gaveUp := newRecord("user"), newRecord("user"), newRecord("user")
	if err := st.Create(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	other, err := openSQLite(t, file).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	// The first of them leads, and gives up.
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	errs := make([]error, 20)
	var wg sync.WaitGroup
	wg.Go(func() { errs[0] = st.Create(short, gaveUp) })
	for i := 1; i < len(errs)-1; i++ {
		wg.Go(func() { errs[i] = st.Create(t.Context(), newRecord("user")) })
	}
	wg.Go(func() { errs[len(errs)-1] = st.Create(t.Context(), waited) })
	// Readers do not wait.
	if _, err := st.Load(t.Context(), stored.ID); err != nil {
		t.Errorf("Load while another process writes: %v", err)
	}
	<-short.Done()
	if _, err := other.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if !errors.Is(errs[0], context.DeadlineExceeded) {
		t.Errorf("Create with a context that ended: got error %v, want %v", errs[0], context.DeadlineExceeded)
	}
	for _, err := range errs[1:] {
		if err != nil {
			t.Errorf("Create that could wait: %v", err)
		}
	}
	if _, err := st.Load(t.Context(), gaveUp.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Load of what was given up: got error %v, want ErrNotFound", err)
	}
	if _, err := st.Load(t.Context(), waited.ID); err != nil {
		t.Errorf("Load of what waited: %v", err)
	}
}

// A row that the database refuses fails alone, though it shares a transaction.
func TestSQLiteBadRow(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sessions.db")
	db := openSQLite(t, file)
	st := newSQLStore(t, db, sqlstore.SQLite, "")
	_, err := db.ExecContext(t.Context(), `CREATE TRIGGER refuse BEFORE INSERT ON coatcheck_sessions
		WHEN NEW.usr = CAST('bad' AS BLOB) BEGIN SELECT RAISE(ABORT, 'refused'); END`)
	if err != nil {
		t.Fatal(err)
	}
	const n = 40
	errs := make([]error, n)
	recs := make([]store.Record, n)
	var wg sync.WaitGroup
	for i := range n {
		recs[i] = newRecord("good")
		if i%10 == 3 {
			recs[i].User = "bad"
		}
		wg.Go(func() { errs[i] = st.Create(t.Context(), recs[i]) })
	}
	wg.Wait()
	for i, rec := range recs {
		if bad := rec.User == "bad"; bad != (errs[i] != nil) {
			t.Errorf("session %d of user %s: got error %v", i, rec.User, errs[i])
		}
	}
	if list, err := st.User(t.Context(), "good"); err != nil || len(list) != n-n/10 {
		t.Errorf("got %d sessions and error %v, want %d", len(list), err, n-n/10)
	}
}
