package repotest_test

import (
	"os"
	"strings"
	"testing"
)

// mostEntries is what the listing of the root may have: it is a table of contents.
// 60 for the library and what belongs to it, and bridge, console, dbsc, telemetry.
const mostEntries = 64

// The root's listing stays one that can be read.
func TestListing(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	if len(names) > mostEntries {
		t.Errorf("the root has %d entries, want at most %d: move or merge one of\n%s", len(names), mostEntries, strings.Join(names, "\n"))
	}
}
