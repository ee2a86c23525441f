// Package phpdata reads and writes the format of PHP's serialize, as data: numbers,
// strings, arrays, booleans and null. Objects, enumerations and references are not
// made; what they are called stands in their place.
package phpdata

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/tree"
)

// ErrMalformed means that the bytes are not what serialize writes.
var ErrMalformed = errors.New("not the format of PHP's serialize")

// An Array is PHP's: ordered, with keys that are numbers or strings.
type Array []Entry

// An Entry is one of an Array. Key is int64, or a string that Key leaves one.
type Entry struct {
	Key   any
	Value any
}

// Decode reads one value, and gives what is behind it: nil, bool, int64, float64,
// string, Array, or a tree.Opaque where only code could read what stands there; the rest
// is there all the same. What is beyond the bounds of package bridge is a
// *bridge.RefusedError. Of two entries with one key the later counts, at the place of the
// earlier, as in PHP.
func Decode(data []byte) (v any, rest []byte, err error) {
	items := 0
	return DecodeOne(data, &items)
}

// DecodeOne is Decode for one of several values, which share the bound on items: those
// that there were before, itself being one.
func DecodeOne(data []byte, items *int) (v any, rest []byte, err error) {
	d := &decoder{rest: data, items: *items + 1}
	if d.items > bridge.MaxItems {
		return nil, data, tree.ErrItems
	}
	v, err = d.value(0)
	*items = d.items
	return v, d.rest, err
}

type decoder struct {
	rest  []byte
	items int // of all arrays
}

func (d *decoder) value(depth int) (any, error) {
	if len(d.rest) < 2 {
		return nil, ErrMalformed
	}
	if depth > bridge.MaxDepth {
		return nil, tree.ErrDepth
	}
	kind := d.rest[0]
	if kind == 'N' {
		return nil, d.expect("N;")
	}
	if d.rest[1] != ':' {
		return nil, ErrMalformed
	}
	d.rest = d.rest[2:]
	switch kind {
	case 'b':
		return d.boolean()
	case 'i':
		text, err := d.until(';')
		if err != nil {
			return nil, err
		}
		return integer(text)
	case 'd':
		return d.double()
	case 's':
		s, err := d.quoted()
		if err != nil {
			return nil, err
		}
		return s, d.expect(";")
	case 'a':
		return d.array(depth)
	}
	return d.opaque(kind, depth)
}

// opaque passes over what is not data.
func (d *decoder) opaque(kind byte, depth int) (any, error) {
	switch kind {
	case 'O':
		return d.object(depth)
	case 'C': // of a class with a format of its own
		class, err := d.class()
		if err != nil {
			return nil, err
		}
		n, err := d.length()
		if err != nil || n > len(d.rest)-2 || d.rest[0] != '{' || d.rest[n+1] != '}' {
			return nil, ErrMalformed
		}
		d.rest = d.rest[n+2:]
		return opaqueObject(class), nil
	case 'E':
		name, err := d.quoted()
		if err != nil {
			return nil, err
		}
		return tree.Opaque{What: fmt.Sprintf("the PHP enumeration %.100q", name)}, d.expect(";")
	case 'R', 'r':
		_, err := d.until(';')
		return tree.Opaque{What: "a PHP reference"}, err
	}
	return nil, ErrMalformed
}

func opaqueObject(class string) tree.Opaque {
	return tree.Opaque{What: fmt.Sprintf("an object of the PHP class %.100q", class)}
}

func (d *decoder) object(depth int) (any, error) {
	class, err := d.class()
	if err != nil {
		return nil, err
	}
	if _, err := d.array(depth); err != nil { // of its properties
		return nil, err
	}
	return opaqueObject(class), nil
}

func (d *decoder) class() (string, error) {
	name, err := d.quoted()
	if err != nil {
		return "", err
	}
	return name, d.expect(":")
}

func (d *decoder) boolean() (any, error) {
	text, err := d.until(';')
	if err != nil || text != "0" && text != "1" {
		return nil, ErrMalformed
	}
	return text == "1", nil
}

func (d *decoder) double() (any, error) {
	text, err := d.until(';')
	if err != nil {
		return nil, err
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // PHP reads those as INF and 0 too
		return nil, ErrMalformed
	}
	return f, nil
}

func integer(text string) (any, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, ErrMalformed
	}
	return n, nil
}

// smallest is how many bytes an entry of an array takes at least: i:0;N;
const smallest = 6

func (d *decoder) array(depth int) (any, error) {
	n, err := d.length()
	if err != nil {
		return nil, err
	}
	if n > len(d.rest)/smallest {
		return nil, ErrMalformed
	}
	if d.items += n; d.items > bridge.MaxItems {
		return nil, tree.ErrItems
	}
	if err := d.expect("{"); err != nil {
		return nil, err
	}
	out, at := make(Array, 0, n), make(map[any]int, n)
	for range n {
		key, err := d.key(depth + 1)
		if err != nil {
			return nil, err
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if i, again := at[key]; again {
			out[i].Value = v
			continue
		}
		at[key] = len(out)
		out = append(out, Entry{key, v})
	}
	return out, d.expect("}")
}

// key reads a key of an array: the text "5" is the number 5, as it is to unserialize.
func (d *decoder) key(depth int) (any, error) {
	key, err := d.value(depth)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case int64:
		return key, nil
	case string:
		return Key(key), nil
	}
	return nil, ErrMalformed
}

// quoted reads 5:"hello".
func (d *decoder) quoted() (string, error) {
	n, err := d.length()
	if err != nil || n > len(d.rest)-2 || d.rest[0] != '"' || d.rest[n+1] != '"' {
		return "", ErrMalformed
	}
	s := string(d.rest[1 : n+1])
	d.rest = d.rest[n+2:]
	return s, nil
}

// length reads 5: as what may be there at most.
func (d *decoder) length() (int, error) {
	text, err := d.until(':')
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n > uint64(len(d.rest)) {
		return 0, ErrMalformed
	}
	return int(n), nil
}

// until reads a short text up to an end.
func (d *decoder) until(end byte) (string, error) {
	const longest = 400 // of a number with the digits that PHP writes at most
	i := bytes.IndexByte(d.rest[:min(len(d.rest), longest)], end)
	if i < 0 {
		return "", ErrMalformed
	}
	text := string(d.rest[:i])
	d.rest = d.rest[i+1:]
	return text, nil
}

func (d *decoder) expect(text string) error {
	if !bytes.HasPrefix(d.rest, []byte(text)) {
		return ErrMalformed
	}
	d.rest = d.rest[len(text):]
	return nil
}
