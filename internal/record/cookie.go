package record

import (
	"encoding/binary"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// cookieVersion is the first byte of a record in a cookie; docs/spec/record.md.
const cookieVersion = 1

// AppendCookie writes a record as a cookie holds it.
func AppendCookie(b []byte, rec store.Record) []byte {
	b = append(b, cookieVersion)
	b = append(b, rec.ID[:]...)
	for _, t := range [...]time.Time{rec.AuthTime, rec.Created, rec.Seen, rec.Expires, rec.Deadline} {
		b = binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()))
	}
	b = binary.AppendUvarint(b, uint64(len(rec.User)))
	b = append(b, rec.User...)
	return append(b, rec.Data...)
}

// OpenCookie reads what AppendCookie wrote, and reports whether it could be that.
// The record's Version is 1: it has no other.
func OpenCookie(b []byte) (rec store.Record, ok bool) {
	times := [...]*time.Time{&rec.AuthTime, &rec.Created, &rec.Seen, &rec.Expires, &rec.Deadline}
	if len(b) < 1+len(rec.ID)+8*len(times) || b[0] != cookieVersion {
		return rec, false
	}
	b = b[1+copy(rec.ID[:], b[1:]):]
	for _, t := range times {
		*t = time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
		b = b[8:]
	}
	user, data, ok := CutBytes(b)
	rec.User, rec.Data, rec.Version = string(user), data, 1
	return rec, ok
}
