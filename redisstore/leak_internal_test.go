package redisstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/store"
)

// G13: no id in %v, whatever the verb: a store remembers what it wrote.
func TestStorePrintsNoID(t *testing.T) {
	t.Parallel()
	s := &Store{records: "coatcheck:s"}
	s.written.add(store.ID{201, 202, 203, 204, 205, 206})
	var out string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c"} {
		out += fmt.Sprintf(verb+verb, s, []any{s})
	}
	for _, form := range []string{"201 202 203", "c9cacbcc", "C9CACBCC", "0xc9, 0xca", "\xc9\xca\xcb"} {
		if strings.Contains(out, form) {
			t.Errorf("the id is printed, as %q: %s", form, out)
		}
	}
}
