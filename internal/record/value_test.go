package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/coatcheck/coatcheck/internal/exact"
)

// jsonTexts are spellings that a scanner of its own could read in another way.
var jsonTexts = []string{
	`""`, `"plain"`, `"a\"b"`, `"a\\b"`, `"\u00e9"`, `"é"`, `"<b>&"`, `"\u003c"`, "\"a\tb\"", "\"\x7f\"", "\"\xff\"", `"\ud800"`, `"open`, `open"`, `"`, `"a"b"`, ` "a" `, `"a" x`,
	`true`, `false`, `True`, `tru`, ` true`, `null`, `nul`, ``, ` `, `{}`, `[]`, `[1,2]`, `[256]`, `{"a":1}`,
	`0`, `-0`, `00`, `01`, `-01`, `+1`, `1`, `-1`, `1.0`, `1.5`, `1e2`, `1E400`, `-`, `--1`, `1-`, `0x1`, `1_000`, ` 1`, `1 `, "1\n", `"1"`,
	`2147483647`, `2147483648`, `-2147483648`, `-2147483649`,
	`9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`,
	`18446744073709551615`, `18446744073709551616`, `99999999999999999999`, `100000000000000000000`, `000000000000000000001`,
	`"AA=="`, `"AP8="`, `"AP8"`, `"AP9="`, `"AA=A"`, `"===="`, `"A"`, `"-_=="`, `"AA\n=="`, `"AAA= "`, `"AA==AA=="`, "\"AA\r==\"",
}

// R4 the library's own scanner for strings, booleans, integers and byte strings
// gives the same results as encoding/json.
func FuzzDecodeValue(f *testing.F) {
	for _, text := range jsonTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		decodesAs[string](t, raw)
		decodesAs[bool](t, raw)
		decodesAs[int](t, raw)
		decodesAs[int32](t, raw)
		decodesAs[int64](t, raw)
		decodesAs[uint64](t, raw)
		decodesAs[[]byte](t, raw)
		// And those that have none.
		decodesAs[uint8](t, raw)
		decodesAs[[]string](t, raw)
		decodesAs[*string](t, raw)
		decodesAs[named2](t, raw)
		decodesAs[any](t, raw)
		if !bytes.Equal(raw, before) {
			t.Error("decoding changed the bytes")
		}
	})
}

type named2 string

func decodesAs[T any](t *testing.T, raw []byte) {
	t.Helper()
	var want T
	wantErr := json.Unmarshal(raw, &want)
	got, err := Unmarshal[T](raw)
	if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%q as %T: got %#v, %v; encoding/json gives %#v, %v", raw, want, got, err, want, wantErr)
	}
	if b, ok := any(got).([]byte); ok && len(b) > 0 && len(raw) > 0 {
		b[0]++ // what is handed out is the caller's
	}
}

// R4 It is what encoding/json makes of the value.
func FuzzEncodeValue(f *testing.F) {
	for _, text := range jsonTexts {
		f.Add(text, int64(len(text)), uint64(len(text)), true)
	}
	f.Add("\u2028", int64(math.MinInt64), uint64(math.MaxUint64), false)
	for _, s := range []string{"<", ">", "&", "'", "/", "\u007f", "\x1f", "\xff", "é"} {
		f.Add(s, int64(math.MaxInt64), uint64(0), false)
	}
	f.Fuzz(func(t *testing.T, s string, i int64, u uint64, b bool) {
		encodesAs(t, s)
		encodesAs(t, b)
		encodesAs(t, int(i))
		encodesAs(t, int32(i))
		encodesAs(t, i)
		encodesAs(t, u)
		encodesAs(t, []byte(s))
		encodesAs(t, named2(s))
		encodesAs(t, []string{s})
		encodesAs(t, map[string]int64{s: i})
	})
}

func encodesAs[T any](t *testing.T, v T) {
	t.Helper()
	x, err := exact.Of[T]()
	if err != nil {
		t.Fatal(err)
	}
	want, wantErr := json.Marshal(v)
	if text, err := Unmarshal[T](want); wantErr == nil && (err != nil || !reflect.DeepEqual(text, v)) {
		wantErr = errors.New("it would come back as something else")
	}
	got, err := Marshal(x, v)
	if wantErr != nil {
		want = nil
	}
	if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
		t.Errorf("%#v: got %s, %v; encoding/json gives %s, %v", v, got, err, want, wantErr)
		return
	}
	decodesAs[T](t, got)
}

// A nil slice of bytes is null, an empty one an empty string.
func TestEncodeNilBytes(t *testing.T) {
	t.Parallel()
	encodesAs(t, []byte(nil))
	encodesAs(t, []byte{})
	if v, err := Unmarshal[[]byte]([]byte("null")); v != nil || err != nil {
		t.Errorf("null: got %#v, %v", v, err)
	}
}
