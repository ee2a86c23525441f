package phpdata

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/coatcheck/coatcheck/bridge/internal/tree"
)

// JSON gives what Decode gave as JSON, by the rule of PHP's json_encode: an array is a
// list if its keys are 0, 1, 2 and so on, and an object otherwise. What JSON has not, and
// a value with a tree.Opaque in it, is a *bridge.RefusedError.
func JSON(v any) (json.RawMessage, error) {
	plain, err := forJSON(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

func forJSON(v any) (any, error) {
	if a, ok := v.(Array); ok {
		return arrayForJSON(a)
	}
	return v, tree.Plain(v)
}

func arrayForJSON(a Array) (any, error) {
	list, object := make([]any, len(a)), make(map[string]any, len(a))
	for i, e := range a {
		v, err := forJSON(e.Value)
		if err != nil {
			return nil, err
		}
		key := KeyText(e.Key)
		if err := tree.Plain(key); err != nil {
			return nil, err
		}
		list[i], object[key] = v, v
	}
	if a.isList() {
		return list, nil
	}
	return object, nil
}

// isList reports what PHP's array_is_list does.
func (a Array) isList() bool {
	for i, e := range a {
		if e.Key != int64(i) {
			return false
		}
	}
	return true
}

// KeyText gives a key of an array as text, as it is in an object of JSON.
func KeyText(key any) string {
	if n, ok := key.(int64); ok {
		return strconv.FormatInt(n, 10)
	}
	return key.(string)
}

// FromJSON gives JSON as a tree that Append writes: whole numbers that fit as
// int64, objects as arrays with their names as keys, sorted; backwards where PHP would
// take them for a list otherwise. An object without names, or with 0 as its only name, is
// a list to PHP in any order.
func FromJSON(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("not JSON")
	}
	return fromJSON(v), nil
}

func fromJSON(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil && v != "-0" { // which only a double is
			return n
		}
		f, _ := v.Float64() // too large a number is INF, as in PHP
		return f
	case []any:
		out := make(Array, len(v))
		for i, e := range v {
			out[i] = Entry{int64(i), fromJSON(e)}
		}
		return out
	case map[string]any:
		out := make(Array, 0, len(v))
		for _, name := range slices.SortedFunc(maps.Keys(v), cmp.Compare) {
			out = append(out, Entry{Key(name), fromJSON(v[name])})
		}
		if out.isList() {
			slices.Reverse(out)
		}
		return out
	}
	return v
}

// Key gives text as the key that PHP makes of it: "5" is the number 5.
func Key(name string) any {
	if n, err := strconv.ParseInt(name, 10, 64); err == nil && strconv.FormatInt(n, 10) == name {
		return n
	}
	return name
}

// Append writes a tree as serialize does.
func Append(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(b, "b:1;"...)
		}
		return append(b, "b:0;"...)
	case int64:
		return fmt.Appendf(b, "i:%d;", v)
	case float64:
		return fmt.Appendf(b, "d:%s;", double(v))
	case string:
		return fmt.Appendf(b, "s:%d:\"%s\";", len(v), v)
	case Array:
		b = fmt.Appendf(b, "a:%d:{", len(v))
		for _, e := range v {
			b = Append(Append(b, e.Key), e.Value)
		}
		return append(b, '}')
	}
	return append(b, "N;"...)
}

// double gives a number as PHP writes it.
func double(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "INF"
	case math.IsInf(f, -1):
		return "-INF"
	case math.IsNaN(f):
		return "NAN"
	}
	return strings.ToUpper(strconv.FormatFloat(f, 'g', -1, 64))
}
