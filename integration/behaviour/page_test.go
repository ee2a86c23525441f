//go:build linux

package behaviour_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/behaviours.md")

const preface = `# Behaviours of other libraries

What the test suites of eleven session libraries assert over HTTP: the %d behaviours that hold here as well, and the %d that we refuse, with the reason.
The facts were gathered from the suites themselves, at express-session 2c9512f, scs ab20b3f, rack-session 7acef42, Flask 2ac89889, Spring Session 206fb600, Fiber c344047,
tower-sessions 28c6d21, sessionup 11284f3, gorilla/sessions bb4cd60 with securecookie eae3c18, iron-session 6b51b41, and of Django the file tests/sessions_tests/tests.py;
no code and no sentence of them is here. Equal ones of several suites are one row.

Every row is put through steps against a real net/http server, in ` + "`integration/behaviour`" + `: those about what stores could do differently on the memory store, SQLite, Redis and
PostgreSQL, the others on the first two of them; those marked ✓ also where the session lives in its cookie. Where time passes the server runs in a bubble of testing/synctest. But for those and
for two in which an answer begins before its handler has returned, all are the same under Fiber, through [fiberadapter](guide/routers.md#fiber). This page is
made from the tests: ` + "`go test ./integration/behaviour -update`" + `.
`

// The page says what the tests do, in the same words.
func TestBehaviourPage(t *testing.T) {
	t.Parallel()
	name := filepath.Join("..", "..", "docs", "behaviours.md")
	want := page(t)
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil || string(got) != want {
		t.Errorf("docs/behaviours.md is not what the tests are (%v): run go test ./integration/behaviour -run TestBehaviourPage -update", err)
	}
}

func page(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	kept, seen := len(starts), make(map[string]bool)
	once := func(name, from string) {
		if name == "" || from == "" || seen[name] {
			t.Errorf("%q from %q: want a name of its own, and a source", name, from)
		}
		seen[name] = true
	}
	for _, c := range chapters {
		kept += len(c.list)
	}
	fmt.Fprintf(&b, preface, kept, len(refusals))
	row := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	for _, c := range chapters {
		fmt.Fprintf(&b, "\n## %s\n\n`%s`\n\n", c.about, c.test)
		row("behaviour", "asserted by", "ours", "cookie")
		row("---", "---", "---", "---")
		for _, v := range c.list {
			once(v.name, v.from)
			if len(v.steps) == 0 {
				t.Errorf("%q has no steps", v.name)
			}
			ours, mark := "the same", ""
			if v.ours != "" {
				ours = v.ours
			}
			if v.inCookie {
				mark = "✓"
			}
			row(v.name, v.from, ours, mark)
		}
	}
	fmt.Fprintf(&b, "\n## What does not start\n\nA configuration that nobody should serve with is an error of the start. `TestBehaviourStarts`\n\n")
	row("refused to start", "asserted by", "ours")
	row("---", "---", "---")
	for _, s := range starts {
		once(s.name, s.from)
		ours := s.ours
		if ours == "" {
			ours = "the same"
		}
		row(s.name, s.from, ours)
	}
	fmt.Fprintf(&b, "\n## Refused\n\nMarked ✓: `TestBehaviourRefused` shows what happens here instead.\n\n")
	row("theirs", "asserted by", "refused because", "shown")
	row("---", "---", "---", "---")
	for _, r := range refusals {
		once(r.theirs, r.from)
		mark := ""
		if len(r.steps) > 0 {
			mark = "✓"
		}
		row(r.theirs, r.from, r.because, mark)
	}
	return b.String()
}
