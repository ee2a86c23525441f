package repotest_test

import (
	"strings"
	"testing"
)

// Nothing in the repository depends on, or tells of, the machine it was
// written on. The words are put together so that this file passes.
func TestNoPathsOfOneMachine(t *testing.T) {
	t.Parallel()
	words := []string{"/" + "work/", "/" + "root/", "/" + "home/"}
	for _, name := range files(t, "") {
		text := read(t, name)
		if strings.Contains(text, "\x00") { // a binary somebody built here
			continue
		}
		for number, line := range strings.Split(text, "\n") {
			for _, word := range words {
				if strings.Contains(line, word) {
					t.Errorf("%s:%d contains %s: use a path relative to the repository, or a temporary folder", name, number+1, word)
				}
			}
		}
	}
}
