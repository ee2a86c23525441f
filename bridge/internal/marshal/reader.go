// Package marshal reads and writes what Ruby's Marshal has, as data: nil, booleans,
// numbers, text, symbols, arrays, hashes and times. Marshal makes objects of any
// class that it names; this reader makes none. A value with one is refused, by the
// name of its class.
package marshal

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/tree"
)

// Version begins what Ruby has written since 1.8.
const Version = "\x04\x08"

var errDamaged = bridge.Refused("a Marshal dump that is damaged")

// Decode reads a dump of a hash with text or symbols as keys. Each value becomes
// JSON: symbols are text, times are in UTC as RFC 3339 has it. Values that only code
// could read or JSON cannot hold are left out, and refused says of each why. Errors
// are *bridge.RefusedError.
func Decode(data []byte) (values map[string]json.RawMessage, refused map[string]string, err error) {
	if len(data) > bridge.MaxRecord {
		return nil, nil, tree.ErrSize
	}
	if !strings.HasPrefix(string(data[:min(2, len(data))]), Version) {
		return nil, nil, bridge.Refused("a Marshal dump of another version")
	}
	r := reader{in: data[2:]}
	v, err := r.value(0)
	if err != nil {
		return nil, nil, err
	}
	switch v := v.(type) {
	case *tree.Dict:
		return tree.Objects(v)
	case tree.Opaque:
		return nil, nil, bridge.Refused("%s", v.What)
	}
	return nil, nil, bridge.Refused("a Marshal dump that is no hash")
}

// A reader reads one dump. Symbols and objects have numbers, in the order in which
// they begin, by which they are had again.
type reader struct {
	in      []byte
	symbols []tree.Text
	objects []any
	values  int
}

// value reads one value. What it reads is bounded: each value takes a byte.
func (r *reader) value(depth int) (any, error) {
	if depth > 2*bridge.MaxDepth {
		return nil, tree.ErrDepth
	}
	if r.values++; r.values > 2*bridge.MaxItems {
		return nil, tree.ErrItems
	}
	sign, err := r.take(1)
	if err != nil {
		return nil, err
	}
	switch sign[0] {
	case '0':
		return nil, nil
	case 'T':
		return true, nil
	case 'F':
		return false, nil
	case 'i':
		n, err := r.long()
		return int64(n), err
	case ':', ';':
		s, err := r.symbolAfter(sign[0])
		return tree.Symbol(s), err
	case '@':
		n, err := r.long()
		if err != nil || n < 0 || n >= len(r.objects) {
			return nil, errDamaged
		}
		return r.objects[n], nil
	case 'l':
		return r.big()
	case 'f':
		return r.float()
	case '"':
		b, err := r.bytes()
		return r.enter(textOf(b)), err
	case 'I':
		return r.withVariables(depth)
	case '[':
		return r.array(depth)
	case '{', '}':
		return r.hash(depth, sign[0] == '}')
	}
	return r.object(sign[0], depth)
}

// textOf is text where it is UTF-8; else bytes, in base64.
func textOf(b []byte) any {
	if utf8.Valid(b) {
		return tree.Text(b)
	}
	return tree.Raw(b)
}

func (r *reader) take(n int) ([]byte, error) {
	if n < 0 || n > len(r.in) {
		return nil, errDamaged
	}
	b := r.in[:n]
	r.in = r.in[n:]
	return b, nil
}

// long reads a number of one to five bytes: small ones are in the first, shifted by
// five; else it says how many follow.
func (r *reader) long() (int, error) {
	b, err := r.take(1)
	if err != nil {
		return 0, err
	}
	c := int(int8(b[0]))
	switch {
	case c == 0:
		return 0, nil
	case c > 4:
		return c - 5, nil
	case c < -4:
		return c + 5, nil
	}
	rest, err := r.take(max(c, -c))
	if err != nil {
		return 0, err
	}
	n := 0
	if c < 0 {
		n = -1 << (8 * len(rest))
	}
	for i, b := range rest {
		n += int(int64(b) << (8 * i))
	}
	return n, nil
}

func (r *reader) bytes() ([]byte, error) {
	n, err := r.long()
	if err != nil {
		return nil, err
	}
	return r.take(n)
}

