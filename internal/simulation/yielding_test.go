package simulation_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/coatcheck/coatcheck/internal/overlay"
)

const root = "../.."

// yields lets others go first whenever the library lets go of a session: between
// any two steps of a request a busy machine may do so. Two that let go at once
// come back one after the other.
var yields = []overlay.Edit{
	{File: "internal/wait/mutex.go", Old: "type Mutex struct {\n", New: "type Mutex struct {\n\tyields atomic.Int64\n"},
	{
		File: "internal/wait/mutex.go",
		Old:  "func (m *Mutex) Unlock() {\n",
		New:  "func (m *Mutex) Unlock() {\n\tm.release()\n\ttime.Sleep(time.Duration(1 + m.yields.Add(1)%3))\n}\n\nfunc (m *Mutex) release() {\n",
	},
}

// The same worlds with a library that yields. Only with -schedules of 10,000 or
// more, or with a seed: it compiles the library anew.
func TestYielding(t *testing.T) {
	t.Parallel()
	if *schedules < 10_000 && *seed == 0 {
		t.Skip("compiles the library anew: -schedules 10000")
	}
	list, err := overlay.Write(root, t.TempDir(), yields...)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "yielding.test")
	if out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", list, "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run", "^TestSimulation$", fmt.Sprint("-test.v=", testing.Verbose()), "-under", t.Name(),
		"-seed", fmt.Sprint(*seed), "-from", fmt.Sprint(*from+uint64(*schedules)), "-schedules", fmt.Sprint(*schedules/4), "-keep", fmt.Sprint(*keepOn))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	} else if testing.Verbose() {
		t.Logf("%s", out)
	}
}
