package mutants_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/internal/overlay"
)

// Every mutant compiles: one that does not would be taken for killed by nobody and
// for alive by whoever runs them all, which takes an hour.
func TestMutantsCompile(t *testing.T) {
	t.Parallel()
	exports, fset := exportsOf(t), token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no package %s", path)
		}
		return os.Open(exports[path])
	})
	for _, m := range mutants {
		list, err := overlay.Write(root, t.TempDir(), m.edits...)
		if err != nil {
			continue // TestMutantsFit tells
		}
		for _, dir := range mutated(m) {
			if err := check(fset, imports, dir, list); err != nil {
				t.Errorf("%s: %v: mend the mutant", m.what, err)
			}
		}
	}
}

// mutated returns the folders that a mutant changes.
func mutated(m mutant) (dirs []string) {
	seen := make(map[string]bool)
	for _, e := range m.edits {
		if dir := filepath.Dir(filepath.FromSlash(e.File)); !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// exportsOf returns the files with what the compiler says of each package that one
// of the mutated imports.
func exportsOf(t *testing.T) map[string]string {
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}
	seen := make(map[string]bool)
	for _, m := range mutants {
		for _, dir := range mutated(m) {
			if !seen[dir] {
				seen[dir] = true
				args = append(args, "./"+filepath.ToSlash(dir))
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	return exports
}

// check type-checks the package in dir with the files of the list in their place.
func check(fset *token.FileSet, imports types.Importer, dir, list string) error {
	b, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	var replaced struct{ Replace map[string]string }
	if err := json.Unmarshal(b, &replaced); err != nil {
		return err
	}
	here, err := filepath.Abs(filepath.Join(root, dir))
	if err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(here, "*.go"))
	if err != nil {
		return err
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		from := name
		if to := replaced.Replace[name]; to != "" {
			from = to
		}
		f, err := parser.ParseFile(fset, from, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	conf := types.Config{Importer: imports}
	_, err = conf.Check(dir, fset, files, nil)
	return err
}
