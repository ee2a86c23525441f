package coatcheck

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
)

// Values are JSON. The types that nearly every session holds (string, bool,
// integers, []byte) have a scanner of their own that gives what encoding/json
// gives (a fuzz test compares them) and leaves every uncommon spelling to it.

// decodeValue returns the T that raw stands for.
func decodeValue[T any](raw []byte) (T, error) {
	var v T
	switch p := any(&v).(type) {
	case *string:
		if plainString(raw) {
			*p = string(raw[1 : len(raw)-1])
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
	return decodeJSON[T](raw)
}

// decodeJSON has a variable of its own: handing out its address moves it to
// the heap, which the paths above must not pay for.
func decodeJSON[T any](raw []byte) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

// encodeValue returns v as JSON, or an error if it would not come back equal.
func encodeValue[T any](x *form[T], v T) ([]byte, error) {
	switch p := any(&v).(type) {
	case *string:
		if plainText(*p) {
			b := make([]byte, 0, len(*p)+2)
			b = append(b, '"')
			b = append(b, *p...)
			return append(b, '"'), nil
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
	return encodeJSON(x, v)
}

// encodeJSON has a variable of its own, as decodeJSON does. Its address lets
// encoding/json call the methods of *T, which decoding calls.
func encodeJSON[T any](x *form[T], v T) ([]byte, error) {
	if x != nil {
		if err := x.exact.Check(&v); err != nil {
			return nil, err
		}
	}
	return json.Marshal(&v)
}

// plainByte reports whether encoding/json writes the byte as it is, HTML
// escaping included.
func plainByte(c byte) bool {
	return c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}

func plainText(s string) bool {
	for i := range len(s) {
		if !plainByte(s[i]) {
			return false
		}
	}
	return true
}

// plainString reports whether raw is a JSON string that needs no unescaping.
func plainString(raw []byte) bool {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return false
	}
	for _, c := range raw[1 : len(raw)-1] {
		if !plainByte(c) {
			return false
		}
	}
	return true
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
	if !plainString(raw) {
		return nil, false
	}
	text := raw[1 : len(raw)-1]
	b := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(b, text)
	return b[:n], err == nil
}
