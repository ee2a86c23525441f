// Package record reads and writes what stands in store.Record.Data, and the JSON
// of the values in it. The format is that of docs/spec/record.md.
package record

import (
	"encoding/binary"
	"errors"
	"iter"
	"math/bits"
	"time"
)

// Limits of what one record holds (G14).
const (
	MaxSize     = 64 << 10             // bytes
	MaxEntries  = 256                  // entries, flashes counted as one
	MaxRemember = 400 * 24 * time.Hour // as long as browsers keep a cookie
)

// version is the first byte of Record.Data; docs/spec/record.md.
const version = 1

// ErrDamaged says that data is no record of ours.
var ErrDamaged = errors.New("coatcheck: damaged session record")

// An entry is one value of the dictionary as it stands in a record.
type Entry struct {
	Name    string
	Raw     []byte // JSON; nil = absent
	Expires int64  // Unix milliseconds; 0 = with the session
}

// At returns the entry as seen at now: absent once it has expired.
func (e Entry) At(now int64) Entry {
	if e.Expires != 0 && e.Expires <= now {
		return Entry{Name: e.Name}
	}
	return e
}

// A header is the fixed part of Record.Data.
type Header struct {
	Remember time.Duration // what Remember set; 0 = the configured times
	Device   []byte        // label of the browser and system that logged in
	Address  []byte        // the client's IP address then
	Entries  []byte
	Values   int // how many entries Open saw, if none expires or is of the login, else 0
}

// Open checks the structure of a record's data and returns its header.
// It reads lengths only, so its cost grows with the entries, not their size.
func Open(data []byte) (Header, error) {
	h, ok := CutHeader(data)
	if !ok {
		return h, ErrDamaged
	}
	count, plain := 0, true
	for at, b := 0, h.Entries; at < len(b); count++ {
		end := shortEnd(b, at)
		if end == 0 {
			if end = entryAt(b, at).End; end == 0 {
				return h, ErrDamaged
			}
			plain = false // perhaps
		} else if b[at+1] == 0 {
			plain = false
		}
		at = end
	}
	if count > MaxEntries {
		return h, ErrDamaged
	}
	if plain {
		h.Values = count
	}
	return h, nil
}

// CutHeader returns the header without a look at the entries.
func CutHeader(data []byte) (h Header, ok bool) {
	if len(data) == 0 || data[0] != version || len(data) > MaxSize {
		return h, false
	}
	rest := data[1:]
	remember, n := binary.Uvarint(rest)
	if n <= 0 || remember > uint64(MaxRemember/time.Second) {
		return h, false
	}
	h.Remember = time.Duration(remember) * time.Second
	if h.Device, rest, ok = CutBytes(rest[n:]); ok {
		h.Address, h.Entries, ok = CutBytes(rest)
	}
	return h, ok
}

// CutBytes reads a length and as many bytes.
func CutBytes(b []byte) (field, rest []byte, ok bool) {
	if len(b) > 0 && int(b[0]) < min(len(b), 0x80) { // nearly every one
		end := 1 + int(b[0])
		return b[1:end], b[end:], true
	}
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	end := n + int(size)
	return b[n:end], b[end:], true
}

// An extent tells where among the bytes of entries the parts of one lie: the
// name at [name:expires], the expiry from there on, the value at [raw:end]. An
// end of 0 says that there is no entry.
type extent struct{ Name, Expires, Raw, End int }

// shortEnd returns where the entry ends that begins there, if it is as nearly every
// entry is, with lengths of one byte and no expiry, and otherwise 0. It is small enough
// to be inlined in the loops over all entries.
func shortEnd(b []byte, at int) int {
	if raw := at + int(b[at]) + 3; b[at] < 0x80 && raw <= len(b) && b[raw-2] == 0 && b[raw-1] < 0x80 {
		if end := raw + int(b[raw-1]); end <= len(b) {
			return end
		}
	}
	return 0
}

// isNamed reports whether an entry that begins there, with a name of n bytes, has that
// name. Those of one length often differ in the last byte.
func isNamed(b []byte, at, n int, name string) bool {
	return n == len(name) && (n == 0 || b[at+n] == name[n-1]) && string(b[at+1:at+1+n]) == name
}

// entryAt measures the entry that begins there: name, expiry, value.
func entryAt(b []byte, from int) extent {
	if end := shortEnd(b, from); end != 0 {
		expires := from + 1 + int(b[from])
		return extent{from + 1, expires, expires + 2, end}
	}
	name, rest, ok := CutBytes(b[from:])
	if !ok {
		return extent{}
	}
	expires := len(b) - len(rest)
	at, n := binary.Uvarint(rest)
	if n <= 0 || at > 1<<62 {
		return extent{}
	}
	raw, rest, ok := CutBytes(rest[n:])
	if !ok {
		return extent{}
	}
	end := len(b) - len(rest)
	return extent{expires - len(name), expires, end - len(raw), end}
}

