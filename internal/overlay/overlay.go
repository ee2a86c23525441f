// Package overlay changes source files for one run of the go command and leaves
// them as they are on the disk: the repository's own tests weaken the library so,
// to see that a test can fail, and watch what it issues.
package overlay

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// An Edit replaces Old, which must be in File exactly once, by New. With an
// empty Old the file is new. File is relative to the repository, with slashes.
type Edit struct{ File, Old, New string }

// Write puts the edited files and their list into dir, and returns the list's
// name, for go test -overlay. Edits of one file are made in their order. root is
// the repository.
func Write(root, dir string, edits ...Edit) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	texts := make(map[string]string)
	for _, e := range edits {
		text, ok := texts[e.File]
		if !ok && e.Old != "" {
			b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.File)))
			if err != nil {
				return "", err
			}
			text = strings.ReplaceAll(string(b), "\r\n", "\n")
		}
		switch {
		case e.Old == "":
			text = e.New
		case strings.Count(text, e.Old) != 1:
			return "", fmt.Errorf("%s has %d times, want once: %s", e.File, strings.Count(text, e.Old), e.Old)
		default:
			text = strings.Replace(text, e.Old, e.New, 1)
		}
		texts[e.File] = text
	}
	list := struct{ Replace map[string]string }{make(map[string]string)}
	for file, text := range texts {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		list.Replace[filepath.Join(root, filepath.FromSlash(file))] = to
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, b, 0o600)
}
