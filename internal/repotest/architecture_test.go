package repotest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// walked is a file and a function of it, as docs/architecture.md names them.
var walked = regexp.MustCompile("`([a-z/]+\\.go):([A-Za-z.]+)`")

// Every function that docs/architecture.md leads through is where it says.
func TestArchitecture(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := walked.FindAllSubmatch(page, -1)
	if len(steps) < 20 {
		t.Fatalf("found %d steps; want those of three walks", len(steps))
	}
	files := make(map[string]map[string]bool)
	for _, step := range steps {
		file, name := string(step[1]), string(step[2])
		if files[file] == nil {
			files[file] = functions(t, file)
		}
		if !files[file][name] {
			t.Errorf("docs/architecture.md names %s in %s, which is not there: mend the page", name, file)
		}
	}
}

// functions returns the functions of a file; a method's name is Type.Name.
func functions(t *testing.T, file string) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := fn.Name.Name
		if fn.Recv != nil {
			name = receiver(fn.Recv.List[0].Type) + "." + name
		}
		names[name] = true
	}
	return names
}

// receiver returns the name of a receiver's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr: // of a generic type
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