// enter gives an object its number.
func (r *reader) enter(v any) any {
	r.objects = append(r.objects, v)
	return v
}

// symbol reads one where nothing else can be.
func (r *reader) symbol() (tree.Text, error) {
	sign, err := r.take(1)
	if err != nil {
		return "", err
	}
	if sign[0] == 'I' { // one that is not ASCII has its encoding behind it
		if sign, err = r.take(1); err != nil || sign[0] != ':' {
			return "", errDamaged
		}
		s, err := r.symbolAfter(':')
		if err != nil {
			return "", err
		}
		_, err = r.variables(0)
		return s, err
	}
	return r.symbolAfter(sign[0])
}

func (r *reader) symbolAfter(sign byte) (tree.Text, error) {
	switch sign {
	case ':':
		b, err := r.bytes()
		if err != nil || !utf8.Valid(b) {
			return "", errDamaged
		}
		r.symbols = append(r.symbols, tree.Text(b))
		return tree.Text(b), nil
	case ';':
		n, err := r.long()
		if err != nil || n < 0 || n >= len(r.symbols) {
			return "", errDamaged
		}
		return r.symbols[n], nil
	}
	return "", errDamaged
}

// maxShorts bounds a number: what makes decimal of binary takes the square of it.
const maxShorts = 512

func (r *reader) big() (any, error) {
	sign, err := r.take(1)
	if err != nil {
		return nil, err
	}
	shorts, err := r.long()
	if err != nil {
		return nil, err
	}
	if shorts > maxShorts {
		return nil, bridge.Refused("a number of %d bytes", 2*shorts)
	}
	b, err := r.take(2 * shorts)
	if err != nil {
		return nil, err
	}
	b = slices.Clone(b)
	slices.Reverse(b)
	n := new(big.Int).SetBytes(b)
	if sign[0] == '-' {
		n.Neg(n)
	}
	return r.enter(n), nil
}

func (r *reader) float() (any, error) {
	b, err := r.bytes()
	if err != nil || len(b) > 400 {
		return nil, errDamaged
	}
	special := map[string]float64{"nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1)}
	f, ok := special[string(b)]
	if !ok {
		if f, err = strconv.ParseFloat(string(b), 64); err != nil {
			return nil, errDamaged
		}
	}
	return r.enter(f), nil
}

func (r *reader) array(depth int) (any, error) {
	n, err := r.long()
	if err != nil || n < 0 || n > len(r.in) {
		return nil, errDamaged
	}
	l := &tree.List{}
	r.enter(l)
	for range n {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		l.Items = append(l.Items, v)
	}
	return l, nil
}

func (r *reader) hash(depth int, hasDefault bool) (any, error) {
	n, err := r.long()
	if err != nil || n < 0 || n > len(r.in) {
		return nil, errDamaged
	}
	d := &tree.Dict{}
	r.enter(d)
	for range n {
		k, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		d.Keys, d.Values = append(d.Keys, k), append(d.Values, v)
	}
	if hasDefault {
		_, err = r.value(depth + 1)
	}
	return d, err
}

// variables reads those of an instance.
func (r *reader) variables(depth int) (map[tree.Text]any, error) {
	n, err := r.long()
	if err != nil || n < 0 || n > len(r.in) {
		return nil, errDamaged
	}
	all := map[tree.Text]any{}
	for range n {
		name, err := r.symbol()
		if err != nil {
			return nil, err
		}
		if all[name], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// withVariables reads a value with its variables behind it: text with its encoding,
// or a time with its zone.
func (r *reader) withVariables(depth int) (any, error) {
	if len(r.in) > 0 && r.in[0] == 'u' {
		r.in = r.in[1:]
		return r.dumped(depth, true)
	}
	at := len(r.objects)
	v, err := r.value(depth + 1)
	if err != nil {
		return nil, err
	}
	variables, err := r.variables(depth)
	if err != nil {
		return nil, err
	}
	if name, ok := variables["encoding"].(tree.Text); ok { // neither UTF-8 nor ASCII
		v = tree.Opaque{What: fmt.Sprintf("text in the encoding %.20q", string(name))}
		if at < len(r.objects) {
			r.objects[at] = v
		}
	}
	return v, nil
}
