package repotest_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// The README's program is the first thing people copy. It is compiled against
// this tree, in a module of its own, without the network.
func TestReadmeProgramCompiles(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(root, "README.md")); errors.Is(err, fs.ErrNotExist) {
		t.Skip("README.md does not exist yet")
	}
	program := ""
	for _, m := range goBlock.FindAllStringSubmatch(read(t, "README.md"), -1) {
		if strings.Contains(m[1], "package main\n") {
			program = m[1]
			break
		}
	}
	if program == "" {
		t.Fatal("README.md has no complete program: one ```go block begins with package main")
	}
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	version := directive("go").FindStringSubmatch(read(t, "go.mod"))[1]
	mod := "module readme\n\ngo " + version + "\n\nrequire " + core + " v0.0.0\n\nreplace " + core + " => \"" + filepath.ToSlash(here) + "\"\n"
	for name, text := range map[string]string{"go.mod": mod, "main.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "vet", ".") // type-checks what go build would, and needs no linker
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the program in README.md does not compile: %v\n%s", err, out)
	}
}

// The same program is an example, where its steps are tested.
func TestReadmeProgramIsTheQuickstart(t *testing.T) {
	t.Parallel()
	_, program, _ := strings.Cut(read(t, "examples/quickstart/main.go"), "\npackage main\n")
	if !strings.Contains(read(t, "README.md"), "```go\npackage main\n"+program+"```") {
		t.Error("examples/quickstart/main.go is not the program of README.md: make them equal, below the package line")
	}
}
