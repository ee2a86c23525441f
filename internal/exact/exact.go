// Package exact knows what JSON carries. Where encoding/json would alter a value
// or leave part of it out without a word, this package says so, before anything
// is encoded: it looks at the value and not at the JSON, and so does not depend on
// how an encoder spells things.
//
// Deliberate omissions are no fault: json:"-", omitempty and omitzero. Types with
// a form of their own in both directions (MarshalJSON and UnmarshalJSON, or
// MarshalText and UnmarshalText) are trusted.
package exact

import (
	"errors"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// A Type is what there is to check of the values of one type. It never changes
// and is safe for concurrent use. A nil Type checks nothing.
type Type struct{ check check }

// A check returns what JSON does not carry of v, or nil.
type check func(v reflect.Value, depth int) *fault

// A fault is what is wrong and where: a path of fields and indices, without a
// value or a map's key.
type fault struct{ path, why string }

func (f *fault) in(step string) *fault {
	f.path = step + f.path
	return f
}

func (f *fault) err() error {
	path := f.path
	if path != "" && path[0] == '.' {
		path = path[1:]
	}
	if path == "" {
		return errors.New(f.why)
	}
	return errors.New(path + ": " + f.why)
}

// Of examines T. It returns an error if there is a part of T that JSON brings
// back in no value, and nil if every value of T comes back equal.
func Of[T any]() (*Type, error) {
	b := builder{seen: make(map[place]*making)}
	t, f := b.of(reflect.TypeFor[T](), true)
	if f != nil {
		return nil, f.err()
	}
	if t.check == nil {
		return nil, nil
	}
	return t, nil
}

// Check returns an error that names what JSON would alter or leave out of the
// value that p, a pointer, points to.
func (t *Type) Check(p any) error {
	if t == nil {
		return nil
	}
	if f := t.check(reflect.ValueOf(p).Elem(), 0); f != nil {
		return f.err()
	}
	return nil
}

// maxDepth is far beyond what anybody nests, and below what encoding/json reads.
// A value that contains itself gets there, too.
const maxDepth = 1000

var tooDeep = "nested more than " + strconv.Itoa(maxDepth) + " deep, or within itself"

const notUTF8 = "text that is not UTF-8, which JSON cannot carry; want a []byte"

func checkText(v reflect.Value, _ int) *fault {
	if !utf8.ValidString(v.String()) {
		return &fault{why: notUTF8}
	}
	return nil
}

func checkRaw(v reflect.Value, _ int) *fault {
	if !utf8.Valid(v.Bytes()) {
		return &fault{why: "JSON that is not UTF-8"}
	}
	return nil
}

// checkNumber leaves to encoding/json what is no number at all.
func checkNumber(v reflect.Value, _ int) *fault {
	if v.Len() == 0 {
		return &fault{why: "an empty json.Number, which comes back as 0"}
	}
	return nil
}

func checkFloat(v reflect.Value, _ int) *fault {
	if x := v.Float(); x-x != 0 {
		return &fault{why: "NaN or infinite, which JSON cannot carry"}
	}
	return nil
}

func mustBeZero(why string) check {
	return func(v reflect.Value, _ int) *fault {
		if !v.IsZero() {
			return &fault{why: why}
		}
		return nil
	}
}

func checkPointer(elem *Type) check {
	return func(v reflect.Value, depth int) *fault {
		if v.IsNil() {
			return nil
		}
		if depth > maxDepth {
			return &fault{why: tooDeep}
		}
		v = v.Elem()
		switch v.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
			if v.IsNil() {
				return &fault{why: "a pointer to nil, which comes back as nil"}
			}
		}
		if elem.check == nil {
			return nil
		}
		return elem.check(v, depth+1)
	}
}

func checkList(elem *Type) check {
	return func(v reflect.Value, depth int) *fault {
		if depth > maxDepth {
			return &fault{why: tooDeep}
		}
		for i := range v.Len() {
			if f := elem.check(v.Index(i), depth+1); f != nil {
				return f.in("[" + strconv.Itoa(i) + "]")
			}
		}
		return nil
	}
}

// checkMap checks the keys and the values, as far as there is something to check.
func checkMap(keys checkKeys, elem *Type) check {
	return func(v reflect.Value, depth int) *fault {
		if depth > maxDepth {
			return &fault{why: tooDeep}
		}
		if keys != nil {
			if f := keys(v); f != nil {
				return f
			}
		}
		if elem.check == nil {
			return nil
		}
		for pairs := v.MapRange(); pairs.Next(); {
			if f := elem.check(pairs.Value(), depth+1); f != nil {
				return f.in("[…]")
			}
		}
		return nil
	}
}

func checkStruct(fields []field) check {
	return func(v reflect.Value, depth int) *fault {
		for _, x := range fields {
			part, ok := x.of(v)
			if !ok {
				continue
			}
			if f := x.check(part, depth); f != nil {
				return f.in(x.path)
			}
		}
		return nil
	}
}
