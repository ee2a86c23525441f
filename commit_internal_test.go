package coatcheck

import (
	"testing"

	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/store"
)

// A store that gives the same version with other data breaks its contract. The
// request goes on with what it had, and nothing panics.
func TestRebaseOnTheSameVersion(t *testing.T) {
	t.Parallel()
	data, _ := record.Encode(record.Header{Device: []byte("a device")}, []record.Entry{{Name: "a", Raw: []byte("1")}}, 0)
	h, err := record.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{}
	s.take(&store.Record{Version: 7, Data: data}, h)
	if err := s.rebase(store.Record{Version: 7, Data: []byte{1}}, true); err != nil {
		t.Fatal(err)
	}
	if got := record.Find(s.entries(), "a").Raw; string(got) != "1" {
		t.Errorf("the value is %q, want 1", got)
	}
}
