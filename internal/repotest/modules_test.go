package repotest_test

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// directive matches the lines of a go.mod or go.work that begin with a word,
// blocks in parentheses included.
func directive(word string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^` + word + `(?:[ \t]+([^\s(/]\S*)|[ \t]*\(([^)]*)\))`)
}

func TestWorkListsEveryModule(t *testing.T) {
	t.Parallel()
	var listed []string
	for _, m := range directive("use").FindAllStringSubmatch(read(t, "go.work"), -1) {
		for line := range strings.Lines(m[1] + m[2]) {
			line, _, _ = strings.Cut(line, "//")
			if line = strings.TrimSpace(line); line != "" {
				listed = append(listed, path.Clean(line))
			}
		}
	}
	for _, dir := range modules(t) {
		if !slices.Contains(listed, dir) {
			t.Errorf("go.work does not list %s; run go work use ./%s", dir, dir)
		}
	}
}

// The toolchain of a user is chosen by the highest version of all; a module
// that asks for more than the core does so by oversight.
func TestModulesAgreeOnGoVersion(t *testing.T) {
	t.Parallel()
	version := func(name string) string {
		m := directive("go").FindStringSubmatch(read(t, name))
		if m == nil {
			t.Fatalf("%s has no go line", name)
		}
		return m[1]
	}
	want := version("go.mod")
	names := []string{"go.work"}
	for _, dir := range modules(t) {
		names = append(names, path.Join(dir, "go.mod"))
	}
	for _, name := range names {
		if got := version(name); got != want {
			t.Errorf("%s says go %s, the core's go.mod go %s: make them equal. "+
				"Where a dependency asks for more, take its last version that does not.", name, got, want)
		}
	}
}

// Who imports the core gets the core and nothing else.
func TestCoreRequiresNothing(t *testing.T) {
	t.Parallel()
	mod := read(t, "go.mod")
	for _, word := range []string{"require", "replace", "tool"} {
		if directive(word).MatchString(mod) {
			t.Errorf("the root go.mod has a %s line. Dependencies belong to the module that needs them, "+
				"programs to tools/go.mod.", word)
		}
	}
	for _, name := range files(t, "go.sum") {
		if name == "go.sum" {
			t.Error("the root module has a go.sum, though it requires nothing: remove it")
		}
	}
}
