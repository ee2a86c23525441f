package gobdata_test

import (
	"bytes"
	"encoding/gob"
	"errors"
	"math"
	"math/big"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/gobdata"
)

type item struct {
	Name  string
	Count int
	Next  *item
	Any   any
}

// one reads what gob wrote of it.
func encode(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type record struct {
	Deadline time.Time
	Values   map[string]any
}

func register() {
	gob.Register(item{})
	gob.Register(&url.URL{})
	gob.Register(big.NewInt(0))
	gob.Register(big.NewFloat(0))
	gob.Register(time.Time{})
	gob.Register([]any{})
	gob.Register(map[string]any{})
	gob.Register(map[int]string{})
	gob.Register(map[float64]string{})
	gob.Register([2]int{})
}

func TestDecode(t *testing.T) {
	register()
	at := time.Date(2026, 11, 28, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	nested := item{Name: "a", Count: -1, Next: &item{Name: "b"}, Any: []any{"x", map[string]any{"k": item{Count: 7}}}}
	for _, c := range []struct{ in, want any }{
		{true, true}, {false, false}, {"text", "text"}, {"", ""},
		{int(-5), int64(-5)}, {int8(-128), int64(-128)}, {int64(math.MinInt64), int64(math.MinInt64)}, {int64(math.MaxInt64), int64(math.MaxInt64)},
		{uint(5), uint64(5)}, {uint64(math.MaxUint64), uint64(math.MaxUint64)}, {uintptr(9), uint64(9)},
		{float32(1.5), 1.5}, {math.Pi, math.Pi}, {math.Inf(-1), math.Inf(-1)},
		{complex64(1 + 2i), complex128(1 + 2i)}, {complex128(-3i), complex128(-3i)},
		{[]byte("\x00\xff"), []byte("\x00\xff")}, {[]string{"a", ""}, []any{"a", ""}}, {[]int{1, -1}, []any{int64(1), int64(-1)}},
		{[]bool{true}, []any{true}}, {[]float64{0}, []any{0.0}}, {[2]int{3, 0}, []any{int64(3), int64(0)}},
		{at, at}, {map[int]string{-3: "c"}, map[string]any{"-3": "c"}},
		{[]any{int8(1), nil, "s"}, []any{int64(1), nil, "s"}},
		{map[string]any{"a": nil, "b": uint8(1)}, map[string]any{"a": nil, "b": uint64(1)}},
		{nested, map[string]any{
			"Name": "a", "Count": int64(-1), "Next": map[string]any{"Name": "b", "Count": int64(0)},
			"Any": []any{"x", map[string]any{"k": map[string]any{"Name": "", "Count": int64(7)}}},
		}},
	} {
		got, err := gobdata.Decode(encode(t, record{at, map[string]any{"v": c.in, "w": c.in}}))
		if err != nil {
			t.Errorf("%T %v: %v", c.in, c.in, err)
			continue
		}
		values := got.(map[string]any)["Values"].(map[string]any)
		if want := map[string]any{"v": c.want, "w": c.want}; !equal(values, want) {
			t.Errorf("%T: got %#v, want %#v", c.in, values, want)
		}
		if !got.(map[string]any)["Deadline"].(time.Time).Equal(at) {
			t.Errorf("%T: another deadline", c.in)
		}
	}
}

// equal is DeepEqual in which times are the same instants.
func equal(a, b any) bool {
	if x, ok := a.(map[string]any); ok {
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if !equal(x[k], y[k]) {
				return false
			}
		}
		return true
	}
	if x, ok := a.(time.Time); ok {
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	}
	return reflect.DeepEqual(a, b)
}

// TestTop is about values that are no structs, as those of gorilla are.
func TestTop(t *testing.T) {
	register()
	got, err := gobdata.Decode(encode(t, map[any]any{"user": "u", 7: item{Name: "n"}, true: nil}))
	want := map[string]any{"user": "u", "7": map[string]any{"Name": "n", "Count": int64(0)}, "true": nil}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v", got, err)
	}
	if got, err := gobdata.Decode(encode(t, "ID")); got != "ID" || err != nil {
		t.Errorf("got %#v, %v", got, err)
	}
}

func TestRefused(t *testing.T) {
	register()
	deep := any("end")
	for range 80 {
		deep = []any{deep}
	}
	for _, c := range []struct {
		in   any
		name string
	}{
		{big.NewInt(1), `"*big.Int"`}, {big.NewFloat(1), `"*big.Float"`}, {&url.URL{Host: "h"}, `"*url.URL"`},
		{map[float64]string{1: "a"}, "keys that are no text"}, {deep, "deeper than 64"}, {make([]int, bridge.MaxItems+1), "65536 values"},
		{map[string]any{"a": &url.URL{}}, `"*url.URL"`},
		{map[any]any{1: "a", "1": "b"}, "the same as text"},
		{"\xff", "UTF-8"}, {math.NaN(), "NaN"}, {complex(0, math.Inf(1)), "Inf"},
	} {
		in := c.in
		if _, top := in.(map[any]any); !top {
			in = map[any]any{"v": in}
		}
		tree, err := gobdata.Decode(encode(t, in))
		if err == nil {
			_, err = gobdata.JSON(tree)
		}
		if refused := (*bridge.RefusedError)(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%T: got %v, want %s named", c.in, err, c.name)
		}
	}
}

// FuzzDecode says that nothing panics, and that what gob itself reads is read too, and as the same.
func FuzzDecode(f *testing.F) {
	register()
	f.Add(encode(f, record{time.Unix(1, 0), map[string]any{"a": 1, "b": item{Name: "x", Any: []any{1.5, "y"}}, "c": []string{"z"}}}))
	f.Add(encode(f, map[any]any{"user": "u", 7: int64(8)}))
	f.Add(bytes.Replace(encode(f, record{Values: map[string]any{"k1": "x", "k2": "y"}}), []byte("k2"), []byte("k1"), 1))
	f.Add(encode(f, "ID"))
	f.Add([]byte{0x03, 0x04, 0x00, 0xf8})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := gobdata.Decode(data)
		if err != nil || len(data) > 1<<12 {
			return
		}
		var again record
		whole, _ := got.(map[string]any)
		values, ok := whole["Values"].(map[string]any) // refused by name where a key is there twice
		if !ok || gob.NewDecoder(bytes.NewReader(data)).Decode(&again) != nil {
			return
		}
		for k, v := range again.Values {
			s, ok := v.(string)
			if read := values[k]; ok && read != s {
				t.Errorf("%q: gob reads %q, we %#v", k, s, read)
			}
		}
	})
}

// TestHostileCounts: no number in the bytes makes room that the bytes do not fill.
func TestHostileCounts(t *testing.T) {
	register()
	good := encode(t, record{time.Unix(1, 0), map[string]any{"l": []string{"a"}, "b": []byte("b"), "m": map[string]any{"k": []any{1}}, "s": item{Name: "n"}}})
	for _, n := range [][]byte{{0xf8, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0xfc, 0x10, 0, 0, 0}, {0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} {
		for i := range good {
			_, err := gobdata.Decode(slices.Concat(good[:i], n, good[i+1:]))
			if refused := (*bridge.RefusedError)(nil); err != nil && !errors.Is(err, gobdata.ErrMalformed) && !errors.As(err, &refused) {
				t.Errorf("byte %d: %v", i, err)
			}
		}
	}
}
