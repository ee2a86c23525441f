package exact

import (
	"encoding"
	"reflect"
	"unicode/utf8"
)

// checkKeys checks the keys of a map.
type checkKeys func(m reflect.Value) *fault

const keyNotUTF8 = "a key is text that is not UTF-8, which JSON cannot carry"

func checkTextKeys(m reflect.Value) *fault {
	for pairs := m.MapRange(); pairs.Next(); {
		if !utf8.ValidString(pairs.Key().String()) {
			return &fault{why: keyNotUTF8}
		}
	}
	return nil
}

// checkFormKeys is for keys with a form of their own, which is trusted but for
// this: two keys must not become one, as two times of one instant do, nor one that
// is not read back.
func checkFormKeys(m reflect.Value) *fault {
	t := m.Type().Key()
	back := reflect.MakeMapWithSize(reflect.MapOf(t, reflect.TypeFor[struct{}]()), m.Len())
	for pairs := m.MapRange(); pairs.Next(); {
		text, err := keyText(pairs.Key())
		if err != nil {
			return nil // encoding/json says so
		}
		if !utf8.Valid(text) {
			return &fault{why: keyNotUTF8}
		}
		key := reflect.New(t)
		if key.Interface().(encoding.TextUnmarshaler).UnmarshalText(text) != nil {
			return &fault{why: "a key that its own UnmarshalText does not read back"}
		}
		if k := key.Elem(); !k.Comparable() || !k.Equal(k) {
			return &fault{why: "a key that comes back as one that no map finds"}
		}
		back.SetMapIndex(key.Elem(), reflect.ValueOf(struct{}{}))
	}
	if back.Len() != m.Len() {
		return &fault{why: "two keys that come back as one"}
	}
	return nil
}

func keyText(key reflect.Value) ([]byte, error) {
	if key.Kind() == reflect.String {
		return []byte(key.String()), nil
	}
	return key.Interface().(encoding.TextMarshaler).MarshalText()
}
