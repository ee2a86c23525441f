package repotest_test

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	fence   = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
	code    = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)|(?m)^\[[^\]]+\]:\s+(\S+)`)
	heading = regexp.MustCompile(`(?m)^#{1,6}[ \t]+(.*?)[ \t]*#*$`)
)

func TestLinksResolve(t *testing.T) {
	t.Parallel()
	for _, name := range files(t, ".md") {
		text := code.ReplaceAllString(fence.ReplaceAllString(read(t, name), ""), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, err := url.Parse(m[1] + m[2])
			if err != nil {
				t.Errorf("%s: link %q: %v", name, m[1]+m[2], err)
				continue
			}
			if target.Scheme != "" || target.Host != "" {
				continue
			}
			to := name
			if target.Path != "" {
				to = path.Join(path.Dir(name), target.Path)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s links to %s, which does not exist: mend the link; it is relative to the file it stands in", name, target)
			} else if target.Fragment != "" && strings.HasSuffix(to, ".md") && !slices.Contains(anchors(read(t, to)), target.Fragment) {
				t.Errorf("%s links to %s, but %s has no such heading: mend the link, or the heading", name, target, to)
			}
		}
	}
}

// anchors returns the fragments that GitHub gives to the headings of a text.
// Equal headings get -1, -2: better give them different words.
func anchors(text string) []string {
	var list []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		list = append(list, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsNumber(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return list
}
