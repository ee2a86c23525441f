// Package tree is what the readers of other languages' formats build, and writes it
// as the JSON that a session's values are.
package tree

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

// What a tree is made of, beside nil, bool, int64, *big.Int and float64.
type (
	Text   string // UTF-8, with surrogates as Python keeps them
	Symbol string // text of another kind, as a key another
	Raw    []byte // bytes
	Date   string // a time, or a part of one, as text
	List   struct{ Items []any }
	Dict   struct{ Keys, Values []any }
)

// An Opaque stands for what only code could make. Nothing is made: the value that it
// is in is refused, and What names it.
type Opaque struct{ What string }

// What is beyond the bounds of package bridge.
var (
	ErrDepth = bridge.Refused("values deeper than %d", bridge.MaxDepth)
	ErrItems = bridge.Refused("more than %d values", bridge.MaxItems)
	ErrSize  = bridge.Refused("more than %d bytes", bridge.MaxRecord)
)

// Plain refuses what encoding/json would change or has not: an Opaque, a string that is
// no UTF-8, NaN and Infinity. Errors are *bridge.RefusedError.
func Plain(v any) error {
	switch v := v.(type) {
	case Opaque:
		return bridge.Refused("%s", v.What)
	case string:
		if !utf8.ValidString(v) {
			return errText
		}
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return bridge.Refused("NaN or Infinity, numbers that JSON does not have")
		}
	}
	return nil
}

var errText = bridge.Refused("text that is no UTF-8")

// Objects gives the values of d, whose keys are text. Those that have an Opaque in
// them or that JSON cannot hold are left out, and refused says of each why. Errors
// are *bridge.RefusedError.
func Objects(d *Dict) (values map[string]json.RawMessage, refused map[string]string, err error) {
	e := encoder{}
	values, refused = make(map[string]json.RawMessage, len(d.Keys)), map[string]string{}
	ids := make(map[string]any, len(d.Keys))
	for i, k := range d.Keys {
		id, key, err := keyOf(k)
		switch k.(type) {
		case Text, Symbol:
		default:
			err = errKey
		}
		if err != nil || !utf8.ValidString(key) {
			return nil, nil, errKey
		}
		if other, there := ids[key]; there && other != id {
			return nil, nil, errTwoKeys
		}
		ids[key] = id
		start := e.out.Len()
		delete(values, key) // one that comes again replaces
		delete(refused, key)
		if err := e.value(d.Values[i], 1); err != nil {
			if e.items > bridge.MaxItems || e.keys > bridge.MaxItems || e.out.Len() > bridge.MaxRecord {
				return nil, nil, err
			}
			refused[key] = err.(*bridge.RefusedError).What
			continue
		}
		values[key] = json.RawMessage(bytes.Clone(e.out.Bytes()[start:]))
	}
	return values, refused, nil
}

var (
	errKey     = bridge.Refused("a key that is no text")
	errTwoKeys = bridge.Refused("two keys of a dict that are one in JSON")
)

// An encoder writes JSON. A value of the memo may stand in many places, or in
// itself, so that a short pickle means an endless text: what is written is bounded.
type encoder struct {
	out   bytes.Buffer
	items int
	keys  int // of all dicts that were begun, also where nothing was written of them
}

func (e *encoder) value(v any, depth int) error {
	e.items++
	switch {
	case depth > bridge.MaxDepth:
		return ErrDepth
	case e.items > bridge.MaxItems:
		return ErrItems
	case e.out.Len() > bridge.MaxRecord:
		return ErrSize
	}
	switch v := v.(type) {
	case *List:
		return e.list(v, depth)
	case *Dict:
		return e.dict(v, depth)
	case Text:
		return e.text(v)
	case Symbol:
		return e.text(Text(v))
	case Raw:
		return e.text(Text(base64.StdEncoding.EncodeToString(v)))
	case Date:
		return e.text(Text(v))
	case Opaque:
		return Plain(v)
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
		if err := Plain(v); err != nil {
			return "", err
		}
		b, _ := json.Marshal(v) // a finite number always marshals
		if v == math.Trunc(v) && !bytes.ContainsAny(b, ".e") {
			b = append(b, ".0"...) // it stays a float
		}
		return string(b), nil
	}
	return "", bridge.Refused("an object of a class")
}

func (e *encoder) list(l *List, depth int) error {
	e.out.WriteByte('[')
	for i, item := range l.Items {
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

func (e *encoder) dict(d *Dict, depth int) error {
	if e.keys += len(d.Keys); e.keys > bridge.MaxItems {
		return ErrItems
	}
	places := make(map[any]int, len(d.Keys)) // the last value of a key is the one
	names := make(map[string]any, len(d.Keys))
	for i, k := range d.Keys {
		id, name, err := keyOf(k)
		if err != nil {
			return err
		}
		if other, there := names[name]; there && other != id {
			return errTwoKeys
		}
		names[name], places[id] = id, i
	}
	e.out.WriteByte('{')
	first := true
	for i, k := range d.Keys {
		id, name, _ := keyOf(k)
		if places[id] != i {
			continue
		}
		if !first {
			e.out.WriteByte(',')
		}
		first = false
		if err := e.text(Text(name)); err != nil {
			return err
		}
		e.out.WriteByte(':')
		if err := e.value(d.Values[i], depth+1); err != nil {
			return err
		}
	}
	e.out.WriteByte('}')
	return nil
}

// maxKey is of a number that is a key, in bits: one of the memo may be that of many.
const maxKey = 256

// keyOf returns the name of a key in JSON, and something comparable that tells it
// from others of that name.
func keyOf(k any) (id any, name string, err error) {
	switch k := k.(type) {
	case Text:
		return k, string(k), nil
	case Symbol:
		return k, string(k), nil
	case *big.Int:
		if k.BitLen() > maxKey {
			return nil, "", errKey
		}
		s := k.String()
		return s + " (int)", s, nil
	case int64:
		s := strconv.FormatInt(k, 10)
		return s + " (int)", s, nil
	case nil, bool, float64:
		name, err = scalar(k)
		return k, name, err
	}
	return nil, "", errKey
}

// text writes a string of JSON. Python writes half a pair of surrogates as UTF-8
// would have it, which is no UTF-8; JSON has an escape for it.
func (e *encoder) text(t Text) error {
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
				return errText
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
