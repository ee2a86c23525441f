// Package gobdata reads gob as data. A gob describes itself, so that a value can be
// read without the Go types of the program that wrote it, and without running a
// method of theirs: structs become objects, and what only its own GobDecode could
// read is refused by name. Package encoding/gob says of itself that it is not
// hardened against hostile input; here counts are held against the bytes that are
// there, and depth has a bound.
package gobdata

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/tree"
)

// ErrMalformed means that the bytes are no gob.
var ErrMalformed = errors.New("not a gob")

// Decode reads the first value of a gob stream. It gives nil, bool, int64, uint64,
// float64, complex128, string, []byte, time.Time, []any, map[string]any for maps and
// structs, and a tree.Opaque where only code could read what stands there; the rest is
// there all the same. Keys of maps that are numbers or booleans become text. What is
// beyond the bounds of package bridge is a *bridge.RefusedError.
func Decode(data []byte) (any, error) {
	d := &decoder{rest: data, room: bridge.MaxItems, types: make(map[int64]*wire)}
	id, err := d.typeSequence(false)
	if err != nil {
		return nil, err
	}
	return d.topValue(id, 0)
}

// wire is a type definition of the stream.
type wire struct {
	kind   wireKind
	name   string
	key    int64 // of a map
	elem   int64 // of an array, a slice, a map
	fields []field
	zeros  []field // those of fields that a struct leaves out when they are zero
}

type field struct {
	name string
	id   int64
}

type wireKind int

// The numbers are those of the fields of gob's wireType.
const (
	arrayKind wireKind = iota + 1
	sliceKind
	structKind
	mapKind
	gobEncoderKind
	binaryKind
	textKind
)

// The ids of gob's own types.
const (
	boolID      = 1
	intID       = 2
	uintID      = 3
	floatID     = 4
	bytesID     = 5
	stringID    = 6
	complexID   = 7
	interfaceID = 8
)

type decoder struct {
	rest  []byte // of the whole stream
	room  int    // how many fields may be filled in that are not in the stream
	items int    // of all lists and maps
	types map[int64]*wire
}

// typeSequence reads type definitions up to the id of a value's type. At the top each
// is a message with its length; within an interface the first has none.
func (d *decoder) typeSequence(within bool) (int64, error) {
	for first := true; ; first = false {
		if !within || !first {
			if _, err := d.uint(); err != nil { // of the message: everything is here already
				return 0, err
			}
		}
		id, err := d.int()
		if err != nil {
			return 0, err
		}
		if id >= 0 {
			return id, nil
		}
		if err := d.define(-id); err != nil {
			return 0, err
		}
	}
}

// topValue reads a value that stands alone: a struct as it is, all else after a zero.
func (d *decoder) topValue(id int64, depth int) (any, error) {
	if t := d.types[id]; t == nil || t.kind != structKind {
		if n, err := d.uint(); err != nil || n != 0 {
			return nil, ErrMalformed
		}
	}
	return d.value(id, depth)
}

func (d *decoder) value(id int64, depth int) (any, error) {
	if depth > bridge.MaxDepth {
		return nil, tree.ErrDepth
	}
	switch id {
	case boolID:
		n, err := d.uint()
		return n != 0, err
	case intID:
		return d.int()
	case uintID:
		return d.uint()
	case floatID:
		return d.float()
	case bytesID:
		b, err := d.bytes()
		return slices.Clone(b), err
	case stringID:
		b, err := d.bytes()
		return string(b), err
	case complexID:
		re, err := d.float()
		if err != nil {
			return nil, err
		}
		im, err := d.float()
		return complex(re, im), err
	case interfaceID:
		return d.dynamic(depth)
	}
	t := d.types[id]
	if t == nil {
		return nil, ErrMalformed
	}
	return d.composite(t, depth)
}

func (d *decoder) composite(t *wire, depth int) (any, error) {
	switch t.kind {
	case arrayKind, sliceKind:
		return d.list(t, depth)
	case structKind:
		return d.object(t, depth)
	case mapKind:
		return d.mapping(t, depth)
	}
	b, err := d.bytes()
	switch {
	case err != nil:
		return nil, err
	case t.kind == textKind:
		return string(b), nil
	case t.kind == gobEncoderKind && t.name == "Time":
		var at time.Time
		if at.UnmarshalBinary(b) != nil {
			return nil, ErrMalformed
		}
		return at, nil
	}
	return opaqueType(t.name), nil
}

func opaqueType(name string) tree.Opaque {
	return tree.Opaque{What: fmt.Sprintf("the Go type %.100q, which has an encoding of its own", name)}
}

// dynamic reads the value of an interface: its type's name, definitions, id, length, value.
func (d *decoder) dynamic(depth int) (any, error) {
	name, err := d.bytes()
	if err != nil || len(name) == 0 { // none: nil
		return nil, err
	}
	id, err := d.typeSequence(true)
	if err != nil {
		return nil, err
	}
	if _, err := d.uint(); err != nil { // the length, for those who skip the value
		return nil, err
	}
	v, err := d.topValue(id, depth+1)
	if t := d.types[id]; t != nil && (t.kind == gobEncoderKind && t.name != "Time" || t.kind == binaryKind) && err == nil {
		v = opaqueType(string(name)) // the name in an interface is the whole one, such as "*big.Int"
	}
	return v, err
}

