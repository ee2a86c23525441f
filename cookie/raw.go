package cookie

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// A Raw is a cookie whose value the caller encodes and protects: a name and a
// checked Policy. It is what the other cookies, and sessions, are written with;
// most programs need only New, [NewSigned] and [NewSealed].
//
// A Raw is safe for concurrent use. The zero Raw refuses to
// read and to write.
type Raw struct {
	name    string
	start   string // name=
	tail    string // what stands between Max-Age and Expires
	expired string
	caching bool                    // Policy.AllowCaching
	latest  *atomic.Pointer[ending] // behind a pointer: a Raw may be copied
}

// NewRaw declares a cookie. [Policy.MaxAge] must be zero: the lifetime is given
// with each line.
func NewRaw(name string, p Policy) (*Raw, error) {
	if p.MaxAge != 0 {
		return nil, fmt.Errorf("cookie: Policy.MaxAge of %q is set; a Raw takes the lifetime with each line", name)
	}
	return newRaw(name, p)
}

func newRaw(name string, p Policy) (*Raw, error) {
	if err := p.check(name); err != nil {
		return nil, err
	}
	c := &Raw{name: name, start: name + "=", tail: p.attributes(), caching: p.AllowCaching, latest: new(atomic.Pointer[ending])}
	// Every other attribute as in the cookie itself, or it would not be the same
	// cookie.
	c.expired = c.start + maxAgeIs + "0" + c.tail + expiresIs + longAgo
	return c, nil
}

// Name returns the cookie's name.
func (c *Raw) Name() string { return c.name }

// Line returns the Set-Cookie line for value, which must consist of
// cookie-octets (RFC 6265bis §4.1.1). maxAge is the lifetime, rounded up to
// whole seconds; zero is until the browser closes. The line says it as Max-Age
// and, counted from now, as Expires. It is an error if name and value are more
// than 4096 bytes or maxAge is negative or more than 400 days; nothing is ever
// cut or replaced.
func (c *Raw) Line(value string, maxAge time.Duration) (string, error) {
	if err := checkLine(c, value, maxAge); err != nil {
		return "", err
	}
	return c.start + value + c.tailAt(maxAge, time.Now()), nil
}

// AppendLine appends to b what Line returns, with a lifetime that is counted from now:
// for a caller who has several lines to write, and knows what time it is. With an
// error nothing is appended.
func (c *Raw) AppendLine(b, value []byte, maxAge time.Duration, now time.Time) ([]byte, error) {
	if err := checkLine(c, value, maxAge); err != nil {
		return b, err
	}
	return append(append(append(b, c.start...), value...), c.tailAt(maxAge, now)...), nil
}

func checkLine[V string | []byte](c *Raw, value V, maxAge time.Duration) error {
	if c == nil || c.name == "" {
		return errUndeclared
	}
	if n := len(c.name) + len(value); n > maxSize {
		return c.tooLong(n)
	}
	if i := badOctet(value); i >= 0 {
		return fmt.Errorf("cookie: the value of %q has at byte %d what no cookie can carry; want printable ASCII without space and \",;\\", c.name, i)
	}
	if maxAge < 0 || maxAge > maxLifetime {
		return checkMaxAge("the lifetime", maxAge)
	}
	return nil
}

func (c *Raw) tooLong(n int) error {
	return fmt.Errorf("cookie: name and value of %q are %d bytes; browsers keep at most %d", c.name, n, maxSize)
}

// Expired returns the Set-Cookie line that deletes the cookie: the same
// attributes, Max-Age=0 and Expires in the past (C17).
func (c *Raw) Expired() string { return c.expired }

// Write puts the Set-Cookie line for value into h; see Line and Put. Caches
// learn that they must not keep it, unless the policy has AllowCaching.
func (c *Raw) Write(h http.Header, value string, maxAge time.Duration) error {
	line, err := c.Line(value, maxAge)
	if err != nil {
		return err
	}
	c.put(h, line)
	return nil
}
