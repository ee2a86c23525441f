package repotest_test

import (
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A rule is stated where its id begins a list item, a heading or a table row,
// or stands in bold at the start of a line.
var stated = regexp.MustCompile(`(?m)^[ \t]*(?:(?:[-*+]|[0-9]+\.|#{1,6}|\|)[ \t]+(?:\*\*)?|\*\*)([CGRST][1-9][0-9]?)\b`)

// A rule is quoted where its id stands by itself: not in abc-S1, S1.2 or S1/x.
var quoted = regexp.MustCompile(`(?:^|[\s("'` + "`" + `:;,|–\[])([CGRST][1-9][0-9]?)(?:[\s)"'` + "`" + `:;,|–\]]|\.\s|\.?$)`)

// Every rule of docs/spec has a test that quotes it, and every rule quoted is
// stated: G what the whole promises, S the store contract, C cookies, R records,
// T tokens.
func TestRulesAndTestsMatch(t *testing.T) {
	t.Parallel()
	where := make(map[string]string)
	for _, name := range files(t, ".md") {
		if !strings.HasPrefix(name, "docs/spec/") {
			continue
		}
		for _, m := range stated.FindAllStringSubmatch(read(t, name), -1) {
			where[m[1]] = name
		}
	}
	tested := make(map[string]bool)
	for _, name := range files(t, ".go") {
		if strings.HasPrefix(name, "internal/repotest/") {
			continue
		}
		for id, line := range quotes(t, name) {
			if where[id] == "" {
				t.Errorf("%s:%d quotes rule %s, which docs/spec does not state: mend the id, or state the rule", name, line, id)
			}
			tested[id] = tested[id] || isTest(name) || strings.HasPrefix(name, "storetest/")
		}
	}
	for id, name := range where {
		if !tested[id] {
			t.Errorf("%s states rule %s, which no test quotes: name it in a comment or a message of the test that proves it", name, id)
		}
	}
}

// quotes returns the rules that the comments and strings of a Go file name,
// each with a line. Identifiers do not count.
func quotes(t *testing.T, name string) map[string]int {
	src, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	file := set.AddFile(name, -1, len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, scanner.ScanComments)
	ids := make(map[string]int)
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			return ids
		}
		if tok != token.COMMENT && tok != token.STRING {
			continue
		}
		// Ids that share a separator, as in "S1, S2", overlap.
		for rest := text; ; {
			m := quoted.FindStringSubmatchIndex(rest)
			if m == nil {
				break
			}
			ids[rest[m[2]:m[3]]] = set.Position(pos).Line
			rest = rest[m[3]:]
		}
	}
}
