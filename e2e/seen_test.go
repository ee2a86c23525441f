package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

var writeSeen = flag.Bool("seen", false, "write the table of docs/guide/security-tips.md")

// What a browser does of its own, as its tests saw it: rows of a table of the
// guide, a column for each browser.
var seenRows = []string{
	"a `Secure` cookie of `http://localhost`",
	"a cookie named `__Host-…` of a sibling host",
	"a cookie of 4,097 bytes",
	"240 cookies of a sibling host",
	"of a link, form, fetch, image and frame of another site, with a `Strict` cookie come",
	"with a `Lax` one",
	"with `SameSite=None`",
	"an address that is typed",
	"one that leads here through another site",
	"the 409 page, when it is reloaded",
	"a link from another site to a page in `Config.Landing`",
	"the way back from a provider, by GET after a password",
	"the same where it asks nothing",
	"by a form that the provider's page posts",
	"a navigation that a service worker passes on",
	"a page that looks at no session, on Back",
	"a page of a session, on Back while logged in",
	"after a logout",
	"after a logout, over `http://localhost`",
	"the same with `KeepSiteData`",
	"after `RevokeAll` from elsewhere",
}

var seen struct {
	mu    sync.Mutex
	cells map[string]map[string]string // by row and browser
}

// saw notes what a browser did. All tests of a row must see the same.
func (e *engine) saw(t *testing.T, row, what string) {
	t.Helper()
	if !slices.Contains(seenRows, row) {
		t.Fatalf("the table has no row %q", row)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if seen.cells == nil {
		seen.cells = make(map[string]map[string]string)
	}
	if seen.cells[row] == nil {
		seen.cells[row] = make(map[string]string)
	}
	if was, ok := seen.cells[row][e.name]; ok && was != what {
		t.Errorf("%s: %s: %q and %q", e.name, row, was, what)
	}
	seen.cells[row][e.name] = what
}

// checkSeen compares the guide's table with what the browsers did, or writes it.
func checkSeen() error {
	const begin, end = "<!-- seen: written by go test ./e2e -seen -->\n", "<!-- end -->"
	name := filepath.Join("..", "docs", "guide", "security-tips.md")
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the table of what was seen", name)
	}
	said := readTable(table)
	var b strings.Builder
	b.WriteString("| |")
	for _, e := range allEngines {
		version := said[""][e.name]
		if e.version != "" {
			major := strings.SplitN(e.version, ".", 3)
			version = e.name + " " + strings.Join(major[:min(2, len(major))], ".")
		}
		fmt.Fprintf(&b, " %s |", version)
	}
	b.WriteString("\n| --- | --- | --- | --- |\n")
	var wrong []string
	for _, row := range seenRows {
		fmt.Fprintf(&b, "| %s |", row)
		for _, e := range allEngines {
			is, ok := seen.cells[row][e.name]
			was := said[row][e.name]
			if !ok {
				is = was
			} else if is != was {
				wrong = append(wrong, fmt.Sprintf("%s: %s: the guide says %q, seen %q", e.name, row, was, is))
			}
			fmt.Fprintf(&b, " %s |", is)
		}
		b.WriteString("\n")
	}
	if *writeSeen {
		return os.WriteFile(name, []byte(before+begin+b.String()+end+after), 0o644)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s\ngo test ./e2e -seen writes the guide's table", strings.Join(wrong, "\n"))
	}
	return nil
}

// readTable returns the cells by row and browser; the row "" has the titles.
func readTable(table string) map[string]map[string]string {
	said := make(map[string]map[string]string)
	for i, line := range strings.Split(table, "\n") {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 1+len(allEngines) || i == 1 {
			continue
		}
		row := make(map[string]string)
		for j, e := range allEngines {
			row[e.name] = strings.TrimSpace(cells[j+1])
		}
		said[strings.TrimSpace(cells[0])] = row
	}
	return said
}