// expiryAt reads the expiry of an entry, in Unix milliseconds.
func expiryAt(b []byte, at extent) int64 {
	if b[at.Expires] == 0 {
		return 0
	}
	expires, _ := binary.Uvarint(b[at.Expires:])
	return int64(expires)
}

// nameAt returns the name of the entry that begins there, its expiry, and where it
// ends: 0 where there is none.
func nameAt(b []byte, from int) (name []byte, expires int64, end int) {
	if end = shortEnd(b, from); end != 0 {
		return b[from+1 : from+1+int(b[from])], 0, end
	}
	at := entryAt(b, from)
	if at.End == 0 {
		return nil, 0, 0
	}
	return b[at.Name:at.Expires], expiryAt(b, at), at.End
}

// All yields the entries, expired ones too.
func All(entries []byte) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for at := (extent{}); at.End < len(entries); {
			at = entryAt(entries, at.End)
			if at.End == 0 || !yield(Entry{string(entries[at.Name:at.Expires]), entries[at.Raw:at.End], expiryAt(entries, at)}) {
				return
			}
		}
	}
}

// Find returns the entry of that name, absent if there is none.
func Find(entries []byte, name string) Entry {
	for from := 0; from < len(entries); {
		if end := shortEnd(entries, from); end != 0 {
			if n := int(entries[from]); isNamed(entries, from, n, name) {
				return Entry{Name: name, Raw: entries[from+n+3 : end]}
			}
			from = end
			continue
		}
		at := entryAt(entries, from)
		if at.End == 0 {
			break
		}
		if string(entries[at.Name:at.Expires]) == name {
			return Entry{Name: name, Raw: entries[at.Raw:at.End], Expires: expiryAt(entries, at)}
		}
		from = at.End
	}
	return Entry{Name: name}
}

// uvarintLen is how many bytes binary.AppendUvarint appends.
func uvarintLen(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }

// sizeOf is how many bytes a field of that length takes.
func sizeOf(n int) int { return uvarintLen(uint64(n)) + n }

// size is how many bytes appendEntry appends.
func (e *Entry) size() int {
	return sizeOf(len(e.Name)) + uvarintLen(uint64(e.Expires)) + sizeOf(len(e.Raw))
}

// appendEntry adds an entry to a record's data.
func appendEntry(data []byte, e *Entry) []byte {
	data = binary.AppendUvarint(data, uint64(len(e.Name)))
	data = append(data, e.Name...)
	data = binary.AppendUvarint(data, uint64(e.Expires))
	data = binary.AppendUvarint(data, uint64(len(e.Raw)))
	return append(data, e.Raw...)
}

// Encode writes a record's data: the entries of h that changed does not
// name and that have not expired by now, then those of changed. It reports the
// number of entries.
func Encode(h Header, changed []Entry, now int64) (data []byte, count int) {
	e := plan(h.Entries, h.Values, changed, now)
	data = h.append(make([]byte, 0, h.Size()+e.size))
	return e.append(data)
}

// Change is Encode for a record's data of which the header stays as it is, when so long
// entries follow it, and values is what Open said of them.
func Change(data []byte, entries, values int, changed []Entry, now int64) (next []byte, count int) {
	head, rest := data[:len(data)-entries], data[len(data)-entries:]
	e := plan(rest, values, changed, now)
	next = append(make([]byte, 0, len(head)+e.size), head...)
	return e.append(next)
}

// A change is what is to be made of entries.
type change struct {
	entries  []byte
	changed  []Entry
	now      int64
	from, to int // where the only entry stands that goes
	others   int // how many stay beside it; -1 where that has to be found out
	size     int // at most, of what append appends
}

// plan looks how a change can be made. Where nothing expires and at most one entry
// changes, nothing has to be weighed entry by entry.
func plan(entries []byte, values int, changed []Entry, now int64) change {
	c := change{entries: entries, changed: changed, now: now, others: -1, size: len(entries)}
	if values > 0 && len(changed) == 0 {
		c.others = values
	} else if values > 0 && len(changed) == 1 {
		if c.from, c.to, c.others = place(entries, changed[0].Name); c.others >= 0 {
			c.size -= c.to - c.from
		}
	}
	for i := range changed {
		c.size += changed[i].size()
	}
	return c
}

