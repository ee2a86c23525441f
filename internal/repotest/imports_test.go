package repotest_test

import (
	"go/parser"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imports returns the import paths of a file.
func imports(t *testing.T, name string) []string {
	var list []string
	for _, spec := range parse(t, name, parser.ImportsOnly).Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// within reports whether an import path is module or below it.
func within(p, module string) bool { return p == module || strings.HasPrefix(p, module+"/") }

// The core and its tests import the standard library only: what a test of an
// importable package imports reaches the go.sum of every user.
func TestCoreImportsOnlyStd(t *testing.T) {
	t.Parallel()
	for _, name := range moduleFiles(t, ".") {
		for _, p := range imports(t, name) {
			first, _, _ := strings.Cut(p, "/")
			if strings.Contains(first, ".") && !within(p, core) {
				t.Errorf("%s imports %s, but the core and its tests import the standard library only. "+
					"Move the code to a module of its own, or the test to integration/.", name, p)
			}
		}
	}
}

// A tagged module may meet any version of the core, whose internal packages
// promise nothing. The compiler would allow it.
func TestTaggedModulesImportNoInternal(t *testing.T) {
	t.Parallel()
	for _, dir := range modules(t) {
		if dir == "." || !slices.Contains(released, dir) {
			continue
		}
		for _, name := range moduleFiles(t, dir) {
			for _, p := range imports(t, name) {
				if within(p, core+"/internal") {
					t.Errorf("%s imports %s, which only the core's own module may. "+
						"Export what is needed, or copy it into %s/internal.", name, p, dir)
				}
			}
		}
	}
}

// What the root imports cannot name the root, nor anything that does: so a package
// of internal/ may be used everywhere. One that only tests use may (internal/traffic
// is an application and its visitors): nothing hangs on it.
func TestInternalNamesNothingOfTheRoot(t *testing.T) {
	t.Parallel()
	of := make(map[string][]string) // what the code of a package imports of the core, by path
	used := make(map[string]bool)   // by code that is no test
	for _, name := range moduleFiles(t, ".") {
		if isTest(name) {
			continue
		}
		pkg := path.Join(core, path.Dir(name))
		for _, p := range imports(t, name) {
			if within(p, core) {
				of[pkg] = append(of[pkg], p)
				used[p] = true
			}
		}
	}
	var reaches func(pkg string) bool
	reaches = func(pkg string) bool { return pkg == core || slices.ContainsFunc(of[pkg], reaches) }
	for pkg := range of {
		if within(pkg, core+"/internal") && used[pkg] && reaches(pkg) {
			t.Errorf("%s imports the root, itself or by one of %q. Move it below the package that uses it, "+
				"or give it what it needs by an argument.", pkg, of[pkg])
		}
	}
}
