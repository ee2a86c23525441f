package cookie

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A frame is what stands in a signed or sealed cookie, in base64url (C6):
//
//	version 1 | key id 4 | issued 5 | ttl 4 | body
//
// issued is in Unix seconds and ttl in seconds, both big-endian.
const (
	headerSize    = 14
	versionSigned = 1
	versionSealed = 2
)

// skew is how far ahead of ours the clock of the machine that issued a cookie
// may be, in seconds (C10).
const skew = 60

// base64url refuses bits that no encoder sets, so that every frame has exactly
// one spelling (C7).
var base64url = base64.RawURLEncoding.Strict()

// A scheme makes and checks the body of a frame under one secret. body and
// payload are in the scratch; what is returned is valid until its release.
type scheme interface {
	id() [4]byte
	// protect appends the body of payload to s.frame, which holds the header.
	protect(s *scratch, issued int64, payload []byte) error
	// open returns the payload of s.frame, header included, and whether it is
	// authentic. It must not trust anything in it before it has checked it.
	open(s *scratch, issued int64) ([]byte, bool)
}

// A framer issues and checks the frames of one cookie.
type framer struct {
	name     string
	version  byte
	overhead int      // bytes of the body beside the payload
	schemes  []scheme // one for each secret, in order
	max      int64    // seconds that a frame is valid at most
	early    bool     // check the stated times before deriving a key
}

// A scratch holds the buffers of one operation. They are reused, because a
// frame is up to 3 KiB, and cleared, because they held plaintext.
type scratch struct {
	text    []byte // base64url
	frame   []byte
	aad     []byte
	payload []byte
	sum     [32]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func newScratch() *scratch { return scratches.Get().(*scratch) }

func (s *scratch) release() {
	clear(s.payload)
	clear(s.frame)
	if cap(s.payload) <= 2*maxSize && cap(s.frame) <= 2*maxSize {
		scratches.Put(s)
	}
}

// size returns the bytes of a cookie with a payload of n bytes, name included.
func (f *framer) size(n int) int {
	return len(f.name) + base64url.EncodedLen(headerSize+f.overhead+n)
}

// seal appends to s.text the cookie value for a payload that is valid for ttl
// seconds, but not longer than readers here accept it. The caller has checked
// the size.
func (f *framer) seal(s *scratch, now time.Time, ttl int64, payload []byte) error {
	k := f.schemes[0]
	id := k.id()
	issued := now.Unix()
	b := append(s.frame[:0], f.version)
	b = append(b, id[:]...)
	b = append(b, byte(issued>>32))
	b = binary.BigEndian.AppendUint32(b, uint32(issued))
	s.frame = binary.BigEndian.AppendUint32(b, uint32(min(ttl, f.max)))
	if err := k.protect(s, issued, payload); err != nil {
		return fmt.Errorf("cookie: protecting %q: %w", f.name, err)
	}
	s.text = base64url.AppendEncode(s.text, s.frame)
	return nil
}

// opened is what a frame holds.
type opened struct {
	payload  []byte // in the scratch
	expires  int64  // Unix seconds, as issued and as the declaration limits it
	fallback bool   // authentic under another secret than the first
}

// open checks a cookie value: encoding, version, key, authenticity, times, in
// that order, except that a sealed frame's stated times come before its key.
func (f *framer) open(s *scratch, now time.Time, value string) (opened, error) {
	if why := f.decode(s, value); why != "" {
		return opened{}, &ForgedError{f.name, why}
	}
	b := s.frame
	id := [4]byte(b[1:5])
	issued := int64(b[5])<<32 | int64(binary.BigEndian.Uint32(b[6:]))
	ttl := min(int64(binary.BigEndian.Uint32(b[10:])), f.max)
	if f.early {
		if err := f.span(now, issued, f.max); err != nil {
			return opened{}, err
		}
	}
	why := ReasonKey
	for i, k := range f.schemes {
		if k.id() != id {
			continue
		}
		why = ReasonTag // two secrets may have one id: try them all (C4)
		if payload, ok := k.open(s, issued); ok {
			if err := f.span(now, issued, ttl); err != nil {
				return opened{}, err
			}
			return opened{payload, issued + ttl, i > 0}, nil
		}
	}
	return opened{}, &ForgedError{f.name, why}
}

// decode fills s.frame, or says why not.
func (f *framer) decode(s *scratch, value string) string {
	if len(f.name)+len(value) > maxSize {
		return ReasonTooLong
	}
	n := base64url.DecodedLen(len(value))
	// Go's decoder skips CR and LF, which makes the result shorter than the
	// text says, or the text one that cannot be.
	if len(value)%4 == 1 || n < headerSize+f.overhead {
		return ReasonEncoding
	}
	s.text = append(s.text[:0], value...)
	s.frame = slices.Grow(s.frame[:0], n)[:n]
	if m, err := base64url.Decode(s.frame, s.text); err != nil || m != n {
		return ReasonEncoding
	}
	if s.frame[0] != f.version {
		return ReasonVersion
	}
	return ""
}

// span checks the times of C10.
func (f *framer) span(now time.Time, issued, ttl int64) error {
	switch t := now.Unix(); {
	case issued > t+skew:
		return &ForgedError{f.name, ReasonFuture}
	case t >= issued+ttl:
		return ErrExpired
	}
	return nil
}

// contextOf is C5: everything that a frame is bound to beside its header.
func contextOf(kind, purpose, app, name string) []byte {
	var b []byte
	for _, s := range []string{label, kind, purpose, app, name} {
		b = appendLP(b, s)
	}
	return b
}
