//go:build linux && race

package integration_test

import (
	"os/exec"
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// raced says that the race detector is on. SQLite is Go code too, which it
// slows down by far more than the servers.
const raced = true

// TestSQLiteUnraced runs the long tests of SQLite as a program without the race
// detector, in full length.
func TestSQLiteUnraced(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), servers.Program(t, "go", "golang-go"),
		"test", "-v", "-count=1", "-run=^(TestSQLiteRace|TestSQLiteMillion)$", ".")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	t.Logf("%s", out) // with the figures
}
