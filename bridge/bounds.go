package bridge

import (
	"bytes"
	"compress/zlib"
	"io"
	"sync"
)

// Bounds on what is read, whatever the other system would take.
const (
	MaxCookie = 16 << 10 // bytes of a cookie's value
	MaxRecord = 1 << 20  // bytes of a record, and of what a compressed payload becomes
	MaxDepth  = 64       // of lists and maps within each other
	MaxItems  = 1 << 16  // of all lists and maps of a session together
)

// inflaters are zlib readers that wait to be used again: a new one takes 40 KB.
var inflaters sync.Pool

// Inflate returns what a zlib stream holds, at most max bytes: more is a
// *RefusedError, and so is what is no zlib stream.
func Inflate(b []byte, max int) ([]byte, error) {
	z, _ := inflaters.Get().(io.ReadCloser)
	var err error
	if z == nil {
		z, err = zlib.NewReader(bytes.NewReader(b))
	} else {
		err = z.(zlib.Resetter).Reset(bytes.NewReader(b), nil)
	}
	if err != nil {
		return nil, Refused("a compressed payload that is damaged")
	}
	defer inflaters.Put(z)
	out := bytes.NewBuffer(make([]byte, 0, min(4*len(b), max)+bytes.MinRead))
	n, err := out.ReadFrom(io.LimitReader(z, int64(max)+1))
	switch {
	case n > int64(max):
		return nil, Refused("a payload of more than %d bytes", max)
	case err != nil:
		return nil, Refused("a compressed payload that is damaged")
	}
	return out.Bytes(), nil
}
