package pickle_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/bridge/internal/pickle"
)

// vectors are those that Python made: testvectors/bridge/make_pickle.py.
const vectors = "pickle.json"

func TestDecode(t *testing.T) {
	for _, v := range foreigntest.Dumps(t, vectors) {
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
			foreigntest.Exact(t, v.Name, got, v.Values)
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
	for _, v := range foreigntest.Dumps(t, vectors) {
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
		foreigntest.Exact(t, v.Name, got, v.Values)
	}
}

// No prefix of a pickle, and none with a bit turned, does more than fail.
func TestDamaged(t *testing.T) {
	for _, v := range foreigntest.Dumps(t, vectors) {
		if len(v.Data) > 300 || v.Protocol%3 != 1 || v.Name == "bomb" || v.Name == "loop" {
			continue
		}
		foreigntest.Damaged(t, v, pickle.Decode)
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
	foreigntest.Seeds(f, vectors)
	f.Fuzz(func(t *testing.T, data []byte) { foreigntest.Fuzzed(t, data, pickle.Decode) })
}
