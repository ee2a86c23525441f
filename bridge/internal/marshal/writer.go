package marshal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Encode writes a hash of values, all keys text. It names no class.
func Encode(values map[string]json.RawMessage) ([]byte, error) {
	all := map[string]any{}
	for name, value := range values {
		d := json.NewDecoder(bytes.NewReader(value))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("value %q: not JSON: %v", name, err)
		}
		all[name] = v
	}
	w := writer{}
	w.out.WriteString(Version)
	err := w.value(all)
	return w.out.Bytes(), err
}

type writer struct {
	out     bytes.Buffer
	encoded bool // the symbol :E was written
}

func (w *writer) value(v any) error {
	switch v := v.(type) {
	case nil:
		w.out.WriteByte('0')
	case bool:
		w.out.WriteByte(map[bool]byte{true: 'T', false: 'F'}[v])
	case string:
		w.text(v)
	case json.Number:
		return w.number(v.String())
	case []any:
		w.out.WriteByte('[')
		w.long(len(v))
		for _, item := range v {
			if err := w.value(item); err != nil {
				return err
			}
		}
	case map[string]any:
		w.out.WriteByte('{')
		w.long(len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			w.text(name)
			if err := w.value(v[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// text writes a string with the variable E, which is true: UTF-8.
func (w *writer) text(s string) {
	w.out.WriteString(`I"`)
	w.long(len(s))
	w.out.WriteString(s)
	w.long(1)
	if w.encoded {
		w.out.WriteByte(';')
		w.long(0)
	} else {
		w.out.WriteByte(':')
		w.long(1)
		w.out.WriteByte('E')
		w.encoded = true
	}
	w.out.WriteByte('T')
}

func (w *writer) long(n int) {
	switch {
	case n == 0:
		w.out.WriteByte(0)
	case n > 0 && n < 123:
		w.out.WriteByte(byte(n + 5))
	case n < 0 && n > -124:
		w.out.WriteByte(byte(n - 5))
	default:
		var rest []byte
		for m := n; m != 0 && m != -1; m >>= 8 {
			rest = append(rest, byte(m))
		}
		count := len(rest)
		if n < 0 {
			count = -count
		}
		w.out.WriteByte(byte(count))
		w.out.Write(rest)
	}
}

func (w *writer) number(s string) error {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("a number beyond those of Ruby's Float")
		}
		text := strconv.FormatFloat(f, 'g', 17, 64)
		w.out.WriteByte('f')
		w.long(len(text))
		w.out.WriteString(text)
		return nil
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok || n.BitLen() > 16*maxShorts {
		return fmt.Errorf("a number of %d digits", len(s))
	}
	if n.IsInt64() && n.Int64() >= -1<<30 && n.Int64() < 1<<30 {
		w.out.WriteByte('i')
		w.long(int(n.Int64()))
		return nil
	}
	b := n.Bytes()
	if len(b)%2 != 0 {
		b = append([]byte{0}, b...)
	}
	slices.Reverse(b)
	w.out.WriteByte('l')
	w.out.WriteByte(map[bool]byte{true: '-', false: '+'}[n.Sign() < 0])
	w.long(len(b) / 2)
	w.out.Write(b)
	return nil
}
