package repotest_test

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mostEntries is what the listing of the root may have: it is a table of contents.
// A new one takes the place of another.
const mostEntries = 60

// The root's listing stays one that can be read.
func TestListing(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !ignored(t, e.Name()) {
			names = append(names, e.Name())
		}
	}
	if len(names) > mostEntries {
		t.Errorf("the root has %d entries, want at most %d: move or merge one of\n%s", len(names), mostEntries, strings.Join(names, "\n"))
	}
}

// ignored reports whether .gitignore names an entry of the root: what `serve` or a
// build leaves there is no part of the listing.
func ignored(t *testing.T, name string) bool {
	t.Helper()
	for line := range strings.Lines(read(t, ".gitignore")) {
		if ok, _ := path.Match(strings.Trim(line, "/\n"), name); ok {
			return true
		}
	}
	return false
}

// docs/architecture.md has a line for every folder, and for no other.
func TestFoldersAreExplained(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"."}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "site" { // which make docs writes
			want = append(want, e.Name())
		}
	}
	_, table, _ := strings.Cut(read(t, "docs/architecture.md"), "| folder |")
	table, _, _ = strings.Cut(table, "\n\n")
	var got []string
	for _, line := range strings.Split(table, "\n") {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, m := range quotedFolder.FindAllStringSubmatch(cells[1], -1) {
				got = append(got, m[1])
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("docs/architecture.md explains the folders %q, want %q", got, want)
	}
}

var quotedFolder = regexp.MustCompile("`([^`]+)`")
