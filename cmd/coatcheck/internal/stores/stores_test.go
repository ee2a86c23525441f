package stores_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
)

func TestOpenMemory(t *testing.T) {
	t.Parallel()
	store, err := stores.Open(t.Context(), "memory:", stores.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := store.Store.Sweep(t.Context(), time.Now(), 1); n != 0 || err != nil {
		t.Errorf("Sweep of an empty store: %d, %v", n, err)
	}
	if err := store.Close(); err != nil || store.Shared {
		t.Errorf("close: %v; shared: %t, want false", err, store.Shared)
	}
}

// A URL may hold a password, so that no error may repeat it.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "memory", "memory:hunter2", "hunter2", "ftp://bob:hunter2@host", "hunter2 hunter2:x", "MEMORY:",
		strings.Repeat("hunter2", 9) + ":",
		"sqlite:", "sqlite::memory:", "sqlite://hunter2/x", "sqlite:x?hunter2",
		"postgres://bob:hunter2%zz@host/x", "postgres://bob:hunter2@host:port/x", "postgres://bob:hunter2@host/x?sslmode=hunter2",
		"postgres://bob:hunter2 x@host/x",
		"mysql://bob:hunter2%zz@host/x", "mysql://bob:hunter2@host", "mysql://bob:hunter2@/x", "mysql:hunter2",
		"mysql://bob:hunter2@host/x?tls=hunter2", "mysql://bob:hunter2@host/x?timeout=hunter2", "mysql://bob:hunter2@host/x#y",
		"redis:hunter2", "redis://bob:hunter2%zz@host", "redis://bob:hunter2@host:hunter2", "redis://host/hunter2",
		"redis://bob:hunter2@host?x", "redis+sentinel://bob:hunter2@host", "redis+cluster://bob:hunter2@host/1",
		"rediss://bob:hunter2@host,host2",
	} {
		_, err := stores.Open(t.Context(), url, stores.Options{})
		if !errors.Is(err, stores.ErrURL) {
			t.Errorf("Open(%q): got %v, want ErrURL", url, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q) repeats the URL: %v", url, err)
		}
	}
}

// Nobody listens on port 1, so that the program says so and not the password.
func TestOpenUnreachable(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://bob:hunter2@localhost:1/x", "postgresql://bob:hunter2@localhost:1/x?sslmode=require",
		"mysql://bob:hunter2@localhost:1/x", "mysql://bob:hunter2@localhost:1/x?tls=true",
		"redis://bob:hunter2@localhost:1/0", "rediss://bob:hunter2@localhost:1",
		"redis+sentinel://bob:hunter2@localhost:1/main", "redis+cluster://bob:hunter2@localhost:1",
		"sqlite:" + filepath.Join(t.TempDir(), "missing.db"),
	} {
		_, err := stores.Open(t.Context(), url, stores.Options{})
		switch {
		case err == nil || errors.Is(err, stores.ErrURL):
			t.Errorf("Open(%q): got %v, want an error of the connection", url, err)
		case strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n"):
			t.Errorf("Open(%q): %v: has the password or a second line", url, err)
		}
	}
}
