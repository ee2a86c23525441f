package coatcheck

import (
	"encoding/binary"
	"errors"
	"time"
)

// Limits of what one session holds (G14).
const (
	maxRecord = 64 << 10 // bytes of Record.Data
	maxValue  = 32 << 10 // bytes of one value's JSON
	maxValues = 256      // entries, flashes counted as one
	maxName   = 128      // bytes of a key's name
	maxUser   = 255      // bytes of a user
	maxDevice = 64       // bytes of a device label
)

// recordVersion is the first byte of Record.Data; docs/spec/record.md.
const recordVersion = 1

var errDamaged = errors.New("coatcheck: damaged session record")

// An entry is one value of the dictionary as it stands in a record.
type entry struct {
	name    string
	raw     []byte // JSON; nil = absent
	expires int64  // Unix milliseconds; 0 = with the session
}

// at returns the entry as seen at now: absent once it has expired.
func (e entry) at(now int64) entry {
	if e.expires != 0 && e.expires <= now {
		return entry{name: e.name}
	}
	return e
}

// A header is the fixed part of Record.Data.
type header struct {
	remember time.Duration // what Remember set; 0 = the configured times
	device   []byte        // label of the browser and system that logged in
	address  []byte        // the client's IP address then
	entries  []byte
}

// openData checks the structure of a record's data and returns its header.
// It reads lengths only, so its cost grows with the entries, not their size.
func openData(data []byte) (header, error) {
	h, ok := cutHeader(data)
	if !ok {
		return h, errDamaged
	}
	count := 0
	for rest := h.entries; len(rest) > 0; count++ {
		at := entryAt(rest)
		if at.end == 0 {
			return h, errDamaged
		}
		rest = rest[at.end:]
	}
	if count > maxValues {
		return h, errDamaged
	}
	return h, nil
}

// cutHeader returns the header without a look at the entries.
func cutHeader(data []byte) (h header, ok bool) {
	if len(data) == 0 || data[0] != recordVersion || len(data) > maxRecord {
		return h, false
	}
	rest := data[1:]
	remember, n := binary.Uvarint(rest)
	if n <= 0 || remember > uint64(maxCookieAge/time.Second) {
		return h, false
	}
	h.remember = time.Duration(remember) * time.Second
	if h.device, rest, ok = cutBytes(rest[n:]); ok {
		h.address, h.entries, ok = cutBytes(rest)
	}
	return h, ok
}

// cutBytes reads a length and as many bytes.
func cutBytes(b []byte) (field, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	end := n + int(size)
	return b[n:end], b[end:], true
}

// An extent tells where in the bytes that begin with an entry its parts lie: the
// name at [name:expires], the expiry from there on, the value at [raw:end]. An
// end of 0 says that there is no entry.
type extent struct{ name, expires, raw, end int }

// entryAt measures the entry at the beginning of b: name, expiry, value.
func entryAt(b []byte) extent {
	// Nearly every entry has lengths of one byte and no expiry.
	if len(b) > 0 && b[0] < 0x80 {
		expires := 1 + int(b[0])
		if raw := expires + 2; raw <= len(b) && b[expires] == 0 && b[expires+1] < 0x80 {
			if end := raw + int(b[expires+1]); end <= len(b) {
				return extent{1, expires, raw, end}
			}
		}
	}
	name, rest, ok := cutBytes(b)
	if !ok {
		return extent{}
	}
	expires := len(b) - len(rest)
	at, n := binary.Uvarint(rest)
	if n <= 0 || at > 1<<62 {
		return extent{}
	}
	raw, rest, ok := cutBytes(rest[n:])
	if !ok {
		return extent{}
	}
	end := len(b) - len(rest)
	return extent{expires - len(name), expires, end - len(raw), end}
}

// expiryAt reads the expiry of an entry, in Unix milliseconds.
func expiryAt(b []byte, at extent) int64 {
	if b[at.expires] == 0 {
		return 0
	}
	expires, _ := binary.Uvarint(b[at.expires:])
	return int64(expires)
}

// findEntry returns the entry of that name, absent if there is none.
func findEntry(entries []byte, name string) entry {
	for len(entries) > 0 {
		at := entryAt(entries)
		if at.end == 0 {
			break
		}
		if string(entries[at.name:at.expires]) == name {
			return entry{name: name, raw: entries[at.raw:at.end], expires: expiryAt(entries, at)}
		}
		entries = entries[at.end:]
	}
	return entry{name: name}
}

// appendEntry adds an entry to a record's data.
func appendEntry(data []byte, e entry) []byte {
	data = binary.AppendUvarint(data, uint64(len(e.name)))
	data = append(data, e.name...)
	data = binary.AppendUvarint(data, uint64(e.expires))
	data = binary.AppendUvarint(data, uint64(len(e.raw)))
	return append(data, e.raw...)
}

// encodeData writes a record's data: the entries of base that changed does not
// name and that have not expired by now, then those of changed. It reports the
// number of entries.
func encodeData(h header, changed []entry, now int64) (data []byte, count int) {
	size := 1 + binary.MaxVarintLen64 + 2 + len(h.device) + len(h.address) + len(h.entries)
	for _, e := range changed {
		size += len(e.name) + len(e.raw) + 3*binary.MaxVarintLen32
	}
	data = make([]byte, 1, size)
	data[0] = recordVersion
	data = binary.AppendUvarint(data, uint64(h.remember/time.Second))
	data = binary.AppendUvarint(data, uint64(len(h.device)))
	data = append(data, h.device...)
	data = binary.AppendUvarint(data, uint64(len(h.address)))
	data = append(data, h.address...)
	kept := 0 // where the entries begin that are to be copied next
	for from := 0; from < len(h.entries); {
		rest := h.entries[from:]
		at := entryAt(rest)
		if at.end == 0 {
			break // openData checked it
		}
		if expires := expiryAt(rest, at); expires != 0 && expires <= now || named(changed, rest[at.name:at.expires]) {
			data = append(data, h.entries[kept:from]...)
			kept = from + at.end
		} else {
			count++
		}
		from += at.end
	}
	data = append(data, h.entries[kept:]...)
	for _, e := range changed {
		if e = e.at(now); e.raw != nil {
			data = appendEntry(data, e)
			count++
		}
	}
	return data, count
}

// named reports whether one of the entries has that name.
func named(entries []entry, name []byte) bool {
	for i := range entries {
		if entries[i].name == string(name) {
			return true
		}
	}
	return false
}
