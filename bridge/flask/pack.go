package flask

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// pack writes values as msgpack.
func pack(values map[string]json.RawMessage) ([]byte, error) {
	tree := make(map[string]any, len(values))
	for name, raw := range values {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("the value %q is no JSON", name)
		}
		tree[name] = v
	}
	return appendPack(nil, tree)
}

func appendPack(b []byte, v any) (_ []byte, err error) {
	switch v := v.(type) {
	case nil:
		return append(b, 0xc0), nil
	case bool:
		if v {
			return append(b, 0xc3), nil
		}
		return append(b, 0xc2), nil
	case string:
		return append(appendSize(b, len(v), 0xdb), v...), nil
	case json.Number:
		return appendNumber(b, v)
	case []any:
		b = appendSize(b, len(v), 0xdd)
		for _, inner := range v {
			if b, err = appendPack(b, inner); err != nil {
				return nil, err
			}
		}
		return b, nil
	case map[string]any:
		b = appendSize(b, len(v), 0xdf)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b = append(appendSize(b, len(name), 0xdb), name...)
			if b, err = appendPack(b, v[name]); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	return nil, fmt.Errorf("a %T in a value", v) // encoding/json gives nothing else
}

// appendSize writes a size of 32 bits behind its sign. Of maps and lists short ones
// would do, but readers take either.
func appendSize(b []byte, n int, sign byte) []byte {
	return binary.BigEndian.AppendUint32(append(b, sign), uint32(n))
}

func appendNumber(b []byte, n json.Number) ([]byte, error) {
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return binary.BigEndian.AppendUint64(append(b, 0xd3), uint64(i)), nil
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return binary.BigEndian.AppendUint64(append(b, 0xcf), u), nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil, fmt.Errorf("a number that msgpack cannot hold")
	}
	return binary.BigEndian.AppendUint64(append(b, 0xcb), math.Float64bits(f)), nil
}
