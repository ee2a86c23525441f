package repotest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// longest is how many lines a function may have: one that fits on a screen.
const longest = 55

// Functions are read without scrolling. A test may be longer: it is a list of
// what happens, one line after the other. So may what a library does in a
// benchmark: its routes stand in one table, to be compared with the next one's.
func TestFunctionsFitOnAScreen(t *testing.T) {
	t.Parallel()
	for _, name := range files(t, ".go") {
		if isTest(name) || strings.HasPrefix(name, "benchmarks/") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, filepath.Join(root, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if ast.IsGenerated(file) {
			continue
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				if n := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; n > longest {
					t.Errorf("%s: %s has %d lines, want at most %d. Look for the function that hides in it.", name, f.Name.Name, n, longest)
				}
			}
		}
	}
}
