package repotest_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const asvsFile = "docs/asvs.md"

const asvsHead = `# ASVS 5.0

What the [OWASP Application Security Verification Standard](https://github.com/OWASP/ASVS), version 5.0.0, asks of cookies and sessions: all of V7 and V3.3, and what of other chapters a
session library can help with. The middle column is what this library does, the next what remains: meeting a requirement is always the application's, never a library's alone. "asks" is
our short form; the standard has the words. This page is written by ` + "`make asvs`" + `, and the ordinary tests fail where one of our items has no test, a test is gone, or the page is out of date.

`

// asvsScope are the items that must be in the table: V7 and V3.3 whole, of the
// other chapters those that a session library can do something about.
var asvsScope = strings.Fields(`
	7.1.1 7.1.2 7.1.3 7.2.1 7.2.2 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.2 7.4.3 7.4.4 7.4.5 7.5.1 7.5.2 7.5.3 7.6.1 7.6.2
	3.3.1 3.3.2 3.3.3 3.3.4 3.3.5 3.5.1 3.5.2 3.5.3 3.5.4 3.7.2
	9.1.1 9.1.2 9.1.3 9.2.1 9.2.2 9.2.3 9.2.4
	11.1.1 11.1.2 11.2.1 11.2.2 11.2.3 11.2.4 11.2.5 11.3.1 11.3.2 11.3.3 11.3.4 11.3.5 11.4.1 11.4.3 11.5.1
	14.2.1 14.2.2 14.2.5 14.3.1 14.3.2 14.3.3 16.2.5 16.3.1 16.3.2 16.3.3 16.4.1 16.5.2 16.5.3
	1.5.2 4.1.3 4.2.4 4.4.2 4.4.4 6.5.2 8.3.2 13.1.4 13.3.1 13.3.4 15.3.4 15.4.1 15.4.2`)

var anyTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)[A-Z]\w*)\(`)

// testFiles finds the file of each test, by folder and name; those of the root
// package by their name alone.
func testFiles(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, name := range files(t, "_test.go") {
		for _, m := range anyTest.FindAllStringSubmatch(read(t, name), -1) {
			found[path.Join(path.Dir(name), m[1])] = name
		}
	}
	return found
}

// Every item of ours has tests, all of them are there, and docs/asvs.md says so.
func TestASVS(t *testing.T) {
	t.Parallel()
	where := testFiles(t)
	var page strings.Builder
	page.WriteString(asvsHead)
	seen := make(map[string]bool)
	for _, c := range asvs {
		fmt.Fprintf(&page, "## %s\n\n| item (level) | asks | the library | the application | tests |\n| --- | --- | --- | --- | --- |\n", c.title)
		for _, r := range c.items {
			if seen[r.id] {
				t.Errorf("%s is there twice", r.id)
			}
			seen[r.id] = true
			var tests []string
			for _, name := range strings.Fields(r.tests) {
				file, ok := where[name]
				if !ok {
					t.Errorf("%s names %s, which does not exist: mend the name, or write the test", r.id, name)
				}
				tests = append(tests, fmt.Sprintf("[`%s`](../%s)", path.Base(name), file))
			}
			switch {
			case r.ours != "" && len(tests) == 0:
				t.Errorf("%s says what the library does, and no test shows it", r.id)
			case r.ours == "" && (r.app == "" || len(tests) > 0):
				t.Errorf("%s is the application's alone: say what it must do, and name no test", r.id)
			}
			fmt.Fprintf(&page, "| %s (%d) | %s | %s | %s | %s |\n", r.id, r.level, r.asks, orDash(r.ours), orDash(r.app), orDash(strings.Join(tests, ", ")))
		}
		page.WriteString("\n")
	}
	for _, id := range asvsScope {
		if !seen[id] {
			t.Errorf("%s is missing", id)
		}
		delete(seen, id)
	}
	for id := range seen {
		t.Errorf("%s is not in the scope: add it there", id)
	}
	text := strings.TrimSuffix(page.String(), "\n")
	if *update {
		if err := os.WriteFile(filepath.Join(root, asvsFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !slices.Contains(files(t, ".md"), asvsFile) || read(t, asvsFile) != text {
		t.Errorf("%s is not what the table makes: run make asvs", asvsFile)
	}
}

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}
