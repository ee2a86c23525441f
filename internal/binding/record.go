package binding

import (
	"encoding/base64"
	"encoding/binary"
	"time"
)

// IDSize is the size of the number under which browser and server know a binding.
// It stays when the token is renewed, which the session's own id does not.
const IDSize = 10

// The algorithms of a device's key.
const (
	ES256 byte = 1
	RS256 byte = 2
)

const (
	version  = 1
	headSize = 1 + 1 + IDSize + 3*8
	headText = headSize / 3 * 4 // no rest: what follows begins with a character of its own
	maxKey   = 512
)

var encoding = base64.RawURLEncoding.Strict()

// A Record is what the session's entry record.Bound holds.
type Record struct {
	ID        [IDSize]byte
	Algorithm byte
	Since     time.Time // the registration
	Proven    time.Time // when the browser first brought the bound cookie; zero = not yet
	Refreshed time.Time // the last proof of the key
	Used      time.Time // when the newest challenge was issued that a refresh has used
	Key       []byte    // ES256: the uncompressed point; RS256: the modulus
}

// Encode returns the entry's value: a JSON string of base64url (R8).
//
//	version 1 | algorithm 1 | id 10 | since 8 | proven 8 | refreshed 8 | used 8 | key
func (r Record) Encode() []byte {
	b := make([]byte, 0, headSize+8+len(r.Key))
	b = append(b, version, r.Algorithm)
	b = append(b, r.ID[:]...)
	for _, t := range [...]time.Time{r.Since, r.Proven, r.Refreshed, r.Used} {
		var at int64
		if !t.IsZero() {
			at = t.UnixMicro()
		}
		b = binary.BigEndian.AppendUint64(b, uint64(at))
	}
	b = append(b, r.Key...)
	raw := append(make([]byte, 0, encoding.EncodedLen(len(b))+2), '"')
	return append(encoding.AppendEncode(raw, b), '"')
}

// Head reads an entry's value without what only a refresh needs. It allocates nothing: every request
// of a bound session does it.
func Head(raw []byte) (r Record, ok bool) {
	if len(raw) < headText+2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return r, false
	}
	var text [headText]byte
	var b [headSize]byte
	copy(text[:], raw[1:])
	if n, err := encoding.Decode(b[:], text[:]); err != nil || n != headSize || b[0] != version {
		return r, false
	}
	r.Algorithm = b[1]
	copy(r.ID[:], b[2:])
	times := b[2+IDSize:]
	for i, t := range [...]*time.Time{&r.Since, &r.Proven, &r.Refreshed} {
		*t = timeAt(times[8*i:])
	}
	return r, r.Algorithm == ES256 || r.Algorithm == RS256
}

// timeAt reads a time; zero is none.
func timeAt(b []byte) (t time.Time) {
	if at := int64(binary.BigEndian.Uint64(b)); at != 0 {
		t = time.UnixMicro(at).UTC()
	}
	return t
}

// Decode reads an entry's value.
func Decode(raw []byte) (r Record, ok bool) {
	if r, ok = Head(raw); !ok {
		return r, false
	}
	text := raw[1+headText : len(raw)-1]
	size := encoding.DecodedLen(len(text))
	if size <= 8 || size > 8+maxKey {
		return r, false
	}
	rest := make([]byte, size)
	if n, err := encoding.Decode(rest, text); err != nil || n != size {
		return r, false
	}
	r.Used, r.Key = timeAt(rest), rest[8:]
	return r, true
}

// Name is the algorithm's name (RFC 7518 §3.1), "" of none.
func Name(algorithm byte) string {
	switch algorithm {
	case ES256:
		return "ES256"
	case RS256:
		return "RS256"
	}
	return ""
}
