// Package vectors reads the files of testvectors for tests.
package vectors

import (
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/coatcheck/coatcheck/testvectors"
)

// Read returns the cases of one file.
func Read[T any](t testing.TB, name string) []T {
	t.Helper()
	b, err := fs.ReadFile(testvectors.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []T }
	if err := json.Unmarshal(b, &file); err != nil || len(file.Cases) == 0 {
		t.Fatalf("%s: %v, %d cases", name, err, len(file.Cases))
	}
	return file.Cases
}
