package redisstore

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

// The value of a session's key is one string, so that a load is one GET, a
// client may cache it, and a script reads the fixed part without the data:
//
//	record     1 | version 8 | seen 8 | expires 8 | deadline 8 | auth time 8 | created 8 | length 1, user | data
//	tombstone  2 | until 8 [| successor 32]
//	pending    3 | old id 32 | old version 8 | until 8 | record    Cluster only: half of a Replace
//
// Times are microseconds since 1970 as 64 bits, big-endian, the sign bit
// flipped: then the order of the bytes is the order of time.
const (
	kindRecord    = 1
	kindTombstone = 2
	kindPending   = 3

	atSeen      = 9
	atExpires   = 17
	atDeadline  = 25
	atAuthTime  = 33
	atCreated   = 41
	atUser      = 49
	headSize    = 50
	timeSize    = 8
	tombSize    = 1 + timeSize
	pendingSize = 1 + len(store.ID{}) + 8 + timeSize

	entryAuthTime = timeSize     // of an index entry: auth time, made, deadline [, replaced id]
	entrySize     = 3 * timeSize //
	maxUser       = 255
)

var errFormat = errors.New("coatcheck: redisstore: a value in a format that this version does not know")

func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro())^1<<63)
}

// timeArg returns a time as scripts take it.
func timeArg(t time.Time) string { return string(appendTime(nil, t)) }

func versionArg(v uint64) string { return string(binary.BigEndian.AppendUint64(nil, v)) }

func idArg(id store.ID) string { return string(id[:]) }

func getTime(b []byte) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(b) ^ 1<<63)).UTC()
}

// encode returns the value of a record, with room for nothing else.
func encode(rec *store.Record) string {
	b := make([]byte, 0, headSize+len(rec.User)+len(rec.Data))
	b = append(b, kindRecord)
	b = binary.BigEndian.AppendUint64(b, rec.Version)
	for _, t := range [...]time.Time{rec.Seen, rec.Expires, rec.Deadline, rec.AuthTime, rec.Created} {
		b = appendTime(b, t)
	}
	b = append(b, byte(len(rec.User)))
	b = append(b, rec.User...)
	return rueidis.BinaryString(append(b, rec.Data...))
}

// A value is what a session's key holds.
type value struct {
	kind  byte
	rec   store.Record      // of a record, or of a pending one
	end   *store.EndedError // of a tombstone
	old   store.ID          // of a pending record, what it is to replace,
	was   string            // that one's version,
	until time.Time         // and how long its tombstone will stand
}

// decode reads a value. The record shares its bytes, which nobody changes.
func decode(id store.ID, b []byte) (v value, err error) {
	if len(b) < tombSize {
		return v, errFormat
	}
	v.kind = b[0]
	switch {
	case v.kind == kindTombstone && (len(b) == tombSize || len(b) == tombSize+len(id)):
		v.end = &store.EndedError{Until: getTime(b[1:])}
		copy(v.end.Next[:], b[tombSize:])
		return v, nil
	case v.kind == kindPending && len(b) >= pendingSize:
		copy(v.old[:], b[1:])
		v.was = string(b[pendingSize-8-timeSize : pendingSize-timeSize])
		v.until = getTime(b[pendingSize-timeSize:])
		if b = b[pendingSize:]; len(b) == 0 {
			return v, nil // a script returned only this much
		}
	case v.kind != kindRecord:
		return v, errFormat
	}
	if len(b) < headSize || b[0] != kindRecord || len(b) < headSize+int(b[atUser]) {
		return v, errFormat
	}
	data := headSize + int(b[atUser])
	v.rec = store.Record{
		ID:       id,
		Version:  binary.BigEndian.Uint64(b[1:]),
		User:     string(b[headSize:data]),
		Seen:     getTime(b[atSeen:]),
		Expires:  getTime(b[atExpires:]),
		Deadline: getTime(b[atDeadline:]),
		AuthTime: getTime(b[atAuthTime:]),
		Created:  getTime(b[atCreated:]),
		Data:     b[data:len(b):len(b)],
	}
	return v, nil
}

// margin is how long the engine keeps things beyond their time, so that the
// core can tell expired from unknown, and clocks may differ a little (S11).
const margin = time.Minute

// lease returns, in milliseconds, when the engine drops a record.
func lease(rec *store.Record) int64 {
	t := rec.Expires
	if t.After(rec.Deadline) {
		t = rec.Deadline
	}
	return max(t.Add(margin).UnixMilli(), 1)
}
