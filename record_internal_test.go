package coatcheck

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// entriesOf lists the entries of a record's data that openData accepted.
func entriesOf(t testing.TB, data []byte) []entry {
	t.Helper()
	var list []entry
	for len(data) > 0 {
		at := entryAt(data)
		if at.end <= 0 || at.end > len(data) {
			t.Fatalf("openData accepted what entryAt does not read: %q", data)
		}
		list = append(list, entry{string(data[at.name:at.expires]), data[at.raw:at.end], expiryAt(data, at)})
		data = data[at.end:]
	}
	return list
}

// R1, R2, R3, R4, R5, R6, R7 as the vectors have them, which another program made.
func TestRecordVectors(t *testing.T) {
	t.Parallel()
	for _, c := range vectors[struct {
		ID, Says, Data, Device, Address, Error string
		Labels                                 map[string]string
		Remember                               int64
		Entries                                []struct {
			Name, Value string
			Expires     int64
		}
	}](t, "session-records.json") {
		data, err := hex.DecodeString(c.Data)
		if err != nil {
			t.Fatal(err)
		}
		h, err := openData(data)
		if (err != nil) != (c.Error != "") {
			t.Errorf("%s (%s): got %v, want %q", c.ID, c.Says, err, c.Error)
		}
		if err != nil {
			continue
		}
		if h.remember != time.Duration(c.Remember)*time.Second || string(h.device) != c.Device || string(h.address) != c.Address {
			t.Errorf("%s (%s): got %v, %q, %q", c.ID, c.Says, h.remember, h.device, h.address)
		}
		if got := labelsOf(h.entries); !maps.Equal(got, c.Labels) {
			t.Errorf("%s (%s): labels %q, want %q", c.ID, c.Says, got, c.Labels)
		}
		got := entriesOf(t, h.entries)
		var want []entry
		for _, e := range c.Entries {
			want = append(want, entry{e.Name, []byte(e.Value), e.Expires})
			if found := findEntry(h.entries, e.Name); !same(found, want[len(want)-1]) {
				t.Errorf("%s (%s): findEntry gives %q", c.ID, c.Says, found.raw)
			}
		}
		if !slices.EqualFunc(got, want, same) {
			t.Errorf("%s (%s): got %v, want %v", c.ID, c.Says, got, want)
		}
		// We write it as the other program did.
		h.entries = nil
		if again, count := encodeData(h, want, 0); !bytes.Equal(again, data) || count != len(want) {
			t.Errorf("%s (%s): we write %x, want %x", c.ID, c.Says, again, data)
		}
	}
}

func same(a, b entry) bool {
	return a.name == b.name && a.expires == b.expires && bytes.Equal(a.raw, b.raw) && (a.raw == nil) == (b.raw == nil)
}

// R1 with more than 256 entries or with more than 65,536 bytes is damaged.
func TestRecordLimits(t *testing.T) {
	t.Parallel()
	var many []entry
	for i := range maxValues + 1 {
		many = append(many, entry{name: fmt.Sprint(i), raw: []byte("1")})
	}
	for n, ok := range map[int]bool{0: true, maxValues: true, maxValues + 1: false} {
		data, count := encodeData(header{}, many[:n], 0)
		if _, err := openData(data); (err == nil) != ok || count != n {
			t.Errorf("%d entries: %v, count %d", n, err, count)
		}
	}
	empty, _ := encodeData(header{}, []entry{{name: "a", raw: []byte{}}}, 0)
	for size, ok := range map[int]bool{maxRecord: true, maxRecord + 1: false} {
		raw := make([]byte, size-len(empty)-2) // the length then takes two bytes more
		data, _ := encodeData(header{}, []entry{{name: "a", raw: raw}}, 0)
		if _, err := openData(data); len(data) != size || (err == nil) != ok {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	}
}

// R2 Names are unique. An absent value has no entry. R3 An entry whose expiry is
// not after the present ... is left out at the next commit.
func TestRecordReplacesEntries(t *testing.T) {
	t.Parallel()
	value := func(s string) []byte { return []byte(s) }
	first, _ := encodeData(header{remember: time.Hour, device: value("d"), address: value("a")}, []entry{
		{"kept", value("1"), 0}, {"changed", value("2"), 0}, {"deleted", value("3"), 0},
		{"over", value("4"), 1000}, {"lasting", value("5"), 1001},
	}, 0)
	h, err := openData(first)
	if err != nil {
		t.Fatal(err)
	}
	second, count := encodeData(h, []entry{
		{"changed", value("20"), 2000}, {"deleted", nil, 0}, {"new", value("6"), 0}, {"absent", nil, 0}, {"too late", value("7"), 1000},
	}, 1000)
	h, err = openData(second)
	if err != nil || count != 4 || h.remember != time.Hour || string(h.device) != "d" || string(h.address) != "a" {
		t.Fatalf("got %v, %d entries, %+v", err, count, h)
	}
	got := entriesOf(t, h.entries)
	want := []entry{{"kept", value("1"), 0}, {"lasting", value("5"), 1001}, {"changed", value("20"), 2000}, {"new", value("6"), 0}}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// R1: openData never panics, and what it accepts can be read and written again.
func FuzzRecord(f *testing.F) {
	for _, c := range vectors[struct{ Data string }](f, "session-records.json") {
		data, _ := hex.DecodeString(c.Data)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		h, err := openData(data)
		if err != nil {
			return
		}
		entries := entriesOf(t, h.entries)
		again, count := encodeData(h, nil, 0)
		h2, err := openData(again)
		if err != nil || count != len(entries) {
			t.Fatalf("written again: %v, %d entries, want %d", err, count, len(entries))
		}
		if h2.remember != h.remember || !bytes.Equal(h2.device, h.device) || !bytes.Equal(h2.address, h.address) ||
			!slices.EqualFunc(entriesOf(t, h2.entries), entries, same) {
			t.Errorf("written again: got %+v, want %+v", h2, h)
		}
		if !bytes.Equal(data, before) {
			t.Error("reading changed the bytes")
		}
	})
}

// R2: an entry that is written is the one that is found, whatever its bytes.
func FuzzEntry(f *testing.F) {
	f.Add("name", []byte(`"value"`), int64(0), "other", []byte("1"))
	f.Add("", []byte{}, int64(1<<62), "\x00", bytes.Repeat([]byte("x"), 200))
	f.Fuzz(func(t *testing.T, name string, raw []byte, expires int64, other string, otherRaw []byte) {
		if raw == nil || otherRaw == nil || name == other || expires < 0 || expires > 1<<62 || len(name)+len(raw)+len(other)+len(otherRaw) > 60<<10 {
			return
		}
		first, _ := encodeData(header{}, []entry{{other, otherRaw, 0}}, 0)
		h, err := openData(first)
		if err != nil {
			t.Fatal(err)
		}
		data, count := encodeData(h, []entry{{name, raw, expires}}, 0)
		h, err = openData(data)
		if err != nil || count != 2 {
			t.Fatalf("%v, %d entries", err, count)
		}
		for _, want := range []entry{{name, raw, expires}, {other, otherRaw, 0}} {
			if got := findEntry(h.entries, want.name); !same(got, want) {
				t.Errorf("%q: got %+v, want %+v", want.name, got, want)
			}
		}
	})
}
