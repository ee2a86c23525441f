package console

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A device is one live session, as the pages show it.
type device struct {
	store.Record
	Handle   string
	LoggedIn time.Time
	Device   string
	Address  string
	Bound    bool
	Labels   []label
	Values   []value
	Hidden   int // values of which only the name is shown
	Bytes    int
	Damaged  bool
}

type label struct{ Name, Value string }

// A value is one entry of a session.
type value struct {
	Name    string
	Bytes   int
	Expires time.Time // zero: with the session
	JSON    string    // where it is shown
	Shown   bool
}

// devicesOf makes rows of records that are not over, the newest first.
func devicesOf(records []store.Record, now time.Time, show func(user, name string) bool) []device {
	list := make([]device, 0, len(records))
	for _, rec := range records {
		if rec.Expires.After(now) && rec.Deadline.After(now) {
			list = append(list, deviceOf(rec, now, show))
		}
	}
	slices.SortFunc(list, func(a, b device) int {
		return cmp.Or(b.Created.Compare(a.Created), bytes.Compare(b.ID[:], a.ID[:]))
	})
	return list
}

func deviceOf(rec store.Record, now time.Time, show func(user, name string) bool) device {
	d := device{Record: rec, Handle: rec.ID.Handle(), LoggedIn: rec.AuthTime, Bytes: len(rec.Data)}
	if err := d.read(now, show); err != nil {
		d.Damaged = true
	}
	return d
}

// Names of entries that begin so are the library's own: docs/spec/record.md.
const (
	ownMark   = "\x00"
	labelMark = "\x00label:"
)

var errRecord = errors.New("console: record data is not as docs/spec/record.md says")

// read takes apart the data of the record; docs/spec/record.md.
func (d *device) read(now time.Time, show func(user, name string) bool) error {
	data := d.Data
	if len(data) == 0 || data[0] != 1 {
		return errRecord
	}
	in := reader{rest: data[1:]}
	in.number() // what Remember set
	d.Device, d.Address = string(in.bytes()), string(in.bytes())
	for len(in.rest) > 0 && !in.bad {
		name, expires, raw := string(in.bytes()), in.number(), in.bytes()
		v := value{Name: name, Bytes: len(raw)}
		if expires != 0 {
			if v.Expires = time.UnixMilli(int64(expires)).UTC(); !v.Expires.After(now) {
				continue
			}
		}
		switch {
		case strings.HasPrefix(name, labelMark):
			var text string
			if json.Unmarshal(raw, &text) == nil {
				d.Labels = append(d.Labels, label{name[len(labelMark):], text})
			}
		case strings.HasPrefix(name, ownMark):
		default:
			if v.Shown = show(d.User, name); v.Shown {
				v.JSON = string(raw)
			} else {
				d.Hidden++
			}
			d.Values = append(d.Values, v)
		}
	}
	slices.SortFunc(d.Labels, func(a, b label) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(d.Values, func(a, b value) int { return cmp.Compare(a.Name, b.Name) })
	if in.bad {
		return errRecord
	}
	return nil
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

// showing is Config.ShowValues for one operator.
func (c *Console) showing(r *http.Request) func(user, name string) bool {
	if c.cfg.ShowValues == nil {
		return func(string, string) bool { return false }
	}
	return func(user, name string) bool { return c.cfg.ShowValues(r, user, name) }
}
