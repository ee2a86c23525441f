package gobdata

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// Work grows with what is written, also where each of many structs leaves out all of
// many fields: each field was walked for each struct, minutes for 128 KiB.
func BenchmarkManyFieldsOfManyStructs(bench *testing.B) {
	num := func(n int) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(n))
		return append([]byte{0xfc}, b...)
	}
	const fields, structs = 65536, 65000
	var b []byte
	b = append(b, 1, 129-0) // length, unused; then id -65: (64<<1|1)=129
	b = b[:1]
	b = append(b, 0xff, 129, 3, 1, 0, 1)
	b = append(b, num(fields)...)
	b = append(b, bytes.Repeat([]byte{0}, fields)...)
	b = append(b, 0, 0)
	// id -66: (65<<1|1)=131, a slice of 65
	b = append(b, 1, 0xff, 131, 2, 1, 0, 1, 0xff, 130, 0, 0)
	// the value: id 66 = 132
	b = append(b, 1, 0xff, 132, 0)
	b = append(b, num(structs)...)
	b = append(b, bytes.Repeat([]byte{0}, structs)...)
	for bench.Loop() {
		if _, err := Decode(b); err != nil {
			bench.Fatal(err)
		}
	}
}
