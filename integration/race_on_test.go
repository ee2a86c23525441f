//go:build linux && race

package integration_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// raced says that the race detector is on. SQLite is Go code too, which it
// slows down by far more than the servers.
const raced = true

// TestSQLiteUnraced runs the long tests of SQLite as a program without the race
// detector, in full length. It has the time of this one: on a busy machine ten minutes
// are no failure.
func TestSQLiteUnraced(t *testing.T) {
	t.Parallel()
	limit := time.Duration(0) // none
	if end, ok := t.Deadline(); ok {
		limit = time.Until(end) * 9 / 10 // or nobody would see where it hangs
	}
	cmd := exec.CommandContext(t.Context(), servers.Program(t, "go", "golang-go"),
		"test", "-v", "-count=1", "-timeout="+limit.String(), "-run=^(TestSQLiteRace|TestSQLiteMillion)$", ".")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	t.Logf("%s", out) // with the figures
}
