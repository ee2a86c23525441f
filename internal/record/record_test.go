package record

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/internal/vectors"
)

// entriesOf lists the entries of a record's data that Open accepted.
func entriesOf(t testing.TB, data []byte) []Entry {
	t.Helper()
	var list []Entry
	for len(data) > 0 {
		at := entryAt(data, 0)
		if at.End <= 0 || at.End > len(data) {
			t.Fatalf("Open accepted what entryAt does not read: %q", data)
		}
		list = append(list, Entry{string(data[at.Name:at.Expires]), data[at.Raw:at.End], expiryAt(data, at)})
		data = data[at.End:]
	}
	return list
}

// R1, R2, R3, R4, R5, R6, R7 as the vectors have them, which another program made.
func TestRecordVectors(t *testing.T) {
	t.Parallel()
	for _, c := range vectors.Read[struct {
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
		h, err := Open(data)
		if (err != nil) != (c.Error != "") {
			t.Errorf("%s (%s): got %v, want %q", c.ID, c.Says, err, c.Error)
		}
		if err != nil {
			continue
		}
		if h.Remember != time.Duration(c.Remember)*time.Second || string(h.Device) != c.Device || string(h.Address) != c.Address {
			t.Errorf("%s (%s): got %v, %q, %q", c.ID, c.Says, h.Remember, h.Device, h.Address)
		}
		if got := Labels(h.Entries); !maps.Equal(got, c.Labels) {
			t.Errorf("%s (%s): labels %q, want %q", c.ID, c.Says, got, c.Labels)
		}
		got := entriesOf(t, h.Entries)
		var want []Entry
		for _, e := range c.Entries {
			want = append(want, Entry{e.Name, []byte(e.Value), e.Expires})
			if found := Find(h.Entries, e.Name); !same(found, want[len(want)-1]) {
				t.Errorf("%s (%s): Find gives %q", c.ID, c.Says, found.Raw)
			}
		}
		if !slices.EqualFunc(got, want, same) {
			t.Errorf("%s (%s): got %v, want %v", c.ID, c.Says, got, want)
		}
		// We write it as the other program did.
		h.Entries = nil
		if again, count := Encode(h, want, 0); !bytes.Equal(again, data) || count != len(want) {
			t.Errorf("%s (%s): we write %x, want %x", c.ID, c.Says, again, data)
		}
	}
}

func same(a, b Entry) bool {
	return a.Name == b.Name && a.Expires == b.Expires && bytes.Equal(a.Raw, b.Raw) && (a.Raw == nil) == (b.Raw == nil)
}

// R1 with more than 256 entries or with more than 65,536 bytes is damaged.
func TestRecordLimits(t *testing.T) {
	t.Parallel()
	var many []Entry
	for i := range MaxEntries + 1 {
		many = append(many, Entry{Name: fmt.Sprint(i), Raw: []byte("1")})
	}
	for n, ok := range map[int]bool{0: true, MaxEntries: true, MaxEntries + 1: false} {
		data, count := Encode(Header{}, many[:n], 0)
		if _, err := Open(data); (err == nil) != ok || count != n {
			t.Errorf("%d entries: %v, count %d", n, err, count)
		}
	}
	empty, _ := Encode(Header{}, []Entry{{Name: "a", Raw: []byte{}}}, 0)
	for size, ok := range map[int]bool{MaxSize: true, MaxSize + 1: false} {
		raw := make([]byte, size-len(empty)-2) // the length then takes two bytes more
		data, _ := Encode(Header{}, []Entry{{Name: "a", Raw: raw}}, 0)
		if _, err := Open(data); len(data) != size || (err == nil) != ok {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	}
}

// R2 Names are unique. An absent value has no entry. R3 An entry whose expiry is
// not after the present ... is left out at the next commit.
func TestRecordReplacesEntries(t *testing.T) {
	t.Parallel()
	value := func(s string) []byte { return []byte(s) }
	first, _ := Encode(Header{Remember: time.Hour, Device: value("d"), Address: value("a")}, []Entry{
		{"kept", value("1"), 0}, {"changed", value("2"), 0}, {"deleted", value("3"), 0},
		{"over", value("4"), 1000}, {"lasting", value("5"), 1001},
	}, 0)
	h, err := Open(first)
	if err != nil {
		t.Fatal(err)
	}
	second, count := Encode(h, []Entry{
		{"changed", value("20"), 2000}, {"deleted", nil, 0}, {"new", value("6"), 0}, {"absent", nil, 0}, {"too late", value("7"), 1000},
	}, 1000)
	h, err = Open(second)
	if err != nil || count != 4 || h.Remember != time.Hour || string(h.Device) != "d" || string(h.Address) != "a" {
		t.Fatalf("got %v, %d entries, %+v", err, count, h)
	}
	got := entriesOf(t, h.Entries)
	want := []Entry{{"kept", value("1"), 0}, {"lasting", value("5"), 1001}, {"changed", value("20"), 2000}, {"new", value("6"), 0}}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Where Open tells how many values there are they may be copied as they are at any time,
// and by a login: there is no entry that R3 or a login leaves out.
func TestRecordValues(t *testing.T) {
	t.Parallel()
	one := []byte("1")
	values := []Entry{{"a", one, 0}, {"b", []byte(strings.Repeat("1", 300)), 0}, {strings.Repeat("c", 200), one, 0}}
	for what, c := range map[string]struct {
		also []Entry
		want int
	}{
		"values":       {[]Entry{{"d", one, 0}}, 2},
		"an expiry":    {[]Entry{{"d", one, 1000}}, 0},
		"a label":      {[]Entry{{LabelMark + "d", one, 0}}, 0},
		"a long label": {[]Entry{{LabelMark + "d", values[1].Raw, 0}}, 0},
		"sliding":      {[]Entry{{Sliding, one, 0}}, 0},
		"bound":        {[]Entry{{Bound, one, 0}}, 0},
	} {
		// With short values alone: of others Open need not tell.
		data, _ := Encode(Header{}, append(c.also, values[0]), 0)
		h, err := Open(data)
		if err != nil || h.Values != c.want {
			t.Errorf("%s: %v, %d values, want %d", what, err, h.Values, c.want)
		}
		data, _ = Encode(Header{}, append(c.also, values...), 0)
		if h, err = Open(data); err != nil {
			t.Fatal(err)
		}
		copied, count := Encode(h, nil, 2000)
		h.Values = 0
		if walked, all := Encode(h, nil, 2000); !bytes.Equal(copied, walked) || count != all {
			t.Errorf("%s: copied as %x, %d entries; want %x, %d", what, copied, count, walked, all)
		}
		if left := Without(h.Entries, true, false); c.want > 0 && !bytes.Equal(left, h.Entries) {
			t.Errorf("%s: a login leaves %x of %x", what, left, h.Entries)
		}
	}
}

// One change is written as any number is, whatever Open could tell of the others: by
// name, also of two entries that a foreign program gave one, and with the header as it
// stands (R2, R3).
func checkOneChange(t *testing.T, data []byte, h Header, entries []Entry) {
	t.Helper()
	names := []string{"another", LabelMark + "another"}
	for _, e := range entries[:min(len(entries), 4)] {
		if names = append(names, e.Name); e.Name != "" {
			names = append(names, "~"+e.Name[1:], e.Name[:len(e.Name)-1]+"~")
		}
	}
	for _, name := range names {
		i := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == name })
		if found := Find(h.Entries, name); (found.Raw != nil) != (i >= 0) || i >= 0 && !same(found, entries[i]) {
			t.Errorf("%x: Find of %q gives %q", data, name, found.Raw)
		}
	}
	head := data[:len(data)-len(h.Entries)]
	for _, name := range names {
		for _, to := range []Entry{{name, []byte("1"), 0}, {name, []byte(strings.Repeat("1", 200)), 0}, {name, []byte("1"), 2000}, {name, []byte("1"), 1000}, {name, nil, 0}} {
			weighed := h
			weighed.Values = 0
			want, entries := Encode(weighed, []Entry{to}, 1000)
			if got, count := Encode(h, []Entry{to}, 1000); !bytes.Equal(got, want) || count != entries {
				t.Errorf("%x, with %q as %q: got %x, %d entries, want %x, %d", data, name, to.Raw, got, count, want, entries)
			}
			want = append(bytes.Clone(head), want[weighed.Size():]...)
			if got, count := Change(data, len(h.Entries), h.Values, []Entry{to}, 1000); !bytes.Equal(got, want) || count != entries {
				t.Errorf("%x, with %q changed to %q: got %x, %d entries, want %x, %d", data, name, to.Raw, got, count, want, entries)
			}
		}
	}
}

func TestRecordOneChange(t *testing.T) {
	t.Parallel()
	one := []byte("1")
	for _, entries := range [][]Entry{
		nil,
		{{"a", one, 0}},
		{{"ab", one, 0}, {"bb", one, 0}, {"cb", one, 0}},
		{{"ab", one, 0}, {"bb", one, 0}, {"ab", []byte("2"), 0}},
		{{"a", one, 0}, {"", one, 0}, {"b", one, 500}, {"c", one, 5000}},
		{{"a", one, 0}, {"b", []byte(strings.Repeat("1", 300)), 0}, {strings.Repeat("c", 200), one, 0}},
		{{"a", one, 0}, {LabelMark + "a", one, 0}},
	} {
		data := (&Header{Remember: time.Hour, Device: []byte("d"), Address: []byte("a")}).append(nil)
		for _, e := range entries {
			data = appendEntry(data, &e)
		}
		h, err := Open(data)
		if err != nil {
			t.Fatal(err)
		}
		checkOneChange(t, data, h, entries)
	}
}

// R1: Open never panics, and what it accepts can be read and written again, also with
// one more change.
func FuzzRecord(f *testing.F) {
	for _, c := range vectors.Read[struct{ Data string }](f, "session-records.json") {
		data, _ := hex.DecodeString(c.Data)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		h, err := Open(data)
		if err != nil {
			return
		}
		entries := entriesOf(t, h.Entries)
		again, count := Encode(h, nil, 0)
		h2, err := Open(again)
		if err != nil || count != len(entries) {
			t.Fatalf("written again: %v, %d entries, want %d", err, count, len(entries))
		}
		if h2.Remember != h.Remember || !bytes.Equal(h2.Device, h.Device) || !bytes.Equal(h2.Address, h.Address) ||
			!slices.EqualFunc(entriesOf(t, h2.Entries), entries, same) {
			t.Errorf("written again: got %+v, want %+v", h2, h)
		}
		checkOneChange(t, data, h, entries)
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
		first, _ := Encode(Header{}, []Entry{{other, otherRaw, 0}}, 0)
		h, err := Open(first)
		if err != nil {
			t.Fatal(err)
		}
		data, count := Encode(h, []Entry{{name, raw, expires}}, 0)
		h, err = Open(data)
		if err != nil || count != 2 {
			t.Fatalf("%v, %d entries", err, count)
		}
		for _, want := range []Entry{{name, raw, expires}, {other, otherRaw, 0}} {
			if got := Find(h.Entries, want.Name); !same(got, want) {
				t.Errorf("%q: got %+v, want %+v", want.Name, got, want)
			}
		}
	})
}
