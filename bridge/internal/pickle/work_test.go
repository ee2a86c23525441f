package pickle

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// A dict that is referred to again and again counts each time, also where nothing of
// it can be written: 20,000 references to 20,000 keys took minutes.
func TestSharedDictIsBounded(t *testing.T) {
	short := func(s string) []byte { return append([]byte{0x8c, byte(len(s))}, s...) }
	const n = 20000
	b := []byte{0x80, 4, '}', '('}
	// the shared dict: many keys, and in the first value a class
	b = append(b, short("d")...)
	b = append(b, '}', 'r')
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, '(')
	b = append(b, short("0")...)
	b = append(b, "\x8c\x07decimal\x8c\x07Decimal\x93"...)
	for i := range n {
		b = append(append(b, short(fmt.Sprint(i+1))...), 'N')
	}
	b = append(b, 'u')
	for i := range n {
		b = append(append(b, short(fmt.Sprint("k", i))...), 'h', 0)
	}
	b = append(b, 'u', '.')
	if _, refused, err := Decode(b); err == nil {
		t.Errorf("%d values refused, no error; want one of too many items", len(refused))
	}
}
