package marshal_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/marshal"
)

type vector struct {
	Name    string
	Data    []byte
	Values  map[string]json.RawMessage
	Refused string
}

// vectors are those that Ruby made: testvectors/bridge/make_marshal.rb.
func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("../../../testvectors/bridge/marshal.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Vectors []vector }
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f.Vectors
}

func generic(t *testing.T, values map[string]json.RawMessage) (out map[string]any) {
	t.Helper()
	data, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	for name, v := range out { // 1e+308 and 1e308 are one
		if n, ok := v.(json.Number); ok && strings.ContainsAny(string(n), ".e") {
			out[name], _ = n.Float64()
		}
	}
	return out
}

func TestDecode(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			got, refused, err := marshal.Decode(v.Data)
			if v.Refused != "" {
				why := refused["a"]
				if err != nil {
					why = err.Error()
				}
				if !strings.Contains(why, v.Refused) {
					t.Errorf("got %q, want a refusal of %q", why, v.Refused)
				}
			} else if err != nil || len(refused) > 0 {
				t.Fatalf("%v, %v", refused, err)
			}
			if a, b := generic(t, got), generic(t, v.Values); len(a)+len(b) > 0 && !reflect.DeepEqual(a, b) {
				t.Errorf("got %v\nwant %v", a, b)
			}
		})
	}
}

// What is written is read again. That Ruby reads it is seen in integration/bridges.
func TestEncode(t *testing.T) {
	for _, v := range vectors(t) {
		if v.Values == nil {
			continue
		}
		data, err := marshal.Encode(v.Values)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		got, _, err := marshal.Decode(data)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if a, b := generic(t, got), generic(t, v.Values); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: got %v\nwant %v", v.Name, a, b)
		}
	}
}

// No prefix of a dump is read, and a bit that is turned does no harm.
func TestDamaged(t *testing.T) {
	for _, v := range vectors(t) {
		if len(v.Data) > 300 || v.Name == "bomb" {
			continue
		}
		for n := range v.Data {
			if _, _, err := marshal.Decode(v.Data[:n]); err == nil {
				t.Errorf("%s: %d bytes of it are read", v.Name, n)
			}
			for bit := range 8 {
				turned := []byte(string(v.Data))
				turned[n] ^= 1 << bit
				_, _, _ = marshal.Decode(turned)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	const most = bridge.MaxRecord - 2
	for name, data := range map[string]string{
		"nested":    strings.Repeat("[\x06", most/2),
		"wide":      "[\x03\xff\xff\x0f" + strings.Repeat("0", most-5),
		"long":      "[\x04\xff\xff\xff\x7f",
		"negative":  "\"\xfc\x00\x00\x00\x80",
		"big":       "l+\x03\xff\xff\x0f" + strings.Repeat("9", most-6),
		"float":     "f\x03\xff\xff\x0f" + strings.Repeat("9", most-5),
		"variables": "I" + strings.Repeat("I", most-2),
		"symbols":   strings.Repeat("{\x06:\x00", most/4),
	} {
		if _, _, err := marshal.Decode([]byte(marshal.Version + data)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range vectors(f) {
		if len(v.Data) < 2000 {
			f.Add(v.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		values, _, err := marshal.Decode(data)
		if err != nil {
			var refused *bridge.RefusedError
			if !errors.As(err, &refused) {
				t.Errorf("%v is no refusal", err)
			}
			return
		}
		for name, v := range values {
			if !json.Valid(v) {
				t.Errorf("%q is no JSON: %s", name, v)
			}
		}
	})
}
