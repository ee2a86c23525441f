package pickle

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/coatcheck/coatcheck/bridge"
)

// Decode reads a pickle of a dict with text as keys. Each value becomes JSON as
// Python's json module has it; bytes become base64, sets and tuples lists, dates
// what isoformat says, time spans seconds. Values that only code could read or
// JSON cannot hold are left out, and refused says of each why. Errors are
// *bridge.RefusedError, as of a pickle that is no dict.
func Decode(data []byte) (values map[string]json.RawMessage, refused map[string]string, err error) {
	if len(data) > bridge.MaxRecord {
		return nil, nil, bridge.Refused("a pickle of more than %d bytes", bridge.MaxRecord)
	}
	m := machine{in: data, memo: map[uint64]any{}}
	v, err := m.run()
	if err != nil {
		return nil, nil, err
	}
	switch v := v.(type) {
	case *dict:
		return objects(v)
	case opaque:
		return nil, nil, bridge.Refused("%s", v.what)
	}
	return nil, nil, bridge.Refused("a pickle that is no dict")
}

func objects(d *dict) (values map[string]json.RawMessage, refused map[string]string, err error) {
	e := encoder{}
	values, refused = make(map[string]json.RawMessage, len(d.keys)), map[string]string{}
	for i, k := range d.keys {
		key, ok := k.(text)
		if !ok || !utf8.ValidString(string(key)) {
			return nil, nil, bridge.Refused("a key that is no text")
		}
		start := e.out.Len()
		delete(values, string(key)) // one that comes again replaces
		delete(refused, string(key))
		if err := e.value(d.values[i], 1); err != nil {
			if e.items > bridge.MaxItems || e.out.Len() > bridge.MaxRecord {
				return nil, nil, err
			}
			refused[string(key)] = err.(*bridge.RefusedError).What
			continue
		}
		values[string(key)] = json.RawMessage(bytes.Clone(e.out.Bytes()[start:]))
	}
	return values, refused, nil
}

// An encoder writes JSON. A value of the memo may stand in many places, or in
// itself, so that a short pickle means an endless text: what is written is bounded.
type encoder struct {
	out   bytes.Buffer
	items int
}

func (e *encoder) value(v any, depth int) error {
	e.items++
	switch {
	case depth > bridge.MaxDepth:
		return bridge.Refused("values deeper than %d", bridge.MaxDepth)
	case e.items > bridge.MaxItems:
		return bridge.Refused("more than %d values", bridge.MaxItems)
	case e.out.Len() > bridge.MaxRecord:
		return bridge.Refused("more than %d bytes", bridge.MaxRecord)
	}
	switch v := v.(type) {
	case *list:
		return e.list(v, depth)
	case *dict:
		return e.dict(v, depth)
	case text:
		return e.text(v)
	case raw:
		return e.text(text(base64.StdEncoding.EncodeToString(v)))
	case date:
		return e.text(text(v))
	case zone:
		return e.text(text(v))
	case opaque:
		return bridge.Refused("%s", v.what)
	}
	s, err := scalar(v)
	e.out.WriteString(s)
	return err
}

// scalar returns what is a number or a word in JSON.
func scalar(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "null", nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case *big.Int:
		return v.String(), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", bridge.Refused("NaN or Infinity, numbers that JSON does not have")
		}
		b, _ := json.Marshal(v) // a finite number always marshals
		if v == math.Trunc(v) && !bytes.ContainsAny(b, ".e") {
			b = append(b, ".0"...) // it stays a float
		}
		return string(b), nil
	}
	return "", bridge.Refused("an object of a class in a pickle")
}

func (e *encoder) list(l *list, depth int) error {
	e.out.WriteByte('[')
	for i, item := range l.items {
		if i > 0 {
			e.out.WriteByte(',')
		}
		if err := e.value(item, depth+1); err != nil {
			return err
		}
	}
	e.out.WriteByte(']')
	return nil
}

func (e *encoder) dict(d *dict, depth int) error {
	places := make(map[any]int, len(d.keys)) // the last value of a key is the one
	names := make(map[string]any, len(d.keys))
	for i, k := range d.keys {
		id, name, err := keyOf(k)
		if err != nil {
			return err
		}
		if other, there := names[name]; there && other != id {
			return bridge.Refused("two keys of a dict that are one in JSON")
		}
		names[name], places[id] = id, i
	}
	e.out.WriteByte('{')
	first := true
	for i, k := range d.keys {
		id, name, _ := keyOf(k)
		if places[id] != i {
			continue
		}
		if !first {
			e.out.WriteByte(',')
		}
		first = false
		if err := e.text(text(name)); err != nil {
			return err
		}
		e.out.WriteByte(':')
		if err := e.value(d.values[i], depth+1); err != nil {
			return err
		}
	}
	e.out.WriteByte('}')
	return nil
}

// keyOf returns the name of a key in JSON, and something comparable that tells it
// from others of that name.
func keyOf(k any) (id any, name string, err error) {
	switch k := k.(type) {
	case text:
		return k, string(k), nil
	case *big.Int:
		return k.String() + " (int)", k.String(), nil
	case int64:
		s := strconv.FormatInt(k, 10)
		return s + " (int)", s, nil
	case nil, bool, float64:
		name, err = scalar(k)
		return k, name, err
	}
	return nil, "", bridge.Refused("a key that is no text")
}

// text writes a string of JSON. Python writes half a pair of surrogates as UTF-8
// would have it, which is no UTF-8; JSON has an escape for it.
func (e *encoder) text(t text) error {
	if utf8.ValidString(string(t)) {
		b, _ := json.Marshal(string(t)) // valid UTF-8 always marshals
		e.out.Write(b)
		return nil
	}
	e.out.WriteByte('"')
	for s := string(t); len(s) > 0; {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			if len(s) < 3 || s[0] != 0xed || s[1] < 0xa0 || s[1] > 0xbf || s[2] < 0x80 || s[2] > 0xbf {
				return bridge.Refused("text that is no UTF-8")
			}
			fmt.Fprintf(&e.out, `\u%04x`, 0xd000|int(s[1]&0x3f)<<6|int(s[2]&0x3f))
			s = s[3:]
			continue
		}
		b, _ := json.Marshal(s[:n]) // valid UTF-8 always marshals
		e.out.Write(b[1 : len(b)-1])
		s = s[n:]
	}
	e.out.WriteByte('"')
	return nil
}
