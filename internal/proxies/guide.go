package proxies

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// guide is the page whose configurations the tests run.
const guide = "docs/guide/proxies.md"

// Site returns a configuration as the guide shows it: the first block of code
// in the section "nginx as people write it", or "as we recommend it". A section
// without one says that it is the same.
func Site(name string, recommended bool) (string, error) {
	page, err := readGuide()
	if err != nil {
		return "", err
	}
	written, err := block(page, "### "+name+" as people write it\n", 0)
	if err != nil || !recommended {
		return written, err
	}
	if better, err := block(page, "### "+name+" as we recommend it\n", 0); err == nil {
		return better, nil
	}
	return written, nil
}

// block returns the n-th block of code in the section with that heading.
func block(page, heading string, n int) (string, error) {
	_, section, ok := strings.Cut(page, "\n"+heading)
	if !ok {
		return "", fmt.Errorf("%s has no heading %q", guide, heading)
	}
	parts := strings.Split(section, "\n```")
	for i := range parts {
		if i%2 == 0 && strings.Contains(parts[i], "\n##") { // the next section begins
			break
		}
		if i%2 == 1 {
			if n == 0 {
				_, text, _ := strings.Cut(parts[i], "\n") // behind the language
				return text + "\n", nil
			}
			n--
		}
	}
	return "", fmt.Errorf("%s has no such configuration under %q", guide, heading)
}

// readGuide finds the page from whichever folder of the repository a test runs in.
func readGuide() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		page, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(guide)))
		if err == nil {
			return strings.ReplaceAll(string(page), "\r\n", "\n"), nil
		}
		up := filepath.Dir(dir)
		if !errors.Is(err, os.ErrNotExist) || up == dir {
			return "", err
		}
		dir = up
	}
}
