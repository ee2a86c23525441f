package repotest_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the repository, seen from this package.
const root = "../.."

// core is the path of the root module.
const core = "github.com/coatcheck/coatcheck"

// released are the folders of the modules that get tags. All other modules
// are for the people who work here.
var released = []string{".", "redisstore", "fiberadapter", "telemetry", "bridge", "cmd/coatcheck"}

// files returns the files whose names end in suffix, relative to the
// repository and with slashes.
func files(t *testing.T, suffix string) []string {
	t.Helper()
	var list []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case name == ".git": // of a worktree: says where on this machine the repository is
		case d.Type().IsRegular() && strings.HasSuffix(name, suffix):
			list = append(list, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")))
}

// parse returns the syntax of a Go file of the repository.
func parse(t *testing.T, name string, mode parser.Mode) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, mode|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// modules returns the folders that hold a go.mod, longest first, so that the
// first one a file is in is its module.
func modules(t *testing.T) []string {
	t.Helper()
	var dirs []string
	for _, name := range files(t, "go.mod") {
		if path.Base(name) == "go.mod" {
			dirs = append(dirs, path.Dir(name))
		}
	}
	slices.SortFunc(dirs, func(a, b string) int { return len(b) - len(a) })
	return dirs
}

// moduleFiles returns the Go files of the module in dir, without those of the
// modules below it.
func moduleFiles(t *testing.T, dir string) []string {
	t.Helper()
	dirs := modules(t)
	return slices.DeleteFunc(files(t, ".go"), func(name string) bool {
		i := slices.IndexFunc(dirs, func(d string) bool { return d == "." || strings.HasPrefix(name, d+"/") })
		return i < 0 || dirs[i] != dir
	})
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.go") }
