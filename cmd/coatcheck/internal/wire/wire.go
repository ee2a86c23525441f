// Package wire reads what stands unencrypted in our cookies, for people to see. It
// checks nothing.
package wire

import (
	"encoding/binary"
	"time"
)

// Issued reads the 5 bytes of a time of issue, in seconds since 1970
// (docs/spec/cookie.md, C6; docs/spec/record.md, R9).
func Issued(b []byte) time.Time {
	return time.Unix(int64(b[0])<<32|int64(binary.BigEndian.Uint32(b[1:])), 0).UTC()
}

// Frame reads when a signed or sealed cookie was issued, and for how long (C6). It
// wants the 14 bytes that such a cookie begins with.
func Frame(b []byte) (issued time.Time, ttl time.Duration) {
	return Issued(b[5:]), time.Duration(binary.BigEndian.Uint32(b[10:])) * time.Second
}
