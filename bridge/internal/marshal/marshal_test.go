package marshal_test

import (
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/bridge/internal/marshal"
)

// vectors are those that Ruby made: testvectors/bridge/make_marshal.rb.
const vectors = "marshal.json"

func TestDecode(t *testing.T) {
	for _, v := range foreigntest.Dumps(t, vectors) {
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
			foreigntest.Exact(t, v.Name, got, v.Values)
		})
	}
}

// What is written is read again. That Ruby reads it is seen in integration/bridges.
func TestEncode(t *testing.T) {
	for _, v := range foreigntest.Dumps(t, vectors) {
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
		foreigntest.Exact(t, v.Name, got, v.Values)
	}
}

// No prefix of a dump is read, and a bit that is turned does no harm.
func TestDamaged(t *testing.T) {
	for _, v := range foreigntest.Dumps(t, vectors) {
		if len(v.Data) > 300 || v.Name == "bomb" {
			continue
		}
		foreigntest.Damaged(t, v, marshal.Decode)
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
	foreigntest.Seeds(f, vectors)
	f.Fuzz(func(t *testing.T, data []byte) { foreigntest.Fuzzed(t, data, marshal.Decode) })
}
