package walkthrough

import (
	"context"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// An observed store tells the page which record its request met, as it is in
// the store: no route asks the store for anything more than without the page.
type observed struct{ store.Store }

// Unwrap leads to what else the store can do.
func (o observed) Unwrap() store.Store { return o.Store }

func (o observed) Load(ctx context.Context, id store.ID) (store.Record, error) {
	rec, err := o.Store.Load(ctx, id)
	if n, ok := ctx.Value(noteKey{}).(*note); ok && err == nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.rec = rec
	}
	return rec, err
}

func (o observed) Touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	err := o.Store.Touch(ctx, id, seen, expires)
	if n, ok := ctx.Value(noteKey{}).(*note); ok && err == nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.rec.ID == id {
			n.rec.Seen, n.rec.Expires = seen, expires
		}
	}
	return err
}

// A note is the record that a request of the page met.
type note struct {
	mu  sync.Mutex
	rec store.Record
}

type noteKey struct{}

// noting gives the page's own requests a note, and leaves others alone.
func noting(r *http.Request) *http.Request {
	if r.URL.Path != "/" && r.URL.Path != "/events" {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), noteKey{}, new(note)))
}

func noted(ctx context.Context) store.Record {
	n := ctx.Value(noteKey{}).(*note)
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rec
}

// A coat is what the server holds for a visitor.
type coat struct {
	store.Record
	Handle string
	Values []value
}

// A value is one entry of a session.
type value struct {
	Name, JSON string
	Expires    time.Time // zero: with the session
	Says       string
}

func newCoat(rec store.Record, now time.Time) (*coat, error) {
	values, err := readValues(rec.Data)
	if err != nil {
		return nil, err
	}
	c := &coat{Record: rec, Handle: rec.ID.Handle()}
	for _, v := range values {
		if !v.Expires.IsZero() && !v.Expires.After(now) || strings.HasPrefix(v.Name, "\x00") {
			continue
		}
		if strings.HasPrefix(v.Name, codeKeys) {
			v.Name = cut(v.Name, len(codeKeys)+8)
			v.Says = "A one-time code. Only its fingerprint is kept, so nobody can read the code here."
		}
		c.Values = append(c.Values, v)
	}
	return c, nil
}

var errRecord = errors.New("walkthrough: record data is not as docs/spec/record.md says")

// readValues reads the entries of a record's data; docs/spec/record.md.
func readValues(data []byte) ([]value, error) {
	if len(data) == 0 || data[0] != 1 {
		return nil, errRecord
	}
	d := reader{rest: data[1:]}
	d.number() // remember
	d.bytes()  // device
	d.bytes()  // address
	var values []value
	for len(d.rest) > 0 && !d.bad {
		v := value{Name: string(d.bytes())}
		if expires := d.number(); expires != 0 {
			v.Expires = time.UnixMilli(int64(expires)).UTC()
		}
		v.JSON = string(d.bytes())
		values = append(values, v)
	}
	if d.bad {
		return nil, errRecord
	}
	return values, nil
}

// A reader takes fields off the front of a record's data.
type reader struct {
	rest []byte
	bad  bool
}

func (d *reader) number() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > 1<<62 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *reader) bytes() []byte {
	size := d.number()
	if size > uint64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return nil
	}
	b := d.rest[:size]
	d.rest = d.rest[size:]
	return b
}
