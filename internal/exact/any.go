package exact

import (
	"encoding/json"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// maxWhole is where float64 begins to leave integers out.
const maxWhole = 1 << 53

// checkAny checks what is in an interface without methods. It comes back as what
// encoding/json makes of such JSON: bool, float64, string, []any, map[string]any
// or nil. So that is what may be in it, and what is the same data: numbers that a
// float64 holds, slices, and maps with keys of text.
func checkAny(v reflect.Value, depth int) *fault {
	if v.IsNil() {
		return nil
	}
	if depth > maxDepth {
		return &fault{why: tooDeep}
	}
	return checkData(v.Elem(), depth+1)
}

func checkData(v reflect.Value, depth int) *fault {
	t := v.Type()
	if t.Kind() != reflect.Interface && (formOf(t, true).out != noForm || t == reflect.TypeFor[json.Number]()) {
		return other(t)
	}
	switch t.Kind() {
	case reflect.Bool:
		return nil
	case reflect.String:
		return checkText(v, depth)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := v.Int(); n > maxWhole || n < -maxWhole {
			return &fault{why: "an integer beyond 2^53 in an interface, which comes back rounded; want a field of an integer type, or text"}
		}
		return nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if v.Uint() > maxWhole {
			return &fault{why: "an integer beyond 2^53 in an interface, which comes back rounded; want a field of an integer type, or text"}
		}
		return nil
	case reflect.Float64:
		return checkFloat(v, depth)
	case reflect.Float32:
		return checkFloat32(v, depth)
	case reflect.Interface:
		return checkAny(v, depth)
	case reflect.Slice, reflect.Array:
		return checkItems(v, depth)
	case reflect.Map:
		return checkTable(v, depth)
	}
	return other(t)
}

// other is for a type that comes back as another kind of thing.
func other(t reflect.Type) *fault {
	return &fault{why: "a " + t.String() + " in an interface, which comes back as something else; want a field of that type"}
}

// checkFloat32 refuses what is written shorter than a float64 needs.
func checkFloat32(v reflect.Value, depth int) *fault {
	if f := checkFloat(v, depth); f != nil {
		return f
	}
	if x, err := strconv.ParseFloat(strconv.FormatFloat(v.Float(), 'g', -1, 32), 64); err != nil || x != v.Float() {
		return other(v.Type())
	}
	return nil
}

func checkItems(v reflect.Value, depth int) *fault {
	if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
		return other(v.Type())
	}
	if depth > maxDepth {
		return &fault{why: tooDeep}
	}
	for i := range v.Len() {
		if f := checkData(v.Index(i), depth+1); f != nil {
			return f.in("[" + strconv.Itoa(i) + "]")
		}
	}
	return nil
}

func checkTable(v reflect.Value, depth int) *fault {
	if key := v.Type().Key(); key.Kind() != reflect.String || formOf(key, false).out != noForm {
		return other(v.Type())
	}
	if depth > maxDepth {
		return &fault{why: tooDeep}
	}
	for pairs := v.MapRange(); pairs.Next(); {
		if !utf8.ValidString(pairs.Key().String()) {
			return &fault{why: keyNotUTF8}
		}
		if f := checkData(pairs.Value(), depth+1); f != nil {
			return f.in("[…]")
		}
	}
	return nil
}
