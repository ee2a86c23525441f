package pickle_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/pickle"
)

type vector struct {
	Name     string
	Protocol int
	Data     []byte
	Values   map[string]json.RawMessage
	Refused  string
}

// vectors are those that Python made: testvectors/bridge/make_pickle.py.
func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("../../../testvectors/bridge/pickle.json")
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
		t.Run(v.Name+"/"+strconv.Itoa(v.Protocol), func(t *testing.T) {
			got, refused, err := pickle.Decode(v.Data)
			if v.Refused != "" {
				why := refused["a"]
				if err != nil {
					why = err.Error()
				}
				if !strings.Contains(why, v.Refused) || len(got) > 0 {
					t.Errorf("got %q, and %v, want a refusal of %q", why, got, v.Refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a, b := generic(t, got), generic(t, v.Values); !reflect.DeepEqual(a, b) {
				t.Errorf("got %v\nwant %v", a, b)
			}
			if v.Name == "surrogate" {
				if want := `"x\ud800y"`; string(got["a"]) != want {
					t.Errorf("got %s, want %s", got["a"], want)
				}
			}
		})
	}
}

// What is written is read again. That Python reads it is seen in
// integration/bridges.
func TestEncode(t *testing.T) {
	for _, v := range vectors(t) {
		if v.Refused != "" {
			continue
		}
		data, err := pickle.Encode(v.Values)
		if v.Name == "surrogate" {
			if err == nil {
				t.Error("half of a pair of surrogates was written as something else")
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		got, _, err := pickle.Decode(data)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if a, b := generic(t, got), generic(t, v.Values); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: got %v\nwant %v", v.Name, a, b)
		}
	}
}

// No prefix of a pickle, and none with a bit turned, does more than fail.
func TestDamaged(t *testing.T) {
	for _, v := range vectors(t) {
		if len(v.Data) > 300 || v.Protocol%3 != 1 || v.Name == "bomb" || v.Name == "loop" {
			continue
		}
		for n := range v.Data {
			if _, _, err := pickle.Decode(v.Data[:n]); err == nil {
				t.Errorf("%s: %d bytes of it are read", v.Name, n)
			}
			for bit := range 8 {
				turned := []byte(string(v.Data))
				turned[n] ^= 1 << bit
				_, _, _ = pickle.Decode(turned)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	const most = bridge.MaxRecord
	for name, data := range map[string]string{
		"lists":   strings.Repeat("]", most),
		"marks":   strings.Repeat("(", most),
		"memo":    "]" + strings.Repeat("\x94", most),
		"puts":    "]" + strings.Repeat("0]", most/2),
		"nested":  strings.Repeat("]", 60000) + strings.Repeat("a", 59999) + ".",
		"long":    "\x8b\xff\xff\xff\x7f",
		"text":    "X\xff\xff\xff\xff",
		"text8":   "\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
		"digits":  "L" + strings.Repeat("9", 100000) + "L\n.",
		"too big": strings.Repeat("N", most+1),
	} {
		if _, _, err := pickle.Decode([]byte(data)); err == nil {
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
		values, _, err := pickle.Decode(data)
		if err != nil {
			var refused *bridge.RefusedError
			if !errors.As(err, &refused) {
				t.Errorf("%v is no refusal", err)
			}
			return
		}
		for name, v := range values {
			if !json.Valid(v) {
				t.Errorf("%q is no JSON: %s (of %s)", name, v, base64.StdEncoding.EncodeToString(data))
			}
		}
	})
}
