//go:build linux

package proxies_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/guide/proxies.md")

// comparePage compares a table with that of the guide, or writes it there. It
// stands between two comments.
func comparePage(t *testing.T, mark, table string) {
	t.Helper()
	name := filepath.Join("..", "..", "docs", "guide", "proxies.md")
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), "<!-- "+mark+": written by the tests -->\n")
	old, after, ok2 := strings.Cut(rest, "<!-- end -->")
	switch {
	case !ok || !ok2:
		t.Fatalf("%s has no place for the table %s", name, mark)
	case old == table:
	case *update:
		text := before + "<!-- " + mark + ": written by the tests -->\n" + table + "<!-- end -->" + after
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s says of %s\n%s\nbut it is\n%s\ngo test ./integration/proxies -update writes it", name, mark, old, table)
	}
}