// append makes the change.
func (c *change) append(data []byte) ([]byte, int) {
	count := c.others
	if count >= 0 {
		data = append(append(data, c.entries[:c.from]...), c.entries[c.to:]...)
	} else {
		data, count = c.appendKept(data)
	}
	for i := range c.changed {
		if e := c.changed[i].At(c.now); e.Raw != nil {
			data = appendEntry(data, &e)
			count++
		}
	}
	return data, count
}

// appendKept adds the entries that stay.
func (c *change) appendKept(data []byte) ([]byte, int) {
	count, kept := 0, 0 // where the entries begin that are to be copied next
	for from := 0; from < len(c.entries); {
		name, expires, end := nameAt(c.entries, from)
		if end == 0 {
			break // Open checked it
		}
		if expires != 0 && expires <= c.now || Named(c.changed, name) {
			data = append(data, c.entries[kept:from]...)
			kept = end
		} else {
			count++
		}
		from = end
	}
	return append(data, c.entries[kept:]...), count
}

// place returns where the entry of that name stands, at the end of all if there is
// none, and how many others there are, of which none expires. They are -1 where several
// have the name, or lengths take more than a byte.
func place(entries []byte, name string) (from, to, others int) {
	from, to = len(entries), len(entries)
	for at := 0; at < len(entries); {
		end := shortEnd(entries, at)
		switch {
		case end == 0:
			return 0, 0, -1
		case !isNamed(entries, at, int(entries[at]), name):
			others++
		case from < len(entries):
			return 0, 0, -1
		default:
			from, to = at, end
		}
		at = end
	}
	return from, to, others
}

// Size is how many bytes of a record's data stand before the entries.
func (h *Header) Size() int {
	return 1 + uvarintLen(uint64(h.Remember/time.Second)) + sizeOf(len(h.Device)) + sizeOf(len(h.Address))
}

// append adds the fixed part.
func (h *Header) append(data []byte) []byte {
	data = append(data, version)
	data = binary.AppendUvarint(data, uint64(h.Remember/time.Second))
	data = binary.AppendUvarint(data, uint64(len(h.Device)))
	data = append(data, h.Device...)
	data = binary.AppendUvarint(data, uint64(len(h.Address)))
	return append(data, h.Address...)
}

// Without returns the entries without those of the login, or without the values.
func Without(entries []byte, login, values bool) []byte {
	var kept []byte
	from := 0 // where what is to be kept next begins
	for i := 0; i < len(entries); {
		name, _, end := nameAt(entries, i)
		if end == 0 {
			break // Open checked it
		}
		drop := values
		if OfLogin(name) {
			drop = login
		}
		if drop {
			kept = append(kept, entries[from:i]...)
			from = end
		}
		i = end
	}
	if from == 0 {
		return entries
	}
	return append(kept, entries[from:]...)
}

// Named reports whether one of the entries has that name.
func Named(entries []Entry, name []byte) bool {
	for i := range entries {
		if entries[i].Name == string(name) {
			return true
		}
	}
	return false
}

// Bound is the name of the entry which says to which key of a device the session
// is bound (R8). Its value is read by package binding.
const Bound = "\x00bound"

// Adopted is the name of the entry which says what foreign session became this one:
// the id of its guard, in base64. It belongs to the login, as labels do.
const Adopted = "\x00adopted"

// Writings is the name of the entry which says which other foreign sessions may be the
// login that became this one. It belongs to the login, as labels do.
const Writings = "\x00writings"

// LabelMark begins the names of entries that hold labels, as JSON strings; no Key
// can have such a name. They belong to the login and not to the values: Clear
// leaves them alone, the next login drops them.
const LabelMark = "\x00label:"

// IsLabel reports whether an entry of that name holds a label.
func IsLabel[T string | []byte](name T) bool {
	return len(name) >= len(LabelMark) && string(name[:len(LabelMark)]) == LabelMark
}

// Sliding is the name of the entry which says that what Remember set slides. It
// belongs to the login, as labels do.
const Sliding = "\x00sliding"

// OfLogin reports whether the entry of that name belongs to the login.
func OfLogin[T string | []byte](name T) bool {
	return len(name) > 0 && name[0] == 0 && // as no name of a value
		(IsLabel(name) || string(name) == Sliding || string(name) == Bound || string(name) == Adopted || string(name) == Writings)
}

// Labels reads the labels among the entries, nil where there is none.
func Labels(entries []byte) map[string]string {
	var found map[string]string
	for e := range All(entries) {
		if IsLabel(e.Name) {
			if value, err := Unmarshal[string](e.Raw); err == nil {
				if found == nil {
					found = make(map[string]string)
				}
				found[e.Name[len(LabelMark):]] = value
			}
		}
	}
	return found
}
