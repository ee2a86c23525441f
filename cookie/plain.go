package cookie

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"

	"github.com/coatcheck/coatcheck/internal/exact"
)

// A text is how a plain cookie of type T is written (C12).
type text[T any] struct {
	kind  reflect.Kind // Invalid: JSON
	exact *exact.Type  // what JSON does not carry of it
}

// textOf decides by T alone, so that a declaration always writes one form. It is an
// error if JSON brings no T back.
func textOf[T any]() (text[T], error) {
	t := reflect.TypeFor[T]()
	x, err := exact.Of[T]()
	for _, own := range []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	} {
		if t.Implements(own) || reflect.PointerTo(t).Implements(own) {
			return text[T]{reflect.Invalid, x}, err // it has a form of its own, which JSON honours
		}
	}
	return text[T]{t.Kind(), x}, err
}

func (x text[T]) encode(v T) (string, error) {
	rv := reflect.ValueOf(&v).Elem()
	switch x.kind {
	case reflect.String:
		return rv.String(), nil
	case reflect.Bool:
		return strconv.FormatBool(rv.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(rv.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.FormatUint(rv.Uint(), 10), nil
	}
	j, err := appendJSON(nil, x.exact, v)
	if err != nil {
		return "", err
	}
	return base64url.EncodeToString(j), nil
}

func (x text[T]) decode(s string) (v T, ok bool) {
	rv := reflect.ValueOf(&v).Elem()
	switch x.kind {
	case reflect.String:
		rv.SetString(s)
		return v, true
	case reflect.Bool:
		rv.SetBool(s == "true")
		return v, s == "true" || s == "false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(s, 10, rv.Type().Bits())
		if err != nil {
			return v, false
		}
		rv.SetInt(n)
		return v, true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		n, err := strconv.ParseUint(s, 10, rv.Type().Bits())
		if err != nil {
			return v, false
		}
		rv.SetUint(n)
		return v, true
	}
	j, err := base64url.DecodeString(s)
	if err != nil {
		return v, false
	}
	return parseJSON[T](j)
}
