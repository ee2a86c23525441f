package repotest_test

import (
	"go/parser"
	"path"
	"testing"
)

func TestOnePackageDocEach(t *testing.T) {
	t.Parallel()
	docs := make(map[string][]string)
	for _, name := range files(t, ".go") {
		if isTest(name) {
			continue
		}
		dir := path.Dir(name)
		named := docs[dir]
		if parse(t, name, parser.PackageClauseOnly|parser.ParseComments).Doc != nil {
			named = append(named, name)
		}
		docs[dir] = named // also where it is empty: the package exists
	}
	for dir, names := range docs {
		if len(names) != 1 {
			t.Errorf("%s has %d package docs %v, want 1: say above the package line of one file, doc.go or main.go, "+
				"what the package is for; put an empty line between other comments and that line", dir, len(names), names)
		}
	}
}
