package bridge

import (
	"bytes"
	"compress/zlib"
	"io"
)

// Bounds on what is read, whatever the other system would take.
const (
	MaxCookie = 16 << 10 // bytes of a cookie's value
	MaxRecord = 1 << 20  // bytes of a record, and of what a compressed payload becomes
	MaxDepth  = 64       // of lists and maps within each other
	MaxItems  = 1 << 16  // of all lists and maps of a session together
)

// Inflate returns what a zlib stream holds, at most max bytes: more is a
// *RefusedError, and so is what is no zlib stream.
func Inflate(b []byte, max int) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, Refused("a compressed payload that is damaged")
	}
	defer z.Close()
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(z, int64(max)+1))
	switch {
	case n > int64(max):
		return nil, Refused("a payload of more than %d bytes", max)
	case err != nil:
		return nil, Refused("a compressed payload that is damaged")
	}
	return out.Bytes(), nil
}
