package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var fileLink = regexp.MustCompile(`^\[(\w+\.go)\]\(\.\./\.\./examples/shop/\w+\.go\)`)

// What the guide shows are lines of the files that it names, in their order.
func TestGuide(t *testing.T) {
	page, err := os.ReadFile("../../docs/guide/shop.md")
	if err != nil {
		t.Fatal(err)
	}
	var file, rest string
	code, blocks := false, 0
	for n, line := range strings.Split(string(page), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case !code && fileLink.MatchString(line):
			file = fileLink.FindStringSubmatch(line)[1]
		case line == "```go":
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			code, rest = true, string(text)
			blocks++
		case line == "```":
			code = false
		case code && line != "…":
			_, after, found := strings.Cut(rest, "\t"+line+"\n")
			if !found {
				_, after, found = strings.Cut(rest, "\n"+line+"\n")
			}
			if !found {
				t.Errorf("shop.md:%d: %s has no such line behind the one before: %s", n+1, file, line)
				continue
			}
			rest = "\n" + after
		}
	}
	if blocks < 10 {
		t.Errorf("%d blocks of code in the guide: this test proves little", blocks)
	}
}
