package repotest_test

import (
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest  = regexp.MustCompile("`(Test[A-Z][A-Za-z0-9_]*)`")
	definition = regexp.MustCompile(`(?m)^func (Test[A-Z][A-Za-z0-9_]*)\(`)
)

// Every test that a page names is there, and every attack is on a page.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	where := make(map[string]string)
	for _, name := range files(t, "_test.go") {
		for _, m := range definition.FindAllStringSubmatch(read(t, name), -1) {
			where[m[1]] = name
		}
	}
	named := make(map[string]bool)
	for _, name := range files(t, ".md") {
		for _, m := range namedTest.FindAllStringSubmatch(read(t, name), -1) {
			named[m[1]] = true
			if where[m[1]] == "" {
				t.Errorf("%s names %s, which does not exist: mend the name, or write the test", name, m[1])
			}
		}
	}
	for test, name := range where {
		if strings.HasPrefix(name, "attack/") && !named[test] {
			t.Errorf("%s has %s, which docs/threat-model.md does not name: add its row", name, test)
		}
	}
}
