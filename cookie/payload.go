package cookie

import (
	"encoding/json"

	"github.com/coatcheck/coatcheck/internal/exact"
)

// appendJSON appends v as encoding/json writes it (C11), or refuses what would not
// come back equal.
func appendJSON[T any](b []byte, x *exact.Type, v T) ([]byte, error) {
	if s, isString := any(v).(string); isString {
		if b, ok := exact.AppendString(b, s); ok {
			return b, nil
		}
	}
	return marshal(b, x, v)
}

// marshal has a variable of its own: handing out its address moves it to the heap,
// which plain text must not pay for.
func marshal[T any](b []byte, x *exact.Type, v T) ([]byte, error) {
	if err := x.Check(&v); err != nil {
		return b, err
	}
	j, err := json.Marshal(&v) // decoding calls the methods of *T, so this does, too
	if err != nil {
		return b, err
	}
	return append(b, j...), nil
}

// parseJSON reads a payload. Beside false stands no T that means anything.
func parseJSON[T any](b []byte) (v T, ok bool) {
	if p, isString := any(&v).(*string); isString {
		if s, ok := exact.CutString(b); ok {
			*p = string(s)
			return v, true
		}
	}
	return v, json.Unmarshal(b, &v) == nil
}
