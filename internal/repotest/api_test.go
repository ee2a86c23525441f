package repotest_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/printer"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write api.txt, docs/asvs.md")

// Each released module lists what it exports in api.txt, so that a change of
// the interface is seen as one when it is read.
func TestAPI(t *testing.T) {
	t.Parallel()
	for _, dir := range modules(t) {
		if !slices.Contains(released, dir) {
			continue
		}
		got := exported(t, dir)
		if got == "" { // commands only
			continue
		}
		file := path.Join(dir, "api.txt")
		if *update {
			if err := os.WriteFile(filepath.Join(root, file), []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Errorf("%v; run make api", err)
			continue
		}
		if string(want) != got {
			t.Errorf("%s is not what the module exports.\nno longer exported:\n%sexported, not listed:\n%s"+
				"If that is meant, run make api, and say in CHANGELOG.md what changed.",
				file, missing(string(want), got), missing(got, string(want)))
		}
	}
}

// missing returns the lines of a that b has not.
func missing(a, b string) string {
	have := make(map[string]int)
	for line := range strings.Lines(b) {
		have[line]++
	}
	var out strings.Builder
	for line := range strings.Lines(a) {
		if have[line]--; have[line] < 0 {
			out.WriteString("\t" + line)
		}
	}
	return out.String()
}

// exported prints the exported declarations of the module in dir, package by
// package. Commands and internal packages export nothing.
func exported(t *testing.T, dir string) string {
	packages := make(map[string][]string)
	for _, name := range moduleFiles(t, dir) {
		f := parse(t, name, 0)
		if isTest(name) || f.Name.Name == "main" || slices.Contains(strings.Split(name, "/"), "internal") {
			continue
		}
		at := path.Join(core, path.Dir(name))
		packages[at] = append(packages[at], declarations(t, f)...)
	}
	var out strings.Builder
	for _, at := range slices.Sorted(maps.Keys(packages)) {
		if out.Len() > 0 {
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "package %s\n\n", at)
		decls := packages[at]
		slices.Sort(decls)
		// Files for different systems declare the same names.
		for _, d := range slices.Compact(decls) {
			out.WriteString(d + "\n")
		}
	}
	return out.String()
}

// declarations prints what a file exports: constants by group, because of
// iota, everything else one by one; no bodies, no values of variables.
func declarations(t *testing.T, f *ast.File) []string {
	var list []string
	add := func(node any) {
		var b bytes.Buffer
		if err := (&printer.Config{Mode: printer.TabIndent | printer.UseSpaces, Tabwidth: 8}).Fprint(&b, token.NewFileSet(), node); err != nil {
			t.Fatal(err)
		}
		list = append(list, b.String())
	}
	ast.FileExports(f)
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.StructType); ok {
			s.Incomplete = false // no remark about unexported fields
		}
		return true
	})
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || ast.IsExported(baseName(d.Recv.List[0].Type)) {
				d.Body = nil
				add(d)
			}
		case *ast.GenDecl:
			switch d.Tok {
			case token.CONST:
				add(d)
			case token.TYPE:
				for _, spec := range d.Specs {
					add(&ast.GenDecl{Tok: d.Tok, Specs: []ast.Spec{spec}})
				}
			case token.VAR:
				for _, spec := range d.Specs {
					spec := spec.(*ast.ValueSpec)
					spec.Values = nil
					add(&ast.GenDecl{Tok: d.Tok, Specs: []ast.Spec{spec}})
				}
			}
		}
	}
	return list
}

// baseName is the name of a receiver's type: Key for *Key[T].
func baseName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return baseName(e.X)
	case *ast.IndexExpr:
		return baseName(e.X)
	case *ast.IndexListExpr:
		return baseName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
