package record

import (
	"reflect"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// G8: what is in a session cookie is read without a panic, and what is accepted
// can be written and read again.
func FuzzCookieRecord(f *testing.F) {
	now := time.UnixMicro(1_700_000_000_000_001).UTC()
	full := AppendCookie(nil, store.Record{ID: store.ID{1, 2}, User: "alice", AuthTime: now, Created: now, Seen: now, Expires: now, Deadline: now, Data: []byte{1, 0, 0, 0}})
	f.Add(full)
	f.Add(AppendCookie(nil, store.Record{}))
	for _, n := range []int{0, 1, 33, 72, 73, len(full) - 5} {
		f.Add(full[:n])
	}
	f.Add(append(full[:73:73], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'x'))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, ok := OpenCookie(b)
		if !ok {
			return
		}
		again, ok := OpenCookie(AppendCookie(nil, rec))
		if !ok || len(rec.Data) != len(again.Data) || string(rec.Data) != string(again.Data) {
			t.Fatalf("written again: got %v, %v, want %v", again, ok, rec)
		}
		rec.Data, again.Data = nil, nil
		if !reflect.DeepEqual(rec, again) {
			t.Errorf("written again: got %v, want %v", again, rec)
		}
	})
}
