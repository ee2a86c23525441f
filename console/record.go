package console

import (
	"bytes"
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/internal/record"
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
	h, err := record.Open(rec.Data)
	if err != nil {
		d.Damaged = true
		return d
	}
	d.Device, d.Address = string(h.Device), string(h.Address)
	for name, text := range record.Labels(h.Entries) {
		d.Labels = append(d.Labels, label{name, text})
	}
	for e := range record.All(h.Entries) {
		if e = e.At(now.UnixMilli()); e.Raw != nil {
			d.add(e, show)
		}
	}
	slices.SortFunc(d.Labels, func(a, b label) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(d.Values, func(a, b value) int { return cmp.Compare(a.Name, b.Name) })
	return d
}

// flashes is that of the messages for the next page.
const flashes = "\x00flash"

// add takes note of an entry, which is a value or the library's own.
func (d *device) add(e record.Entry, show func(user, name string) bool) {
	v := value{Name: e.Name, Bytes: len(e.Raw)}
	if e.Expires != 0 {
		v.Expires = time.UnixMilli(e.Expires).UTC()
	}
	switch {
	case e.Name == record.Bound:
		d.Bound = true
		return
	case e.Name == flashes:
		v.Name = "(messages for the next page)"
	case e.Name != "" && e.Name[0] == 0:
		return
	default:
		v.Shown = show(d.User, e.Name)
	}
	if v.Shown {
		v.JSON = string(e.Raw)
	} else {
		d.Hidden++
	}
	d.Values = append(d.Values, v)
}

// showing is Config.ShowValues for one operator.
func (c *Console) showing(r *http.Request) func(user, name string) bool {
	if c.cfg.ShowValues == nil {
		return noValue
	}
	return func(user, name string) bool { return c.cfg.ShowValues(r, user, name) }
}

// noValue is for pages that show none.
func noValue(string, string) bool { return false }
