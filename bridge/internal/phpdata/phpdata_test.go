package phpdata_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/phpdata"
	"github.com/coatcheck/coatcheck/bridge/internal/tree"
)

func TestMalformed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "N", "N:", "b:2;", "b:;", "i:;", "i:1", "i:9223372036854775808;", "d:x;", "s:1:\"ab\";", "s:2:\"a\";", "s:-1:\"\";", "s:99999999999:\"a\";",
		"a:1:{}", "a:1:{i:0;N;", "a:2000000000:{i:0;N;}", "a:1:{N;N;}", "a:1:{d:1;N;}", "a:-1:{}", "O:1:\"a\"", "O:1:\"a\":1:{}", "C:1:\"a\":5:{}", "C:1:\"a\":0:{",
		"E:1:\"a\"", "R:1", "S:1:\"a\";", "o:1:{}", "x:1;",
	} {
		if v, _, err := phpdata.Decode([]byte(text)); !errors.Is(err, phpdata.ErrMalformed) {
			t.Errorf("%.40q: %#v, %v", text, v, err)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"deep": strings.Repeat("a:1:{i:0;", bridge.MaxDepth+1) + "N;" + strings.Repeat("}", bridge.MaxDepth+1),
		"many": fmt.Sprintf("a:%d:{", bridge.MaxItems+1) + strings.Repeat("i:0;N;", bridge.MaxItems+1) + "}",
	} {
		var refused *bridge.RefusedError
		if _, _, err := phpdata.Decode([]byte(text)); !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		"N;": nil, "b:0;": false, "i:-5;": int64(-5), "d:1.0E+25;": 1e25, "d:-INF;": math.Inf(-1), "d:1e999;": math.Inf(1), "s:3:\"a\";b\";": nil, "s:4:\"a\";b\";": "a\";b",
		"a:0:{}": phpdata.Array{}, "a:1:{s:1:\"k\";i:1;}": phpdata.Array{{Key: "k", Value: int64(1)}},
		"C:1:\"a\":3:{x};};": tree.Opaque{}, "O:1:\"a\":1:{s:3:\"\x00*\x00\";i:1;}": tree.Opaque{}, "r:1;": tree.Opaque{}, "E:3:\"A:B\";": tree.Opaque{},
	} {
		got, _, err := phpdata.Decode([]byte(text))
		if _, refused := want.(tree.Opaque); refused {
			if _, ok := got.(tree.Opaque); !ok || err != nil {
				t.Errorf("%q: %#v, %v; want it refused by name", text, got, err)
			}
		} else if want == nil && text != "N;" {
			if err == nil {
				t.Errorf("%q: %#v", text, got)
			}
		} else if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v, %v; want %#v", text, got, err, want)
		}
	}
}

// TestKeys: an array is to JSON what PHP 8.2 prints of it with
// json_encode(unserialize($text)), and so after it was written again.
func TestKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`a:1:{s:1:"0";b:1;}`:                         `[true]`,
		`a:2:{i:0;i:1;i:0;i:2;}`:                     `[2]`,
		`a:2:{i:0;i:1;s:1:"0";i:2;}`:                 `[2]`,
		`a:2:{i:1;i:1;i:0;i:2;}`:                     `{"0":2,"1":1}`,
		`a:1:{s:2:"-0";b:1;}`:                        `{"-0":true}`,
		`a:1:{s:20:"-9223372036854775808";b:1;}`:     `{"-9223372036854775808":true}`,
		`a:3:{s:1:"a";i:1;s:1:"b";i:2;s:1:"a";i:3;}`: `{"a":3,"b":2}`,
	} {
		v, _, err := phpdata.Decode([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		raw, err := phpdata.JSON(v)
		if err != nil || string(raw) != want {
			t.Errorf("%s: %s, %v; want %s", text, raw, err, want)
		}
		if out, err := phpdata.FromJSON(raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		} else if again, err := phpdata.JSON(out); err != nil || string(again) != want {
			t.Errorf("%s was written as %s, %v", raw, again, err)
		}
	}
}

// FuzzDecode: what is read and written again is read as the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("a:2:{i:0;d:0.5;s:1:\"k\";a:1:{i:7;b:1;}}"))
	f.Add([]byte("a:1:{s:1:\"0\";a:1:{i:0;b:0;}}"))
	f.Add([]byte("a:2:{i:1;N;i:0;N;}"))
	f.Add([]byte("O:8:\"stdClass\":1:{s:1:\"a\";R:1;}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, _, err := phpdata.Decode(data)
		if err != nil {
			return
		}
		raw, err := phpdata.JSON(v)
		if err != nil {
			return
		}
		tree, err := phpdata.FromJSON(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		again, rest, err := phpdata.Decode(phpdata.Append(nil, tree))
		if err != nil || len(rest) > 0 {
			t.Fatalf("%s was written as %q: %v", raw, phpdata.Append(nil, tree), err)
		}
		if second, err := phpdata.JSON(again); err != nil || string(second) != string(raw) {
			t.Fatalf("%s became %s, %v", raw, second, err)
		}
	})
}