func (d *decoder) list(t *wire, depth int) (any, error) {
	n, err := d.elements()
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, n)
	for range n {
		v, err := d.value(t.elem, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (d *decoder) mapping(t *wire, depth int) (any, error) {
	n, err := d.elements()
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, n)
	var opaque any
	for range n {
		k, err := d.value(t.key, depth+1)
		if err != nil {
			return nil, err
		}
		v, err := d.value(t.elem, depth+1)
		if err != nil {
			return nil, err
		}
		name, ok := keyText(k)
		if _, twice := out[name]; !ok || twice {
			opaque = tree.Opaque{What: "a map with keys that are no text, or the same as text"}
			continue
		}
		out[name] = v
	}
	if opaque != nil {
		return opaque, nil
	}
	return out, nil
}

func keyText(k any) (string, bool) {
	switch k := k.(type) {
	case string:
		return k, true
	case int64:
		return strconv.FormatInt(k, 10), true
	case uint64:
		return strconv.FormatUint(k, 10), true
	case bool:
		return strconv.FormatBool(k), true
	}
	return "", false
}

// zeros are of the types whose zero a struct leaves out.
var zeros = map[int64]any{boolID: false, intID: int64(0), uintID: uint64(0), floatID: 0.0, stringID: ""}

// object reads a struct: for each field that is not zero how many fields on it is.
func (d *decoder) object(t *wire, depth int) (any, error) {
	out := make(map[string]any)
	for _, f := range t.zeros[:min(len(t.zeros), d.room)] {
		out[f.name] = zeros[f.id]
		d.room--
	}
	err := d.eachField(func(n int) error {
		if n > len(t.fields) {
			return ErrMalformed
		}
		f := t.fields[n-1]
		v, err := d.value(f.id, depth+1)
		out[f.name] = v
		return err
	})
	return out, err
}

// eachField calls f with the number of each field that was sent, from 1 on.
func (d *decoder) eachField(f func(n int) error) error {
	for n := 0; ; {
		delta, err := d.uint()
		if err != nil || delta == 0 {
			return err
		}
		if delta > 1<<16 || n > 1<<16 {
			return ErrMalformed
		}
		n += int(delta)
		if err := f(n); err != nil {
			return err
		}
	}
}

// define reads a wireType, a struct of which one field is set.
func (d *decoder) define(id int64) error {
	if d.types[id] != nil || id <= interfaceID {
		return ErrMalformed
	}
	t := &wire{}
	err := d.eachField(func(n int) error {
		if t.kind != 0 || n > int(textKind) {
			return ErrMalformed
		}
		t.kind = wireKind(n)
		return d.definition(t)
	})
	if err == nil && t.kind == 0 {
		err = ErrMalformed
	}
	d.types[id] = t
	return err
}

// definition reads an arrayType, a sliceType and so on. Each begins with a CommonType.
func (d *decoder) definition(t *wire) error {
	return d.eachField(func(n int) (err error) {
		switch {
		case n == 1:
			return d.common(t)
		case n == 2 && t.kind == structKind:
			t.fields, err = d.fieldTypes()
			for _, f := range t.fields {
				if _, ok := zeros[f.id]; ok {
					t.zeros = append(t.zeros, f)
				}
			}
		case n == 2 && t.kind == mapKind:
			t.key, err = d.int()
		case n == 2 && (t.kind == arrayKind || t.kind == sliceKind), n == 3 && t.kind == mapKind:
			t.elem, err = d.int()
		case n == 3 && t.kind == arrayKind:
			_, err = d.int() // the length: the value has it too
		default:
			return ErrMalformed
		}
		return err
	})
}

func (d *decoder) common(t *wire) error {
	return d.eachField(func(n int) error {
		switch n {
		case 1:
			b, err := d.bytes()
			t.name = string(b)
			return err
		case 2:
			_, err := d.int() // the id again
			return err
		}
		return ErrMalformed
	})
}

func (d *decoder) fieldTypes() ([]field, error) {
	n, err := d.count()
	if err != nil {
		return nil, err
	}
	out := make([]field, n)
	for i := range out {
		err := d.eachField(func(n int) (err error) {
			switch n {
			case 1:
				var b []byte
				b, err = d.bytes()
				out[i].name = string(b)
			case 2:
				out[i].id, err = d.int()
			default:
				return ErrMalformed
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// elements is count, of a list or a map.
func (d *decoder) elements() (int, error) {
	n, err := d.count()
	if d.items += n; d.items > bridge.MaxItems {
		return 0, tree.ErrItems
	}
	return n, err
}

// count reads a number of elements. Each is at least a byte.
func (d *decoder) count() (int, error) {
	n, err := d.uint()
	if err != nil || n > uint64(len(d.rest)) {
		return 0, ErrMalformed
	}
	return int(n), nil
}

func (d *decoder) bytes() ([]byte, error) {
	n, err := d.count()
	if err != nil {
		return nil, err
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b, nil
}

// uint reads an unsigned integer: a byte below 128, or how many bytes follow, negated.
func (d *decoder) uint() (uint64, error) {
	if len(d.rest) == 0 {
		return 0, ErrMalformed
	}
	first := d.rest[0]
	d.rest = d.rest[1:]
	if first < 0x80 {
		return uint64(first), nil
	}
	n := int(-int8(first))
	if n < 1 || n > 8 || n > len(d.rest) {
		return 0, ErrMalformed
	}
	var b [8]byte
	copy(b[8-n:], d.rest[:n])
	d.rest = d.rest[n:]
	return binary.BigEndian.Uint64(b[:]), nil
}

// int reads a signed integer: the lowest bit says whether the rest is complemented.
func (d *decoder) int() (int64, error) {
	u, err := d.uint()
	if u&1 != 0 {
		return ^int64(u >> 1), err
	}
	return int64(u >> 1), err
}

// float reads a float64 whose bytes are reversed, so that short numbers are short.
func (d *decoder) float() (float64, error) {
	u, err := d.uint()
	return math.Float64frombits(bits.ReverseBytes64(u)), err
}
