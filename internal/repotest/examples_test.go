package repotest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// The documentation page shows the body of an example and nothing that stands
// beside it; where the file has one example alone, that file.
func TestExamplesAreReadableAlone(t *testing.T) {
	t.Parallel()
	for _, dir := range modules(t) {
		if !slices.Contains(released, dir) {
			continue
		}
		declared := make(map[string]map[string]string) // by folder and name: in which file
		names := slices.DeleteFunc(moduleFiles(t, dir), func(name string) bool { return !isTest(name) })
		for _, name := range names {
			for _, d := range parse(t, name, parser.SkipObjectResolution).Decls {
				if declared[path.Dir(name)] == nil {
					declared[path.Dir(name)] = make(map[string]string)
				}
				for _, n := range declares(d) {
					declared[path.Dir(name)][n] = name
				}
			}
		}
		for _, name := range names {
			list := examples(t, name)
			for _, f := range list {
				for _, used := range uses(f.Body) {
					if in := declared[path.Dir(name)][used]; in != "" && (in != name || len(list) > 1) {
						t.Errorf("%s: %s uses %s of %s, which its page does not show. Declare it inside the example.", name, f.Name.Name, used, in)
					}
				}
			}
		}
	}
}

// examples returns those of a file.
func examples(t *testing.T, name string) (list []*ast.FuncDecl) {
	for _, d := range parse(t, name, parser.SkipObjectResolution).Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Example") {
			list = append(list, f)
		}
	}
	return list
}

// declares returns the names that a declaration gives to its package.
func declares(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name.Name)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// uses returns the names in an example that it does not declare itself, without
// fields, methods and what packages export.
func uses(body *ast.BlockStmt) []string {
	own, skip := make(map[string]bool), make(map[*ast.Ident]bool)
	var names []string
	declare := func(list ...ast.Expr) {
		for _, e := range list {
			if name, ok := e.(*ast.Ident); ok {
				own[name.Name] = true
			}
		}
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				declare(n.Lhs...)
			}
		case *ast.RangeStmt:
			declare(n.Key, n.Value)
		case *ast.GenDecl:
			for _, name := range declares(n) {
				own[name] = true
			}
		case *ast.Field:
			for _, name := range n.Names {
				own[name.Name] = true
			}
		case *ast.SelectorExpr:
			skip[n.Sel] = true
		case *ast.KeyValueExpr:
			if name, ok := n.Key.(*ast.Ident); ok {
				skip[name] = true
			}
		case *ast.Ident:
			if !skip[n] {
				names = append(names, n.Name)
			}
		}
		return true
	})
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return own[name] || name == "_" })
}
