package coatcheck

import (
	"testing"

	"github.com/coatcheck/coatcheck/store"
)

// A store that gives the same version with other data breaks its contract. The
// request goes on with what it had, and nothing panics.
func TestRebaseOnTheSameVersion(t *testing.T) {
	t.Parallel()
	data, _ := encodeData(header{device: []byte("a device")}, []entry{{name: "a", raw: []byte("1")}}, 0)
	h, err := openData(data)
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{}
	s.take(&store.Record{Version: 7, Data: data}, h)
	if err := s.rebase(store.Record{Version: 7, Data: []byte{1}}, true); err != nil {
		t.Fatal(err)
	}
	if got := findEntry(s.entries(), "a").raw; string(got) != "1" {
		t.Errorf("the value is %q, want 1", got)
	}
}
