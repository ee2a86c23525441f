package exact

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

const wayOut = "want a type of your own with what you need, or MarshalJSON and UnmarshalJSON"

// A field is a part of a struct that has to be checked.
type field struct {
	index []int
	path  string
	check check
}

// of returns the part of v, if it is there: it may be behind a nil pointer to an
// embedded struct.
func (x field) of(v reflect.Value) (reflect.Value, bool) {
	for i, at := range x.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(at)
	}
	return v, true
}

// A member is a field as encoding/json sees it.
type member struct {
	reflect.StructField
	index  []int
	path   string
	name   string // in JSON
	tagged bool
	lost   string // why JSON leaves it out; "" where it does not
}

// hollow reports whether t is a struct that JSON writes as {}, whatever is in it.
func hollow(t reflect.Type) bool {
	if t.Kind() != reflect.Struct || t.NumField() == 0 || formOf(t, true) != (forms{}) {
		return false
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() || f.Anonymous || f.Tag.Get("json") == "-" {
			return false
		}
	}
	return true
}

func (b *builder) record(t reflect.Type, addressable bool) (check, *fault) {
	if hollow(t) {
		return nil, &fault{why: "a " + t.String() + ", which has no exported field and would be lost; " + wayOut}
	}
	all := members(t, nil, "", nil)
	shadow(all)
	var fields []field
	for _, m := range all {
		x := field{m.index, m.path, nil}
		if m.lost != "" {
			x.check = mustBeZero(m.lost)
		} else {
			made, f := b.of(m.Type, addressable || behindPointer(t, m.index))
			if f != nil {
				return nil, f.in(m.path)
			}
			x.check = made.check
		}
		if m.Type == reflect.TypeFor[json.Number]() && omits(m.Tag) {
			x.check = nil // an empty one is left out, and comes back
		}
		if x.check != nil {
			fields = append(fields, x)
		}
	}
	if len(fields) == 0 {
		return nil, nil
	}
	return checkStruct(fields), nil
}

// omits reports whether a field is left out where it is empty.
func omits(tag reflect.StructTag) bool {
	_, options, _ := strings.Cut(tag.Get("json"), ",")
	return slices.ContainsFunc(strings.Split(options, ","), func(o string) bool { return o == "omitempty" || o == "omitzero" })
}

// members lists the fields of t and of what is embedded in it. outer are the
// types around t.
func members(t reflect.Type, index []int, path string, outer []reflect.Type) (list []member) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, _, _ := strings.Cut(tag, ",")
		m := member{StructField: f, index: append(index[:len(index):len(index)], i), path: path + "." + f.Name, name: name, tagged: name != ""}
		inner, pointer := f.Type, f.Type.Kind() == reflect.Pointer
		if pointer {
			inner = inner.Elem()
		}
		embedded := f.Anonymous && inner.Kind() == reflect.Struct && name == ""
		switch {
		case embedded && !f.IsExported() && pointer:
			m.lost = "a pointer to an embedded type that is not exported, which cannot be read back; want the type itself, or an exported name"
		case embedded:
			if !within(inner, t, outer) {
				list = append(list, members(inner, m.index, m.path, append(outer[:len(outer):len(outer)], t))...)
			}
			continue
		case !f.IsExported():
			m.lost = "not exported, and would be lost; " + wayOut
		case name == "":
			m.name = f.Name
		}
		list = append(list, m)
	}
	return list
}

func within(inner, t reflect.Type, outer []reflect.Type) bool {
	for _, o := range append(outer[:len(outer):len(outer)], t) {
		if o == inner {
			return true
		}
	}
	return false
}

// shadow marks the members that lose their name in JSON to another, or to each
// other: the least deep counts, then the one with a tag.
func shadow(all []member) {
	best := make(map[string]*member)
	tie := make(map[string]bool)
	for i := range all {
		m := &all[i]
		if m.lost != "" {
			continue
		}
		switch old := best[m.name]; {
		case old == nil || len(m.index) < len(old.index) || len(m.index) == len(old.index) && m.tagged && !old.tagged:
			best[m.name], tie[m.name] = m, false
		case len(m.index) == len(old.index) && m.tagged == old.tagged:
			tie[m.name] = true
		}
	}
	for i := range all {
		if m := &all[i]; m.lost == "" && (best[m.name] != m || tie[m.name]) {
			m.lost = "would be lost, because another field has its name in JSON; want a json tag"
		}
	}
}

// behindPointer reports whether there is a pointer on the way to an embedded
// field, so that the field is addressable.
func behindPointer(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		f := t.Field(i)
		if f.Type.Kind() == reflect.Pointer {
			return true
		}
		t = f.Type
	}
	return false
}
