package record

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/coatcheck/coatcheck/internal/exact"
)

// Values are JSON. The types that nearly every session holds (string, bool,
// integers, []byte) have a scanner of their own that gives what encoding/json
// gives (a fuzz test compares them) and leaves every uncommon spelling to it.

// Unmarshal returns the T that raw stands for.
func Unmarshal[T any](raw []byte) (T, error) {
	var v T
	switch p := any(&v).(type) {
	case *string:
		if s, ok := exact.CutString(raw); ok {
			*p = string(s)
			return v, nil
		}
	case *bool:
		switch string(raw) {
		case "true":
			*p = true
			return v, nil
		case "false":
			return v, nil
		}
	case *int:
		if n, ok := scanInt(raw, strconv.IntSize); ok {
			*p = int(n)
			return v, nil
		}
	case *int64:
		if n, ok := scanInt(raw, 64); ok {
			*p = n
			return v, nil
		}
	case *int32:
		if n, ok := scanInt(raw, 32); ok {
			*p = int32(n)
			return v, nil
		}
	case *uint64:
		if n, ok := scanUint(raw); ok {
			*p = n
			return v, nil
		}
	case *[]byte:
		if b, ok := scanBytes(raw); ok {
			*p = b
			return v, nil
		}
	}
	return unmarshalAny[T](raw)
}

// unmarshalAny has a variable of its own: handing out its address moves it to
// the heap, which the paths above must not pay for.
func unmarshalAny[T any](raw []byte) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

// Marshal returns v as JSON, or the error of x, if there is one, where v
// would not come back equal.
func Marshal[T any](x *exact.Type, v T) ([]byte, error) {
	switch p := any(&v).(type) {
	case *string:
		if b, ok := exact.AppendString(make([]byte, 0, len(*p)+2), *p); ok {
			return b, nil
		}
	case *bool:
		return strconv.AppendBool(nil, *p), nil
	case *int:
		return strconv.AppendInt(nil, int64(*p), 10), nil
	case *int64:
		return strconv.AppendInt(nil, *p, 10), nil
	case *int32:
		return strconv.AppendInt(nil, int64(*p), 10), nil
	case *uint64:
		return strconv.AppendUint(nil, *p, 10), nil
	case *[]byte:
		if *p != nil {
			b := make([]byte, 0, base64.StdEncoding.EncodedLen(len(*p))+2)
			b = append(b, '"')
			b = base64.StdEncoding.AppendEncode(b, *p)
			return append(b, '"'), nil
		}
	}
	return marshalAny(x, v)
}

// marshalAny has a variable of its own, as unmarshalAny does. Its address lets
// encoding/json call the methods of *T, which decoding calls.
func marshalAny[T any](x *exact.Type, v T) ([]byte, error) {
	if x != nil {
		if err := x.Check(&v); err != nil {
			return nil, err
		}
	}
	return json.Marshal(&v)
}

// digits reports whether raw is a JSON integer without a sign.
func digits(raw []byte) bool {
	if len(raw) == 0 || len(raw) > 20 || raw[0] == '0' && len(raw) > 1 {
		return false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func scanInt(raw []byte, bits int) (int64, bool) {
	unsigned := raw
	if len(raw) > 0 && raw[0] == '-' {
		unsigned = raw[1:]
	}
	if !digits(unsigned) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, bits)
	return n, err == nil
}

func scanUint(raw []byte) (uint64, bool) {
	if !digits(raw) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw), 10, 64)
	return n, err == nil
}

func scanBytes(raw []byte) ([]byte, bool) {
	text, ok := exact.CutString(raw)
	if !ok {
		return nil, false
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(b, text)
	return b[:n], err == nil
}
