package cookie

import (
	"fmt"
	"time"
)

// A Sealer encrypts bytes into the value of a cookie, in the frame of
// [NewSealed], for a program that writes the Set-Cookie line by itself. Most
// programs want [NewSealed]. It is safe for concurrent use.
type Sealer struct{ framer *framer }

// NewSealer returns a sealer for the cookie of that name, whose values are
// valid for max at most: one second to 400 days.
func NewSealer(name string, keys *Keys, max time.Duration) (*Sealer, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if max < time.Second || max > maxLifetime {
		return nil, fmt.Errorf("cookie: sealer %q: max is %v; want 1s to %v", name, max, maxLifetime)
	}
	f := newFramerFor(purposeBytes, name, keys, seconds(max))
	if len(f.schemes) == 0 {
		return nil, noKeys(name)
	}
	return &Sealer{f}, nil
}

// Seal returns the cookie value for payload, valid for ttl. It fails if name
// and value would be longer than browsers keep, and says by how much.
func (s *Sealer) Seal(payload []byte, ttl time.Duration) (string, error) {
	if s == nil || s.framer == nil {
		return "", errUndeclared
	}
	if size := s.framer.size(len(payload)); size > maxSize {
		return "", fmt.Errorf("cookie: %q: name and value are %d bytes for a payload of %d; browsers keep at most %d", s.framer.name, size, len(payload), maxSize)
	}
	if ttl <= 0 {
		return "", fmt.Errorf("cookie: %q: ttl is %v; want more than 0", s.framer.name, ttl)
	}
	b := newScratch()
	defer b.release()
	b.text = b.text[:0]
	if err := s.framer.seal(b, time.Now(), seconds(ttl), payload); err != nil {
		return "", err
	}
	return string(b.text), nil
}

// Open returns the payload of a value, or [ErrForged] or [ErrExpired].
func (s *Sealer) Open(value string) ([]byte, error) {
	if s == nil || s.framer == nil {
		return nil, errUndeclared
	}
	b := newScratch()
	defer b.release()
	o, err := s.framer.open(b, time.Now(), value)
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), o.payload...), nil
}
