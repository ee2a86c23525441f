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
		if _, rest, ok = cutEntry(rest); !ok {
			return h, errDamaged
		}
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
	// Nearly every length is below 128: one byte.
	if len(b) > 0 && b[0] < 0x80 {
		if size := int(b[0]); size < len(b) {
			return b[1 : 1+size], b[1+size:], true
		}
		return nil, nil, false
	}
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	end := n + int(size)
	return b[n:end], b[end:], true
}

// A rawEntry is an entry that still lies in the record's bytes.
type rawEntry struct {
	name, raw, whole []byte
	expires          int64
}

func (e rawEntry) entry(name string) entry {
	return entry{name: name, raw: e.raw, expires: e.expires}
}

// cutEntry reads one entry: name, expiry, value.
func cutEntry(b []byte) (e rawEntry, rest []byte, ok bool) {
	var n int
	var expires uint64
	if e.name, rest, ok = cutBytes(b); !ok {
		return e, nil, false
	}
	if len(rest) > 0 && rest[0] == 0 {
		n = 1
	} else if expires, n = binary.Uvarint(rest); n <= 0 || expires > 1<<62 {
		return e, nil, false
	}
	if e.raw, rest, ok = cutBytes(rest[n:]); !ok {
		return e, nil, false
	}
	e.expires = int64(expires)
	e.whole = b[:len(b)-len(rest)]
	return e, rest, true
}

// findEntry returns the entry of that name, absent if there is none.
func findEntry(entries []byte, name string) entry {
	for len(entries) > 0 {
		e, rest, ok := cutEntry(entries)
		if !ok {
			break
		}
		if string(e.name) == name {
			return e.entry(name)
		}
		entries = rest
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
	for rest := h.entries; len(rest) > 0; {
		e, tail, ok := cutEntry(rest)
		if !ok {
			break // openData checked it
		}
		rest = tail
		if e.expires != 0 && e.expires <= now || named(changed, e.name) {
			continue
		}
		data = append(data, e.whole...)
		count++
	}
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
