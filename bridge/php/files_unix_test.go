//go:build unix && !solaris && !aix

package php_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/bridge/php"
)

const planted = `user|s:5:"admin";`

// What anybody may have put into a folder in which PHP keeps sessions, by the name of a
// session's file. elsewhere is a folder of theirs.
var plants = map[string]func(file, elsewhere string) error{
	"a link": func(file, elsewhere string) error {
		target := filepath.Join(elsewhere, "target")
		return errors.Join(os.WriteFile(target, []byte(planted), 0o600), os.Symlink(target, file))
	},
	"a link to nothing": func(file, elsewhere string) error { return os.Symlink(filepath.Join(elsewhere, "none"), file) },
	"a pipe":            func(file, _ string) error { return syscall.Mkfifo(file, 0o600) },
	"a folder":          func(file, _ string) error { return os.Mkdir(file, 0o700) },
}

// TestPlantedFiles: a link is not followed, nobody waits at a pipe, and what is no
// regular file is no session.
func TestPlantedFiles(t *testing.T) {
	for name, plant := range plants {
		for _, laravel := range []bool{false, true} {
			dir, elsewhere, prefix := t.TempDir(), t.TempDir(), "sess_"
			kv := php.Files(dir)
			if laravel {
				kv, prefix = php.LaravelFiles(dir), ""
			}
			if err := plant(filepath.Join(dir, prefix+id), elsewhere); err != nil {
				t.Fatal(err)
			}
			within(t, name, func(ctx context.Context) {
				if data, _, err := kv.Get(ctx, id); !errors.Is(err, bridge.ErrForged) || len(data) > 0 || strings.Contains(err.Error(), id) {
					t.Errorf("%s: read %q, %v; want ErrForged", name, data, err)
				}
				if err := kv.Set(ctx, id, []byte("x"), 0); err == nil || strings.Contains(err.Error(), id) {
					t.Errorf("%s: written: %v", name, err)
				}
			})
			if list, err := os.ReadDir(elsewhere); err != nil || name == "a link to nothing" && len(list) > 0 {
				t.Errorf("%s: the folder that it leads to has %v, %v", name, list, err)
			}
			if got, _ := os.ReadFile(filepath.Join(elsewhere, "target")); name == "a link" && string(got) != planted {
				t.Errorf("what the link leads to is %q now", got)
			}
		}
	}
}

// within fails the test where f waits for somebody who never comes.
func within(t *testing.T, name string, f func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatalf("%s: it waits", name)
	}
}

// TestPlantedByOthers: where everybody may write to the folder, as in Debian's
// /var/lib/php/sessions, a file of another user is no session of PHP's, and neither is a
// file that is something else as well.
func TestPlantedByOthers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sess_"+id)
	source := newSource(t, php.Config{Store: php.Files(dir)})
	try := func(what string, mode os.FileMode, want error) {
		t.Helper()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if s, err := source.Open(t.Context(), id); !errors.Is(err, want) || err == nil && s.User != "admin" {
			t.Errorf("%s, a folder of %v: %v; want %v", what, mode, err, want)
		}
	}
	const all = os.ModeSticky | 0o733
	if err := os.WriteFile(file, []byte(planted), 0o600); err != nil {
		t.Fatal(err)
	}
	try("our file", 0o700, nil)
	try("our file", all, nil)
	if err := os.Link(file, filepath.Join(dir, "upload")); err != nil {
		t.Fatal(err)
	}
	try("a second name", 0o700, nil)
	try("a second name", all, bridge.ErrForged)
	if err := os.Remove(filepath.Join(dir, "upload")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, 12345, -1); err != nil {
		t.Skipf("only root gives files away: %v", err)
	}
	try("another's file", all, bridge.ErrForged)
	try("another's file", 0o700, nil)
	walked := 0
	for _, err := range source.All(t.Context()) {
		if walked++; err != nil {
			t.Errorf("a walk: %v", err)
		}
	}
	if err := os.Chmod(dir, all); err != nil {
		t.Fatal(err)
	}
	for _, err := range source.All(t.Context()) {
		if walked++; !bridge.Skips(err) {
			t.Errorf("a walk past another's file: %v", err)
		}
	}
	if walked != 2 {
		t.Errorf("the walks saw %d files; want 1 each", walked)
	}
}

// TestDestroyedWhileWaiting: a session that a request of PHP's ends, while a reader
// waits for that request, has ended.
func TestDestroyedWhileWaiting(t *testing.T) {
	dir := t.TempDir()
	source := newSource(t, php.Config{Store: php.Files(dir)})
	w := httptest.NewRecorder()
	if err := source.Issue(w, foreigntest.Request(), bridge.Session{User: "u", Values: map[string]json.RawMessage{}}); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	name := filepath.Join(dir, list[0].Name())
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	locked := &waiting{Context: ctx, asked: make(chan struct{})}
	got := make(chan error)
	go func() {
		_, err := source.Open(locked, strings.TrimPrefix(list[0].Name(), "sess_"))
		got <- err
	}()
	<-locked.asked // it has opened the file, and waits for the lock
	defer stop()
	if err := errors.Join(os.Remove(name), syscall.Flock(int(file.Fd()), syscall.LOCK_UN)); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.Is(err, bridge.ErrEnded) {
		t.Errorf("got %v; want ErrEnded", err)
	}
}

// waiting tells when somebody begins to wait for the context.
type waiting struct {
	context.Context
	asked chan struct{}
	once  bool
}

func (w *waiting) Done() <-chan struct{} {
	if !w.once {
		w.once = true
		close(w.asked)
	}
	return w.Context.Done()
}
