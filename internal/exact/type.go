package exact

import (
	"encoding"
	"encoding/json"
	"reflect"
	"runtime"
)

// A builder makes the Type of a type once, so that a type may contain itself.
type builder struct{ seen map[place]*making }

// A making is a Type, from when it is begun.
type making struct {
	Type
	done bool
}

// A place is where a type stands: encoding/json calls methods of *T only where
// the T is addressable, which a map's values are not.
type place struct {
	t           reflect.Type
	addressable bool
}

// of returns what is to be checked of values of t, or what makes all of them
// unfit.
func (b *builder) of(t reflect.Type, addressable bool) (*Type, *fault) {
	at := place{t, addressable}
	if made := b.seen[at]; made != nil {
		if made.done {
			return &made.Type, nil
		}
		return &Type{func(v reflect.Value, depth int) *fault { // a type within itself
			if made.check == nil {
				return nil
			}
			return made.check(v, depth)
		}}, nil
	}
	made := new(making)
	b.seen[at] = made
	var f *fault
	made.check, f = b.checkOf(t, addressable)
	made.done = true
	return &made.Type, f
}

func (b *builder) checkOf(t reflect.Type, addressable bool) (check, *fault) {
	if t == reflect.TypeFor[json.RawMessage]() {
		return checkRaw, nil
	}
	if t.Kind() != reflect.Interface && t.Kind() != reflect.Pointer {
		if own, f := ownForm(t, addressable); own || f != nil {
			return nil, f
		}
	}
	switch t.Kind() {
	case reflect.String:
		if t == reflect.TypeFor[json.Number]() {
			return checkNumber, nil
		}
		return checkText, nil
	case reflect.Float32, reflect.Float64:
		return checkFloat, nil
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return nil, &fault{why: "an " + t.String() + ", an interface that JSON can write and not read; want the concrete type, or text"}
		}
		return checkAny, nil
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return nil, &fault{why: "a " + t.String() + ", which JSON cannot carry"}
	case reflect.Pointer:
		return b.pointer(t)
	case reflect.Slice, reflect.Array:
		return b.list(t, addressable)
	case reflect.Map:
		return b.table(t)
	case reflect.Struct:
		return b.record(t, addressable)
	}
	return nil, nil // booleans and integers
}

func (b *builder) pointer(t reflect.Type) (check, *fault) {
	if hollow(t.Elem()) { // nil comes back
		return checkPointer(&Type{mustBeZero("a " + t.Elem().String() + ", which has no exported field and would be lost; " + wayOut)}), nil
	}
	elem, f := b.of(t.Elem(), true)
	if f != nil {
		return nil, f
	}
	switch t.Elem().Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
	default:
		if elem.check == nil {
			return nil, nil
		}
	}
	return checkPointer(elem), nil
}

func (b *builder) list(t reflect.Type, addressable bool) (check, *fault) {
	if t.Kind() == reflect.Slice {
		if t.Elem().Kind() == reflect.Uint8 && formOf(t.Elem(), true).out == noForm {
			return nil, nil // base64
		}
		addressable = true
	}
	elem, f := b.of(t.Elem(), addressable)
	if f != nil {
		return nil, f.in("[]")
	}
	if elem.check == nil {
		return nil, nil
	}
	return checkList(elem), nil
}

func (b *builder) table(t reflect.Type) (check, *fault) {
	key, f := keyOf(t)
	if f != nil {
		return nil, f
	}
	elem, f := b.of(t.Elem(), false)
	if f != nil {
		return nil, f.in("[…]")
	}
	if key == nil && elem.check == nil {
		return nil, nil
	}
	return checkMap(key, elem), nil
}

// keyOf returns what there is to check of the keys of a map. encoding/json writes
// keys of a string type as they are, whatever methods they have, and reads them by
// UnmarshalText.
func keyOf(t reflect.Type) (checkKeys, *fault) {
	kind, has := t.Key().Kind(), formOf(t.Key(), false)
	writes, reads := has.out&textForm != 0 && kind != reflect.String, has.in&textForm != 0
	switch {
	case kind == reflect.String && !reads:
		return checkTextKeys, nil
	case kind == reflect.String || writes && reads:
		return checkFormKeys, nil
	case writes == reads && (reflect.Int <= kind && kind <= reflect.Uintptr):
		return nil, nil
	}
	return nil, &fault{why: "a " + t.String() + ", whose keys JSON cannot carry; " + wantedOfKeys(t.Key(), writes, reads)}
}

// wantedOfKeys names the way out: the method that is missing where there is the other.
func wantedOfKeys(key reflect.Type, writes, reads bool) string {
	switch {
	case writes:
		return "they are written by MarshalText, and *" + key.String() + " has no UnmarshalText to read them back"
	case reads:
		return "they are read by UnmarshalText, and " + key.String() + " has no MarshalText to write them"
	}
	return "want keys of text or integers"
}

// A form is what methods a type has for JSON.
type form uint8

const (
	noForm form = iota
	textForm
	jsonForm
)

type forms struct{ out, in form }

// formOf looks at T, and at *T where that counts; decoding always has a *T.
func formOf(t reflect.Type, addressable bool) (f forms) {
	p := reflect.PointerTo(t)
	out := t
	if addressable {
		out = p
	}
	if out.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		f.out |= textForm
	}
	if out.Implements(reflect.TypeFor[json.Marshaler]()) {
		f.out |= jsonForm
	}
	if p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		f.in |= textForm
	}
	if p.Implements(reflect.TypeFor[json.Unmarshaler]()) {
		f.in |= jsonForm
	}
	return f
}

// ownForm reports whether t has a form of its own that can be trusted.
func ownForm(t reflect.Type, addressable bool) (own bool, f *fault) {
	switch has := formOf(t, addressable); {
	case has.out == noForm && has.in == noForm:
		return false, nil
	case has.in == noForm:
		return false, &fault{why: "a " + t.String() + ", which has MarshalJSON or MarshalText and no method to read it back"}
	case has.out == noForm && formOf(t, true).out != noForm:
		return false, &fault{why: "a " + t.String() + " as the value of a map, where its methods for JSON do not work; want a pointer to it"}
	case has.out == noForm:
		return false, &fault{why: "a " + t.String() + ", which has UnmarshalJSON or UnmarshalText and no method to write it"}
	case t.Kind() == reflect.Struct && t.NumField() > 1 && promoted(t):
		return false, &fault{why: "a " + t.String() + ", which is written by a method of the type embedded in it, and nothing else of it; want a name for that field"}
	}
	return true, nil
}

// promoted reports whether the method that writes t is that of an embedded type:
// then the compiler has made t's.
func promoted(t reflect.Type) bool {
	name := "MarshalText"
	if formOf(t, true).out&jsonForm != 0 {
		name = "MarshalJSON"
	}
	embeds := false
	for i := range t.NumField() {
		f := t.Field(i)
		embeds = embeds || f.Anonymous && (formOf(f.Type, true).out != noForm || f.Type.Kind() == reflect.Pointer && formOf(f.Type.Elem(), true).out != noForm)
	}
	if !embeds {
		return false
	}
	m, ok := t.MethodByName(name)
	if !ok {
		m, ok = reflect.PointerTo(t).MethodByName(name)
	}
	if !ok {
		return false
	}
	fn := runtime.FuncForPC(m.Func.Pointer())
	if fn == nil {
		return false
	}
	file, _ := fn.FileLine(fn.Entry())
	return file == "<autogenerated>"
}
