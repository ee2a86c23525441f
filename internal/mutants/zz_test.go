package mutants_test

import (
	"os/exec"
	"path"
	"testing"

	"github.com/coatcheck/coatcheck/internal/overlay"
)

func TestZZ(t *testing.T) {
	for _, m := range mutants {
		list, err := overlay.Write(root, t.TempDir(), m.edits...)
		if err != nil {
			t.Error(m.what, err)
			continue
		}
		dirs := map[string]bool{}
		for _, e := range m.edits {
			dirs["./"+path.Dir(e.File)] = true
		}
		args := []string{"build", "-overlay", list}
		for d := range dirs {
			args = append(args, d)
		}
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %s", m.what, out)
		}
	}
}
