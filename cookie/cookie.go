package cookie

import (
	"fmt"
	"net/http"
	"time"
)

// browserTTL is how long a signed or sealed cookie without MaxAge is valid.
const browserTTL = 24 * time.Hour

// A Cookie is a declared cookie with a value of type T. Declare it once, as a
// variable of the package, and use it everywhere:
//
//	var theme = cookie.NewSigned[string]("theme", keys, cookie.Policy{MaxAge: 365 * 24 * time.Hour})
//
// A mistake in the declaration is kept: Err returns it, for a check at
// start-up, and so does every other method. A Cookie never changes and is safe
// for concurrent use. The zero Cookie refuses everything.
type Cookie[T any] struct{ d *declaration[T] }

type declaration[T any] struct {
	err    error
	raw    *Raw
	maxAge time.Duration
	text   text[T]
	frame  *framer // nil for a plain cookie
}

// New declares a plain cookie: everybody who has it can read it, and change it
// unnoticed. Strings stand in it as they are, and what no cookie value can hold
// (space, quote, comma, semicolon, backslash, anything but printable ASCII) is
// an error of Set; integers and bools are text; every other type is JSON in
// base64url.
func New[T any](name string, p Policy) Cookie[T] {
	return declare[T](name, p, nil)
}

// NewSigned declares a cookie that everybody who has it can read, and nobody
// without the keys can make or change: JSON under HMAC-SHA-256, bound to this
// name, to the application of keys, and to the lifetime in the policy. Signing
// does not stop the browser's owner from sending an older value again, or on
// another device.
func NewSigned[T any](name string, keys *Keys, p Policy) Cookie[T] {
	return declareFramed[T](name, keys, p, newSignedFramer)
}

// NewSealed declares a cookie that nobody without the keys can read, make or
// change: JSON under AES-256-GCM, bound as a signed cookie is. Its length
// still shows.
func NewSealed[T any](name string, keys *Keys, p Policy) Cookie[T] {
	return declareFramed[T](name, keys, p, newSealedFramer)
}

func declareFramed[T any](name string, keys *Keys, p Policy, newFramer func(string, *Keys, int64) *framer) Cookie[T] {
	ttl := p.MaxAge
	if ttl == 0 {
		ttl = browserTTL
	}
	f := newFramer(name, keys, seconds(ttl))
	c := declare[T](name, p, f)
	if c.d.err == nil && len(f.schemes) == 0 {
		c.d.err = noKeys(name)
	}
	return c
}

func noKeys(name string) error {
	return fmt.Errorf("cookie: %q has no keys; want those of KeysFromEnv or NewKeys", name)
}

func declare[T any](name string, p Policy, f *framer) Cookie[T] {
	raw, err := newRaw(name, p)
	text, unfit := textOf[T]()
	if unfit != nil && err == nil {
		err = fmt.Errorf("cookie: the type of %q: %w", name, unfit)
	}
	return Cookie[T]{&declaration[T]{err: err, raw: raw, maxAge: p.MaxAge, text: text, frame: f}}
}

// Err returns what is wrong with the declaration, or nil.
func (c Cookie[T]) Err() error {
	if c.d == nil {
		return errUndeclared
	}
	return c.d.err
}

// Get returns the value that came with the request, or [ErrAbsent], [ErrExpired] or
// an [ErrForged]. Answer the client the same for all three. A signed or sealed
// value is looked at only after it has been found authentic.
func (c Cookie[T]) Get(r *http.Request) (T, error) {
	v, _, err := c.read(r, time.Now())
	return v, err
}

// Set sends the value with the response, in place of one that is set already.
// Call it before the first byte of the body: net/http sends no header after
// that. It is an error if the cookie would be more than 4096 bytes with its
// name, or if the value has no exact form in it; then nothing is set.
//
// Where the response may be kept by caches, such as with max-age, they would
// hand the cookie to the next visitor. So Set adds no-cache="Set-Cookie" to
// Cache-Control, unless [Policy.AllowCaching] says otherwise; give the response
// its own Cache-Control before.
func (c Cookie[T]) Set(w http.ResponseWriter, v T) error {
	if err := c.Err(); err != nil {
		return err
	}
	return c.d.write(w.Header(), v, time.Now(), 0)
}

// Clear deletes the cookie in the browser. A copy that was kept elsewhere stays
// valid until it expires: what must end for certain belongs into a session.
func (c Cookie[T]) Clear(w http.ResponseWriter) error {
	if err := c.Err(); err != nil {
		return err
	}
	c.d.raw.put(w.Header(), c.d.raw.Expired())
	return nil
}

// Refresh is Get, and sets a value that was made under a fallback key again
// under the first key, with what is left of its lifetime. Call it in place of
// Get on a busy route, and a rotated secret is out of use long before the
// longest lifetime is over. Where setting failed, the value comes with the
// error. It can put back a value that another request is replacing at this
// moment; where that matters, use Get and keep the fallback.
func (c Cookie[T]) Refresh(w http.ResponseWriter, r *http.Request) (T, error) {
	now := time.Now()
	v, o, err := c.read(r, now)
	if err != nil || !o.fallback {
		return v, err
	}
	return v, c.d.write(w.Header(), v, now, o.expires-now.Unix())
}

func (c Cookie[T]) read(r *http.Request, now time.Time) (v T, o opened, err error) {
	if err := c.Err(); err != nil {
		return v, o, err
	}
	d := c.d
	ok := false
	if d.frame == nil {
		value, err := d.raw.Read(r.Header)
		if err != nil {
			return v, o, err
		}
		v, ok = d.text.decode(value)
	} else {
		value, err := d.raw.find(r.Header) // base64url is stricter than Read
		if err != nil {
			return v, o, err
		}
		s := newScratch()
		defer s.release()
		if o, err = d.frame.open(s, now, value); err != nil {
			return v, o, err
		}
		v, ok = parseJSON[T](o.payload)
		o.payload = nil // gone with the scratch
	}
	if !ok {
		var zero T
		return zero, opened{}, &ForgedError{d.raw.name, ReasonValue}
	}
	return v, o, nil
}

// write sets v for ttl seconds, zero being what was declared.
func (d *declaration[T]) write(h http.Header, v T, now time.Time, ttl int64) error {
	age := d.maxAge
	if age > 0 && ttl > 0 {
		age = time.Duration(ttl) * time.Second
	}
	if d.frame == nil {
		value, err := d.text.encode(v)
		if err != nil {
			return d.unfit(err)
		}
		return d.raw.Write(h, value, age)
	}
	s := newScratch()
	defer s.release()
	var err error
	if s.payload, err = appendJSON(s.payload[:0], d.text.exact, v); err != nil {
		return d.unfit(err)
	}
	if n := d.frame.size(len(s.payload)); n > maxSize {
		return d.raw.tooLong(n)
	}
	if ttl == 0 {
		ttl = d.frame.max
	}
	s.text = append(s.text[:0], d.raw.start...)
	if err := d.frame.seal(s, now, ttl, s.payload); err != nil {
		return err
	}
	s.text = append(s.text, d.raw.tailAt(age, now)...)
	d.raw.put(h, string(s.text))
	return nil
}

func (d *declaration[T]) unfit(err error) error {
	return fmt.Errorf("cookie: the value of %q: %v", d.raw.name, err)
}
